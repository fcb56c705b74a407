"""The monitor of overrides: how often people depart from the model, who does, and whether they were right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.reviews.rules.overrides import OverrideLimits
from creditlink.reviews.tables import OverrideOutcome, ReviewCase, ReviewOverride

RIPE = ("good", "bad")


@dataclass(frozen=True)
class MadeOverride:
    """One override as the monitor counts it; `label` is what became of the loan, None: no loan is known."""

    kind: str
    reviewer: str
    loosens: bool
    label: str | None

    @property
    def hit(self) -> bool | None:
        """Whether it was right: loosened and repaid, or tightened and went bad; None: not known yet."""
        if self.label not in RIPE:
            return None
        return (self.label == "good") == self.loosens


@dataclass(frozen=True)
class OverrideGroup:
    """Some overrides, and how many were right of those whose outcome is ripe."""

    name: str
    overrides: int
    loosening: int
    ripe: int
    hits: int

    def to_dict(self, fewest: int) -> dict[str, object]:
        """Return it with its rate; None where too few are ripe to call it one."""
        return {**vars(self), "hit_rate": self.hits / self.ripe if self.ripe >= fewest else None}


@dataclass(frozen=True)
class OverrideReport:
    """What the monitor says of a period."""

    decided: int
    overridden: int
    expired: int
    groups: dict[str, list[OverrideGroup]]
    limits: OverrideLimits

    @property
    def rate(self) -> float | None:
        """Share of decided cases in which a person departed from the result; None: too few are decided."""
        return self.overridden / self.decided if self.decided >= self.limits.fewest else None

    def to_dict(self) -> dict[str, object]:
        """Return it as routes and commands show it."""
        return {
            "decided": self.decided,
            "overridden": self.overridden,
            "expired": self.expired,
            "rate": self.rate,
            "most": self.limits.most_share,
            "alert": self.rate is not None and self.rate > self.limits.most_share,
            **{f"by_{name}": [one.to_dict(self.limits.fewest) for one in rows] for name, rows in self.groups.items()},
        }


def grouped(made: Sequence[MadeOverride]) -> dict[str, list[OverrideGroup]]:
    """Return overrides in all, by kind and by reviewer, the largest group first."""
    return {
        "all": [_group("all", made)] if made else [],
        "kind": _groups((one.kind, one) for one in made),
        "reviewer": _groups((one.reviewer, one) for one in made),
    }


def _groups(named: Iterable[tuple[str, MadeOverride]]) -> list[OverrideGroup]:
    found: dict[str, list[MadeOverride]] = {}
    for name, one in named:
        found.setdefault(name, []).append(one)
    return sorted((_group(name, rows) for name, rows in found.items()), key=lambda one: (-one.overrides, one.name))


def _group(name: str, rows: Sequence[MadeOverride]) -> OverrideGroup:
    hits = [one.hit for one in rows if one.hit is not None]
    return OverrideGroup(name, len(rows), sum(one.loosens for one in rows), len(hits), sum(hits))


def report(
    session: Session, *, limits: OverrideLimits, since: datetime | None = None, until: datetime | None = None
) -> OverrideReport:
    """Return what people did in a period [since, until); None: without that bound."""
    ended = [
        *([] if since is None else [ReviewCase.ended_at >= since]),
        *([] if until is None else [ReviewCase.ended_at < until]),
    ]
    states = select(ReviewCase.state, ReviewCase.decision, func.count()).where(ReviewCase.ended_at.is_not(None), *ended)
    counts: Counter[tuple[str, str | None]] = Counter()
    for state, decision, count in session.execute(states.group_by(ReviewCase.state, ReviewCase.decision)):
        counts[state, decision] += count
    query = (
        select(ReviewOverride.kind, ReviewOverride.first_id, ReviewOverride.loosens, OverrideOutcome.label)
        .join(ReviewCase, ReviewCase.id == ReviewOverride.case_id)
        .outerjoin(OverrideOutcome, OverrideOutcome.override_id == ReviewOverride.id)
        .where(*ended)
    )
    rows = session.execute(query).all()
    logins = _logins(session, {row.first_id for row in rows})
    made = [MadeOverride(row.kind, logins[row.first_id], row.loosens, row.label) for row in rows]
    decided = sum(count for (state, _), count in counts.items() if state == "decided")
    return OverrideReport(
        decided=decided,
        overridden=counts["decided", "overridden"],
        expired=counts["expired", None],
        groups=grouped(made),
        limits=limits,
    )


def _logins(session: Session, accounts: set[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(Account.id, Account.login).where(Account.id.in_(accounts)))
    return {row.id: row.login for row in rows}
