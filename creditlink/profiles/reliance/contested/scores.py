"""What a stored profile says without a contested datum, or with the corrected one; the profile itself never changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.disputes import versions
from creditlink.disputes.rules.registration import ENTRIES
from creditlink.disputes.tables import ContestedScore, Dispute
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.profiles.reliance import again
from creditlink.profiles.tables import Profile

WITHOUT, CORRECTED = "without", "corrected"


@dataclass(frozen=True)
class DatumRead:
    """What a profile read of a disputed datum: facts, or a column of the registration; false: nothing."""

    facts: frozenset[int] = frozenset()
    column: str | None = None

    def __bool__(self) -> bool:
        return bool(self.facts) or self.column is not None


def is_in_profiles(dispute: Dispute) -> bool:
    """Whether profiles are computed with a disputed datum: of the register's, a name or an address stands beside."""
    return not dispute.datum.is_registered or ENTRIES[dispute.subkey].in_profile


def read_by(session: Session, dispute: Dispute, profile: Profile) -> DatumRead:
    """Return the versions of a disputed datum that a profile read: those before its correction."""
    if dispute.datum.is_registered:
        name = dispute.subkey
        same = is_in_profiles(dispute) and profile.registration.get(name) == dispute.said.get(name)
        return DatumRead(column=name if same else None)
    known = {one.id for one in versions.facts_of(session, dispute)} - {dispute.corrected_fact_id}
    if dispute.fact_id is not None:
        known.add(dispute.fact_id)
    return DatumRead(frozenset(known & set(profile.fact_ids)))


def can_be_had(dispute: Dispute, which: str) -> bool:
    """Whether there is a score without a datum, or with the corrected one, to compute.

    The register always has a status or an industry: there is no firm without, and no score of one.
    """
    if dispute.datum.is_registered:
        return dispute.now_said is not None if which == CORRECTED else ENTRIES[dispute.subkey].may_lack
    return which != CORRECTED or dispute.corrected_fact_id is not None


def instead_of(dispute: Dispute, read: Collection[int], which: str) -> Mapping[int, int | None]:
    """Return what stands in place of a disputed datum: nothing, or its correction, once however often it was read."""
    last = max(read)
    return {one: dispute.corrected_fact_id if which == CORRECTED and one == last else None for one in read}


def keep(
    session: Session,
    dispute: Dispute,
    profile: Profile,
    which: str,
    read: DatumRead,
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
            instead=instead_of(dispute, read.facts, which) if read.facts else {},
            registered=_column(dispute, read, which),
        )  # fmt: skip
        values = {name: getattr(computed, name) for name in values}
    except (ValueError, LookupError):
        pass
    return unknown(session, dispute, profile, which, now, values)


def _column(dispute: Dispute, read: DatumRead, which: str) -> dict[str, object]:
    if read.column is None:
        return {}
    return {read.column: (dispute.now_said or {}).get(read.column) if which == CORRECTED else None}


def unknown(
    session: Session, dispute: Dispute, profile: Profile, which: str, now: datetime, values: Mapping[str, object]
) -> ContestedScore:
    """Keep what is known of a score beside a profile: once, whoever computes it first."""
    row = {"dispute_id": dispute.id, "profile_id": profile.id, "which": which, "computed_at": now, **values}
    session.execute(insert(ContestedScore).values(**row).on_conflict_do_nothing())
    return session.get_one(ContestedScore, (dispute.id, profile.id, which))
