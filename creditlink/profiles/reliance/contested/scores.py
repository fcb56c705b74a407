"""What a stored profile says without a contested datum, or with the corrected one; the profile itself never changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.disputes import service as disputes
from creditlink.disputes.tables import ContestedScore, Dispute
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.profiles.reliance import again
from creditlink.profiles.tables import Profile

WITHOUT, CORRECTED = "without", "corrected"


def read_by(session: Session, dispute: Dispute, profile: Profile) -> frozenset[int]:
    """Return the versions of a disputed datum that a profile read: those before its correction."""
    before = {one.id for one in disputes.versions_of(session, dispute)} - {dispute.corrected_fact_id}
    return frozenset({*before, dispute.fact_id} & set(profile.fact_ids))


def instead_of(dispute: Dispute, read: Collection[int], which: str) -> Mapping[int, int | None]:
    """Return what stands in place of a disputed datum: nothing, or its correction, once however often it was read."""
    last = max(read)
    return {one: dispute.corrected_fact_id if which == CORRECTED and one == last else None for one in read}


def keep(
    session: Session,
    dispute: Dispute,
    profile: Profile,
    which: str,
    read: Collection[int],
    *,
    live: LiveModel,
    book: ProductBook,
    now: datetime,
) -> ContestedScore:
    """Compute a profile again with a datum left out or corrected and all else as it was, and keep that beside it.

    What cannot be computed any more, because facts or model are gone, is kept as unknown: nobody is told a number.
    """
    values: dict[str, object] = dict.fromkeys(("state", "grade", "points", "pd_12m"))
    try:
        computed, _ = again.from_facts(
            session, profile, live=live, book=book, approval=again.approval_of(session, profile),
            instead=instead_of(dispute, read, which),
        )  # fmt: skip
        values = {name: getattr(computed, name) for name in values}
    except (ValueError, LookupError):
        pass
    return unknown(session, dispute, profile, which, now, values)


def unknown(
    session: Session, dispute: Dispute, profile: Profile, which: str, now: datetime, values: Mapping[str, object]
) -> ContestedScore:
    """Keep what is known of a score beside a profile: once, whoever computes it first."""
    row = {"dispute_id": dispute.id, "profile_id": profile.id, "which": which, "computed_at": now, **values}
    session.execute(insert(ContestedScore).values(**row).on_conflict_do_nothing())
    return session.get_one(ContestedScore, (dispute.id, profile.id, which))
