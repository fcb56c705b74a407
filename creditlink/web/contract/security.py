"""Who may call: the security schemes of the document, and how each operation names them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from creditlink.access.scopes import INSTITUTION_SCOPES, SCOPES
from creditlink.web.contract.nodes import Node, operations_of

_ROLE = "role:"


def schemes() -> Node:
    """Return the schemes: a token with its scopes, the proof of its key (one of two), and staff."""
    own = {scope: words for scope, words in SCOPES.items() if scope in INSTITUTION_SCOPES}
    return {
        "oauth2": {
            "type": "oauth2",
            "description": "An access token of the authorization server, never without the proof of its key. A code "
            "is asked for through `/oauth/par`, or the firm's inbox is used (`/oauth/bc-authorize`, "
            "CIBA in poll mode), which OpenAPI has no flow for. Clients sign in with `private_key_jwt`.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": "/oauth/authorize",
                    "tokenUrl": "/oauth/token",
                    "refreshUrl": "/oauth/token",
                    "scopes": dict(SCOPES),
                },
                "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": own},
            },
        },
        "dpop": {
            "type": "http",
            "scheme": "DPoP",
            "description": "RFC 9449: `Authorization: DPoP <token>` and, in the header `DPoP`, a fresh proof signed "
            "with the token's key: `htm`, `htu`, `ath`, `iat`, `jti`, and `nonce` where the server asks for one.",
        },
        "mutualTLS": {
            "type": "mutualTLS",
            "description": "RFC 8705, where the platform's proxy terminates mutual TLS: `Authorization: Bearer "
            "<token>` over a connection with the certificate that the token is bound to.",
        },
        "staff": {
            "type": "http",
            "scheme": "Staff",
            "description": "For the platform's own people: `Authorization: Staff <statement>`, signed with a "
            "person's key, good for one request.",
        },
    }


def secure(document: Node) -> None:
    """Say of every operation what it takes: a token proven in one of two ways, a statement of staff, or nothing."""
    for _, _, operation in operations_of(document):
        named = cast(Sequence[dict[str, list[str]]], operation.get("security", ()))
        scopes = [scope for one in named for scope in one.get("oauth2", ())]
        if not scopes:
            operation["security"] = []
        elif scopes[0].startswith(_ROLE):
            operation["security"] = [{"staff": scopes[0].removeprefix(_ROLE).split("|")}]
        else:
            operation["security"] = [{"oauth2": scopes, other: []} for other in ("dpop", "mutualTLS")]
