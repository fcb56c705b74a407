"""The authorization server's endpoints as an OpenAPI document: what to send them, for the tests that send anything."""

from __future__ import annotations

from typing import Any

ERRORS = {
    "access_denied",
    "authorization_pending",
    "expired_token",
    "invalid_authorization_details",
    "invalid_binding_message",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_grant_id",
    "invalid_request",
    "invalid_scope",
    "request_not_supported",
    "slow_down",
    "unauthorized_client",
    "unknown_user_id",
    "unsupported_grant_type",
    "unsupported_response_type",
}

_TEXT: dict[str, Any] = {"type": "string"}


def _one_of(*values: str) -> dict[str, Any]:
    return {"anyOf": [{"enum": list(values)}, _TEXT]}


_GRANTS = ("authorization_code", "refresh_token", "client_credentials", "urn:openid:params:grant-type:ciba")
_DETAILS = _one_of(
    "[]", "{}", "[[]]", "null", "[" * 3000, '[{"type":"enterprise_credit_profile"}]', '[{"type":"x"}]',
    '[{"type":"enterprise_credit_profile","purpose":"underwriting","categories":["tax"],'
    '"valid_until":"9999-12-31T23:59:59-12:00"}]',
    '[{"type":"enterprise_credit_profile","purpose":"underwriting","categories":["tax","tax"],"uscc":"\\ud800\\u0000"}]',
)  # fmt: skip
_FORMS: dict[str, dict[str, Any]] = {
    "/oauth/par": {
        "response_type": _one_of("code", "token"),
        "redirect_uri": _one_of("https://bank.example/callback", "javascript:alert(1)"),
        "scope": _one_of("profile:read", "profile:read profile:read", " "),
        "state": _TEXT,
        "code_challenge": _one_of("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        "code_challenge_method": _one_of("S256", "plain"),
        "authorization_details": _DETAILS,
        "dpop_jkt": _TEXT,
        "grant_management_action": _one_of("create", "merge", "replace"),
        "grant_id": _TEXT,
        "request": _TEXT,
        "request_uri": _TEXT,
    },
    "/oauth/bc-authorize": {
        "scope": _one_of("profile:read"),
        "login_hint": _TEXT,
        "binding_message": _TEXT,
        "requested_expiry": _one_of("1800", "-1", "1e9", "9" * 40),
        "authorization_details": _DETAILS,
    },
    "/oauth/token": {
        "grant_type": _one_of(*_GRANTS),
        "code": _TEXT,
        "code_verifier": _TEXT,
        "redirect_uri": _TEXT,
        "refresh_token": _TEXT,
        "auth_req_id": _TEXT,
        "scope": _one_of("consent:read", "profile:read"),
        "authorization_details": _DETAILS,
    },
    "/oauth/introspect": {"token": _TEXT, "token_type_hint": _one_of("access_token", "refresh_token")},
    "/oauth/revoke": {"token": _TEXT, "token_type_hint": _one_of("access_token", "refresh_token")},
}
_CLIENT = {
    "client_id": _TEXT,
    "client_assertion_type": _one_of("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    "client_assertion": _one_of("e30.e30.", "a.b.c"),
    "client_secret": _TEXT,
}
_ANY_ANSWER = {"default": {"description": "judged by the test"}}


def _form(properties: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "properties": properties | _CLIENT}
    return {
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": body}}},
        "responses": _ANY_ANSWER,
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "The protocol", "version": "1"},
    "paths": {path: {"post": _form(properties)} for path, properties in _FORMS.items()}
    | {
        "/oauth/authorize": {
            "get": {
                "parameters": [
                    {"name": name, "in": "query", "schema": schema}
                    for name, schema in {
                        "client_id": _TEXT,
                        "request_uri": _one_of("urn:ietf:params:oauth:request_uri:x"),
                        "redirect_uri": _TEXT,
                    }.items()
                ],
                "responses": _ANY_ANSWER,
            }
        }
    },
}
