"""The codes that firms have and had: a request that names a former one is for the same firm."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

# Functions of the database, since a request sees of the registry's history only its own firm's; codes are public.
_CODES = text("SELECT uscc FROM creditlink_codes(:firms)").bindparams(bindparam("firms", type_=ARRAY(Uuid)))
_FIRM = text("SELECT creditlink_firm_of_code(:code)")


def codes_of(session: Session, firms: Collection[UUID]) -> frozenset[str]:
    """Return every code that these firms have or had."""
    return frozenset(session.scalars(_CODES, {"firms": list(firms)}))


def firm_of(session: Session, code: str) -> UUID | None:
    """Return the firm that has this code, or else the one that had it."""
    found: UUID | None = session.scalar(_FIRM, {"code": code})
    return found
