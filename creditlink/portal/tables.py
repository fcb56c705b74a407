"""Web sessions of people, the browsers they come from, and how often a sign-in was tried."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.kit.postgres.db import Base


class WebSession(Base):
    """The session of a browser that is signed in. Only its id's SHA-256 is stored; it can be ended from elsewhere."""

    __tablename__ = "web_sessions"

    id_hash: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)  # exclusive, whatever is done meanwhile
    strong_at: Mapped[datetime | None]  # when a one-time code was last given
    address: Mapped[str]
    agent: Mapped[str]
    device_id: Mapped[UUID | None]  # of `person_devices`


class PersonDevice(Base):
    """A browser that has signed in as this person; its sealed note holds the id. Ended, it is a stranger again."""

    __tablename__ = "person_devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    agent: Mapped[str]
    address: Mapped[str]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class SignInTries(Base):
    """How often one account or one address tried in the current window."""

    __tablename__ = "sign_in_tries"

    key: Mapped[str] = mapped_column(primary_key=True)  # account:<sha256 of login> or address:<ip>
    tries: Mapped[int]
    window_from: Mapped[datetime]
