"""What somebody may have done with an open decision to look deeper: the records behind an indicator, every product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from creditlink.decisions.policy import store
from creditlink.decisions.policy.bundle import PolicyDamaged
from creditlink.decisions.policy.loading import LoadedPolicy
from creditlink.decisions.record import DecisionRecord, RecordInvalid
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.indicator import Indicator
from creditlink.engine.matching import encoding
from creditlink.engine.matching.outcomes import ProductMatch
from creditlink.engine.scoring.peers import Comparison, size_of
from creditlink.profiles.lineage.service import Lineage, LineageQuery, frames_json, lineage_of
from creditlink.profiles.tables import Profile

MOST_FACTS = 40


@dataclass(frozen=True)
class ShownLineage:
    """Where an indicator's value comes from, down to the rows that were pulled."""

    indicator: Indicator
    found: Lineage
    reads: Sequence[Mapping[str, object]]

    @property
    def all_gone(self) -> bool:
        """Return whether nothing of what was read is there any more."""
        return not self.found.facts and self.found.gone > 0


def policy_of(session: Session, record: DecisionRecord) -> LoadedPolicy | None:
    """Return the policy of the record's day, loaded; None where it cannot be loaded any more."""
    try:
        return store.loaded(session, record.bundle)
    except (LookupError, PolicyDamaged, RecordInvalid):
        return None


def lineage(session: Session, profile: Profile, indicator: str, policy: LoadedPolicy) -> ShownLineage:
    """Return the lineage of an indicator; the transaction looks at the firm's decision.

    Raises
    ------
    InvalidRequest
        The decision has no such indicator.
    """
    found = lineage_of(session, profile, LineageQuery(indicator, limit=MOST_FACTS), live=policy.live, consent_id=None)
    reads = [one for frame in found.reading.frames for one in frames_json(frame, profile.as_of)]
    return ShownLineage(BY_NAME[indicator], found, reads)


def products(record: DecisionRecord, policy: LoadedPolicy) -> list[ProductMatch]:
    """Return every product that the decision was matched to, with every rule, in its order.

    Raises
    ------
    StoredMatchesInvalid
        What is kept is damaged.
    """
    return list(encoding.unpack(record.matches, policy.book)) if record.matches else []


def peers_of(profile: Profile, policy: LoadedPolicy | None) -> dict[str, Comparison]:
    """Return indicator -> how the firm's value compares with its peers', by the model that scored it."""
    if policy is None or profile.state != "scored":
        return {}
    values: dict[str, float | None] = {name: value for name, (value, *_) in profile.explanation["indicators"].items()}
    industry = profile.registration["industry"]
    size = size_of(values.get("sales_12_fen"), values.get("headcount"))
    found = {
        name: policy.live.model.peers.compare(industry, size, name, value)
        for name, value in values.items()
        if value is not None
    }
    return {name: one for name, one in found.items() if one is not None}
