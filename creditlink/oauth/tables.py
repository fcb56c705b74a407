"""What the authorization server remembers. Of every secret only SHA-256 is stored."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base

if TYPE_CHECKING:
    from creditlink.oauth.clients.client import OAuthClient


class PushedRequest(Base):
    """An authorization request as an authenticated client pushed it (RFC 9126), or as it waits in an inbox.

    The row is the only source of what the firm decides on. It is decided once: `decided_at`.
    """

    __tablename__ = "pushed_requests"
    __table_args__ = (
        CheckConstraint("(redirect_uri IS NULL) = (code_challenge IS NULL)", name="front_channel"),
        CheckConstraint("outcome IN ('approved', 'denied')", name="outcome"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    # SHA-256 of the request_uri; of the auth_req_id where the bank polls (backchannel).
    request_uri_hash: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    consent_id: Mapped[UUID] = mapped_column(index=True)
    redirect_uri: Mapped[str | None]  # null: backchannel
    scopes: Mapped[list[str]]
    state: Mapped[str | None]
    code_challenge: Mapped[str | None]
    dpop_jkt: Mapped[str | None]  # the code, or the poll, is bound to this key
    binding_message: Mapped[str | None]  # backchannel: both sides show it to the person
    details: Mapped[list[dict[str, object]]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # of the request_uri, exclusive
    opened_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]  # backchannel: when the bank fetched the answer, and with that used it up
    outcome: Mapped[str | None]
    polled_at: Mapped[datetime | None]


class AuthorizationCode(Base):
    """A code, bound to the client, the redirect address, the PKCE challenge and, if known, the DPoP key."""

    __tablename__ = "authorization_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code_hash: Mapped[str] = mapped_column(unique=True)
    pushed_request_id: Mapped[UUID] = mapped_column(ForeignKey("pushed_requests.id", ondelete="CASCADE"), unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"))
    consent_id: Mapped[UUID]
    account_id: Mapped[UUID]  # who approved
    redirect_uri: Mapped[str]
    scopes: Mapped[list[str]]
    code_challenge: Mapped[str]
    dpop_jkt: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # exclusive
    used_at: Mapped[datetime | None]

    def get_redirect_uri(self) -> str:
        """Return where the code was sent (Authlib compares it)."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the granted scopes, joined (Authlib's form)."""
        return " ".join(self.scopes)


class RefreshToken(Base):
    """Lives as long as the consent and is not rotated; it needs the client's authentication each time."""

    __tablename__ = "refresh_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    token_hash: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"))
    consent_id: Mapped[UUID] = mapped_column(index=True)
    origin_id: Mapped[UUID] = mapped_column(index=True)  # the pushed request it all comes from
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # exclusive
    revoked_at: Mapped[datetime | None]

    def get_scope(self) -> str:
        """Return the granted scopes, joined (Authlib's form)."""
        return " ".join(self.scopes)

    def check_client(self, client: OAuthClient) -> bool:
        """Whether it was issued to `client` (Authlib asks)."""
        return self.client_id == client.client_id
