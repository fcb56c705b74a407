"""A registered client as Authlib asks about it, read afresh for every request."""

from __future__ import annotations

from dataclasses import dataclass

from authlib.oauth2.rfc6749 import ClientMixin
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.institutions.tables import Client, Institution

AUTH_METHOD = "private_key_jwt"
CIBA = "urn:openid:params:grant-type:ciba"
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials", CIBA)


@dataclass(frozen=True)
class OAuthClient(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """An active client of an active institution."""

    row: Client
    institution: Institution

    @property
    def client_id(self) -> str:
        """The identifier on the wire."""
        return self.row.client_id

    @property
    def is_sandbox(self) -> bool:
        """Whether a developer made it in a sandbox: never let in where firms are real."""
        return "sandbox" in self.row.metadata_

    def get_client_id(self) -> str:
        """Return the identifier on the wire."""
        return self.row.client_id

    def get_default_redirect_uri(self) -> None:
        """Return none: FAPI 2.0 wants the address in every request."""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether the address is registered, compared character by character."""
        return redirect_uri in self.row.redirect_uris

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scope if all of it is allowed, else None: nothing is trimmed silently."""
        names = (scope or "").split(" ")
        if not all(name in self.row.scopes for name in names) or len(set(names)) != len(names):
            return None
        return " ".join(names)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether it may authenticate this way."""
        return method == AUTH_METHOD

    def check_response_type(self, response_type: str) -> bool:
        """Only codes."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the grant type is offered at all; no client has its own list."""
        return grant_type in GRANT_TYPES


def active_client(session: Session, client_id: str) -> OAuthClient | None:
    """Return the client if it and its institution are active now."""
    row = session.execute(
        select(Client, Institution)
        .join(Institution, Institution.id == Client.institution_id)
        .where(Client.client_id == client_id, Client.status == "active", Institution.status == "active")
    ).one_or_none()
    return None if row is None else OAuthClient(row[0], row[1])
