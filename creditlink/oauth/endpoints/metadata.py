"""Authorization server metadata (RFC 8414): what a client library needs to find its way."""

from __future__ import annotations

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from creditlink.access import keys
from creditlink.access.scopes import SCOPES
from creditlink.access.settings import OAuthSettings
from creditlink.consents.agreement.details import KNOWN_TYPES
from creditlink.oauth.clients.client import AUTH_METHOD, GRANT_TYPES
from creditlink.oauth.grants.amend import ACTIONS_SUPPORTED


def document(settings: OAuthSettings) -> dict[str, object]:
    """Return the metadata document, checked by Authlib."""
    issuer = settings.issuer
    body: dict[str, object] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "require_pushed_authorization_requests": True,
        "backchannel_authentication_endpoint": f"{issuer}/oauth/bc-authorize",
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_user_code_parameter_supported": False,
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "dpop_signing_alg_values_supported": keys.ADVERTISED,
        "tls_client_certificate_bound_access_tokens": bool(settings.mtls_header),
        "authorization_details_types_supported": list(KNOWN_TYPES),
        "grant_management_endpoint": f"{issuer}/oauth/grants",
        "grant_management_actions_supported": ACTIONS_SUPPORTED,
        "grant_management_action_required": False,
        "ui_locales_supported": ["zh", "en"],
    }
    for endpoint in ("token", "introspection", "revocation"):
        body[f"{endpoint}_endpoint_auth_methods_supported"] = [AUTH_METHOD]
        body[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = keys.ADVERTISED
    AuthorizationServerMetadata(body).validate()
    return body
