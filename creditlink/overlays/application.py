"""An overlay applied to a profile that was just made, stored beside it, read with it, and computed again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.audit import service as audit
from creditlink.decisions.record import OverlayKept
from creditlink.engine.overlay.columns import values_of
from creditlink.engine.overlay.result import BaseScore, apply_overlay
from creditlink.engine.overlay.terms import OverlayTerms, Value
from creditlink.engine.scoring.scale import Scale
from creditlink.kit import ids
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.overlays import versions
from creditlink.overlays.tables import Overlay, OverlayColumns, OverlayResult


class ProfiledFirm(Protocol):
    """What is asked of a stored profile here."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...


@dataclass(frozen=True)
class OverlayAsk:
    """Whether a profile is to be overlaid: True for the live version, a number for exactly that one; own columns."""

    version: bool | int
    columns: Mapping[str, object]


def wanted_overlay(session: Session, access: Access, ask: OverlayAsk | None) -> Overlay | None:
    """Return the version that a request wants; None where it wants none.

    Raises
    ------
    Conflict
        The institution has no live version, or another one than the request names.
    InvalidRequest
        A column that was sent is not one of the overlay, or its value is wrong; or columns without an overlay.
    """
    if ask is None or ask.version is False:
        if ask is not None and ask.columns:
            raise InvalidRequest(errors=[{"pointer": "/overlay_columns", "detail": "are sent without an overlay"}])
        return None
    overlay = versions.live_of(session, access.institution_id)
    if overlay is None:
        raise Conflict("your institution has no live overlay", reason="no_live_overlay")
    if ask.version is not True and ask.version != overlay.version:
        raise Conflict(
            f"overlay version {ask.version} is not live, version {overlay.version} is", reason="overlay_not_live"
        )
    _, flaws = values_of(overlay.to_terms(), ask.columns)
    if flaws:
        raise InvalidRequest(
            errors=[{"pointer": f"/overlay_columns/{flaw.field}", "detail": str(flaw)} for flaw in flaws]
        )
    return overlay


def store_result(
    session: Session,
    access: Access,
    overlay: Overlay,
    columns: Mapping[str, object],
    *,
    profile_id: UUID,
    enterprise_id: UUID,
    base: BaseScore,
    scale: Scale,
    now: datetime,
) -> OverlayResult:
    """Apply the overlay to a profile and keep the result beside it, with its evidence, in the caller's transaction.

    What was sent with the request goes before what was uploaded.
    """
    terms = overlay.to_terms()
    sent, _ = values_of(terms, columns)
    filed = _uploaded(session, access, terms, enterprise_id)
    used: dict[str, Value] = filed | sent
    result = result_of(terms, base, used, scale)
    plain_columns: dict[str, object] = dict(used)
    stored = OverlayResult(
        profile_id=profile_id,
        institution_id=access.institution_id,
        enterprise_id=enterprise_id,
        overlay_id=overlay.id,
        version=overlay.version,
        terms_sha256=overlay.terms_sha256,
        columns=plain_columns,
        sources={name: "request" if name in sent else "file" for name in used},
        result=result,
        result_sha256=versions.sha256_of([overlay.terms_sha256, plain_columns, result]),
        shown_to_firm=terms.shown_to_firm,
        created_at=now,
    )
    session.add(stored)
    audit.record(
        session,
        action="overlay.apply",
        result="done",
        actor=f"bank:{access.client_id}",
        now=now,
        enterprise_id=enterprise_id,
        institution_id=access.institution_id,
        client_id=access.client_id,
        consent_id=access.consent_id,
        # Under the bank's key: what the bank knows of the firm must not be guessed from a hash in the firm's chain.
        detail={
            "profile": ids.external("prf", profile_id),
            "version": overlay.version,
            "result_hmac": ids.pairwise_digest(access.pairwise_salt, stored.result_sha256),
        },
    )
    return stored


def _uploaded(session: Session, access: Access, terms: OverlayTerms, enterprise_id: UUID) -> dict[str, Value]:
    """Return what the bank's file says of the firm, as far as this version still has such columns."""
    firm = ids.pairwise(access.pairwise_salt, enterprise_id)
    row = session.get(OverlayColumns, (access.institution_id, firm))
    if row is None:
        return {}
    values, _ = values_of(terms, {name: value for name, value in row.values.items() if terms.column(name)})
    return values


def result_of(terms: OverlayTerms, base: BaseScore, columns: Mapping[str, Value], scale: Scale) -> dict[str, object]:
    """Return an overlay's result in the form in which it is stored."""
    return stored_form(apply_overlay(terms, base, columns, scale))


def stored_form(members: Mapping[str, object]) -> dict[str, object]:
    """Return plain values as they come back from the database: no -0.0, large whole numbers without a point."""
    return {name: _stored(value) for name, value in members.items()}


def _stored(value: object) -> object:
    if isinstance(value, float):
        return int(Decimal(repr(value))) if abs(value) >= 1e16 and math.isfinite(value) else value + 0.0
    if isinstance(value, dict):
        return stored_form(value)
    if isinstance(value, list | tuple):
        return [_stored(inner) for inner in value]
    return value


def overlay_of(session: Session, profile: ProfiledFirm) -> OverlayResult | None:
    """Return what the overlay said of a profile; None where none was asked for, or the viewer may not see it."""
    return session.get(OverlayResult, profile.id)


def overlays_of(session: Session, profiles: Iterable[ProfiledFirm]) -> dict[UUID, OverlayResult]:
    """Return the results of several profiles, by profile."""
    wanted = [profile.id for profile in profiles]
    rows = session.scalars(select(OverlayResult).where(OverlayResult.profile_id.in_(wanted)))
    return {row.profile_id: row for row in rows}


def kept_form(stored: OverlayResult) -> OverlayKept:
    """Return what the record of the decision keeps of a result."""
    return {
        "version": stored.version,
        "terms_sha256": stored.terms_sha256,
        "result_sha256": stored.result_sha256,
        "points": stored.result["points"],
        "grade": stored.result["grade"],
        "decision": stored.result["decision"],
    }


def recomputed(session: Session, stored: OverlayResult, base: BaseScore, scale: Scale) -> dict[str, object]:
    """Return the result computed again, from a base that a replay gave and the columns as they were used."""
    overlay = session.get_one(Overlay, stored.overlay_id)
    values, _ = values_of(overlay.to_terms(), stored.columns)
    return result_of(overlay.to_terms(), base, values, scale)


def overlay_json(stored: OverlayResult, salt: str) -> dict[str, object]:
    """Return a result as its bank reads it."""
    return {
        "version": stored.version,
        "terms_sha256": stored.terms_sha256,
        "result_hmac": ids.pairwise_digest(salt, stored.result_sha256),
        "sources": stored.sources,
        **stored.result,
    }
