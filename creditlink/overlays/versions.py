"""The versions of an institution's overlay: written, checked by other hands, published, retired; every step a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.terms import Flaw
from creditlink.engine.overlay.check import flaws_of
from creditlink.engine.overlay.limits import OverlayLimits
from creditlink.engine.overlay.terms import OverlayTerms
from creditlink.engine.scoring.scale import Scale
from creditlink.kit.errors import Conflict, NotFound
from creditlink.overlays.tables import Overlay, OverlayStep
from creditlink.products.catalogue import lifecycle
from creditlink.products.catalogue.lifecycle import Hands
from creditlink.products.catalogue.publishing import refusing

_TURNS = 0x6F76726C  # "ovrl": seeds the lock's number


class OverlayInvalid(ValueError):
    """A declared overlay is wrong; every flaw is listed, each with its field and value."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(str(flaw) for flaw in flaws))


def write(
    session: Session,
    institution_id: UUID,
    terms: OverlayTerms,
    *,
    scale: Scale,
    limits: OverlayLimits,
    hands: Hands,
    now: datetime,
) -> Overlay:
    """Write a draft: the first version, the next one, or over the version that is being prepared.

    Writing the same terms again changes nothing. A checked version that is written to becomes a draft again.

    Raises
    ------
    OverlayInvalid
        Something is wrong with the terms; every flaw is named.
    """
    if flaws := flaws_of(terms, BY_NAME, scale=scale, limits=limits):
        raise OverlayInvalid(flaws)
    _take_turns(session, institution_id)
    versions = session.scalars(
        select(Overlay).where(Overlay.institution_id == institution_id).order_by(Overlay.version)
    ).all()
    pending = next((one for one in versions if one.state in lifecycle.PENDING), None)
    plain: dict[str, object] = json.loads(json.dumps(terms.to_dict()))
    digest = sha256_of(plain)
    if pending is not None and pending.terms_sha256 == digest:
        return pending
    if pending is None:
        pending = Overlay(
            institution_id=institution_id,
            version=versions[-1].version + 1 if versions else 1,
            state="draft",
            terms=plain,
            terms_sha256=digest,
            written_by=hands.actor,
            created_at=now,
            changed_at=now,
        )
        session.add(pending)
    else:
        pending.state = lifecycle.after(pending.state, "write")
        pending.terms, pending.terms_sha256 = plain, digest
        pending.written_by, pending.checked_by, pending.changed_at = hands.actor, None, now
    return _note(session, pending, "write", hands, now=now, note="")


def check(
    session: Session,
    overlay: Overlay,
    *,
    terms_sha256: str,
    scale: Scale,
    limits: OverlayLimits,
    hands: Hands,
    now: datetime,
    note: str,
) -> Overlay:
    """Confirm, with other hands than those that wrote it, exactly the terms of a hash.

    Raises
    ------
    Conflict
        The terms are no longer those, the state or the four eyes forbid it, or they are wrong by the rules of today.
    """
    if overlay.terms_sha256 != terms_sha256:
        raise Conflict("check: the terms are not those that were read", reason="terms_changed")
    if overlay.state == "checked" and overlay.checked_by == hands.actor:
        return overlay
    written = [one for one in steps_of(session, overlay) if one.step == "write"]
    writers = [Hands(overlay.written_by), *(Hands(one.actor, frozenset(one.keys)) for one in written)]
    with refusing():
        to = lifecycle.after(overlay.state, "check")
        lifecycle.check_hands(hands, writers)
    _refuse_flaws(overlay, scale, limits)
    overlay.state, overlay.checked_by, overlay.changed_at = to, hands.actor, now
    return _note(session, overlay, "check", hands, now=now, note=note)


def publish(
    session: Session,
    overlay: Overlay,
    *,
    scale: Scale,
    limits: OverlayLimits,
    hands: Hands,
    now: datetime,
    note: str,
) -> Overlay:
    """Put a checked version to use; the live one, if there is one, is retired with it.

    Raises
    ------
    Conflict
        It is not checked, or is wrong by the rules and the indicators of today.
    """
    if overlay.state == "live":
        return overlay
    with refusing():
        to = lifecycle.after(overlay.state, "publish")
    _refuse_flaws(overlay, scale, limits)
    before = live_of(session, overlay.institution_id)
    if before is not None:
        before.state, before.changed_at = "retired", now
        _note(session, before, "retire", hands, now=now, note=f"superseded by version {overlay.version}")
    overlay.state, overlay.published_at, overlay.changed_at = to, now, now
    return _note(session, overlay, "publish", hands, now=now, note=note)


def retire(session: Session, overlay: Overlay, *, hands: Hands, now: datetime, note: str) -> Overlay:
    """Take a version out of use, or drop one that was being prepared. Results under it stay with their profiles."""
    if overlay.state == "retired":
        return overlay
    with refusing():
        overlay.state = lifecycle.after(overlay.state, "retire")
    overlay.changed_at = now
    return _note(session, overlay, "retire", hands, now=now, note=note)


def live_of(session: Session, institution_id: UUID) -> Overlay | None:
    """Return the version that an institution uses now."""
    return session.scalar(select(Overlay).where(Overlay.institution_id == institution_id, Overlay.state == "live"))


def own(session: Session, institution_id: UUID, version: int, *, lock: bool = False) -> Overlay:
    """Return a version of the institution's own overlay.

    Raises
    ------
    NotFound
        There is none of that number.
    """
    if lock:
        _take_turns(session, institution_id)
    query = select(Overlay).where(Overlay.institution_id == institution_id, Overlay.version == version)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound
    return found


def steps_of(session: Session, overlay: Overlay) -> Sequence[OverlayStep]:
    """Return what was done to a version, oldest first."""
    return session.scalars(
        select(OverlayStep).where(OverlayStep.overlay_id == overlay.id).order_by(OverlayStep.id)
    ).all()


def sha256_of(plain: object) -> str:
    """Return the hash of plain values, whatever the order of their members."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_flaws(overlay: Overlay, scale: Scale, limits: OverlayLimits) -> None:
    if flaws := flaws_of(overlay.to_terms(), BY_NAME, scale=scale, limits=limits):
        raise Conflict("; ".join(str(flaw) for flaw in flaws), reason="findings")


def _take_turns(session: Session, institution_id: UUID) -> None:
    """Let one writer of an institution go on at a time; the others wait."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(institution_id), _TURNS))))


def _note(session: Session, overlay: Overlay, step: str, hands: Hands, *, now: datetime, note: str) -> Overlay:
    session.flush()
    session.add(
        OverlayStep(
            overlay_id=overlay.id,
            institution_id=overlay.institution_id,
            at=now,
            step=step,
            actor=hands.actor,
            terms_sha256=overlay.terms_sha256,
            note=note,
            keys=sorted(hands.marks),
        )
    )
    audit.record(
        session,
        action=f"overlay.{step}",
        result="done",
        actor=hands.actor,
        now=now,
        institution_id=overlay.institution_id,
        client_id=hands.actor.partition(":")[2],
        detail={"version": overlay.version, "state": overlay.state, "terms_sha256": overlay.terms_sha256},
    )
    return overlay


Step = Callable[[Session, Overlay], Overlay]
"""One step of a version's life, as a route takes it."""
