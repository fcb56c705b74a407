"""What a decision rests on once its indicators are known, and the decision made from that alone. Pure.

The facts go when their data life is over. The basis stays with the record of the decision, so that the decision can be
made again by the model, rules and products of its day. Creation, replay from facts and replay from the record all end
in `decide_many` and `snapshot`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TypedDict

import numpy as np
import polars as pl

from creditlink.engine.capacity.derivation import derive_capacity
from creditlink.engine.capacity.evidence import CashEvidence, cash_evidence
from creditlink.engine.explanation.coverage import WithoutCategory
from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.facts.relief import AppliedRelief
from creditlink.engine.facts.relief_policies import policies_of
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.profile.asked import ProfileInputs
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import Profiles, decide_many, profile_many
from creditlink.engine.profile.snapshot import (
    Snapshot,
    registration_frame,
    registration_json,
    snapshot,
    without_granted,
)
from creditlink.engine.profile.ties import explanations, relations_member
from creditlink.engine.profile.validity import bounded, next_filing
from creditlink.engine.scoring.limits.contradicted import Contradicted
from creditlink.engine.scoring.limits.partial import partial_of
from creditlink.engine.vocabulary import FIRST_EDITION


class BasisJson(TypedDict):
    """A basis as it is stored."""

    registration: dict[str, object]
    indicators: dict[str, float | None]
    cash: dict[str, object] | None
    next_filing: str | None
    relieved: list[str]


@dataclass(frozen=True)
class DecisionBasis:
    """Everything of one firm that its decision depends on, besides what was asked."""

    registration: Mapping[str, object]
    indicators: Mapping[str, float | None]  # every indicator, also those that only products read
    cash: CashEvidence | None  # None: the profile has no capacity
    next_filing: date | None
    relieved: tuple[str, ...]  # codes of the policies asked with that relieved something

    def to_json(self) -> BasisJson:
        """Return plain values, from which `basis_from` makes the same basis."""
        return {
            "registration": dict(self.registration),
            "indicators": dict(self.indicators),
            "cash": None if self.cash is None else asdict(self.cash),
            "next_filing": None if self.next_filing is None else self.next_filing.isoformat(),
            "relieved": list(self.relieved),
        }


@dataclass(frozen=True)
class DecisionCase:
    """One decision to be made again."""

    as_of: date
    asked: ProfileInputs
    basis: DecisionBasis


def basis_from(stored: BasisJson) -> DecisionBasis:
    """Return the basis that `to_json` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is not one.
    """
    cash, filing = stored["cash"], stored["next_filing"]
    return DecisionBasis(
        registration=dict(stored["registration"]),
        indicators=dict(stored["indicators"]),
        cash=None if cash is None else CashEvidence(**cash),  # type: ignore[arg-type]  # written by asdict
        next_filing=None if filing is None else date.fromisoformat(filing),
        relieved=tuple(stored["relieved"]),
    )


def decide(
    records: RecordSet,
    as_of: date,
    asked: ProfileInputs,
    *,
    live: LiveModel,
    book: ProductBook,
    approval: ApprovalModel | None = None,
) -> tuple[Snapshot, DecisionBasis]:
    """Return the profile of the one firm in `records`, and what it rests on."""
    profiles = profile_many(
        records,
        as_of=as_of,
        live=live,
        book=book,
        granted=frozenset(asked["categories"]),
        ask=Ask(asked["amount_fen"], asked["term_months"]),
        approval=approval,
        partial=partial_of(asked.get("partial", {}), live.rules.partial),
        relief=policies_of(asked.get("relief", [])),
    )
    basis = _basis_of(records, profiles, as_of, asked)
    return _snapshot_of(profiles, 0, basis, asked, live), basis


def decide_again(
    cases: Sequence[DecisionCase], *, live: LiveModel, book: ProductBook, approval: ApprovalModel | None = None
) -> list[Snapshot]:
    """Return the profiles that follow from the bases, in their order; what was asked alike is computed at once.

    Raises
    ------
    ValueError
        A basis lacks an indicator that the model reads.
    """
    alike: dict[tuple[date, str], list[int]] = {}
    for place, case in enumerate(cases):
        asked = case.asked
        terms: list[object] = [asked["categories"], asked["amount_fen"], asked["term_months"]]
        terms += [asked.get("partial", {}), asked.get("relief", []), list(case.basis.indicators)]
        alike.setdefault((case.as_of, json.dumps(terms, sort_keys=True)), []).append(place)
    found: dict[int, Snapshot] = {}
    for places in alike.values():
        group = [cases[place] for place in places]
        profiles = _profiles_of(group, live, book, approval)
        without = without_granted(profiles, live)
        for row, (place, case) in enumerate(zip(places, group, strict=True)):
            found[place] = _snapshot_of(profiles, row, case.basis, case.asked, live, without[row])
    return [found[place] for place in range(len(cases))]


def _profiles_of(
    group: Sequence[DecisionCase], live: LiveModel, book: ProductBook, approval: ApprovalModel | None
) -> Profiles:
    asked = group[0].asked
    rows = [registration_frame(dict(case.basis.registration) | {"firm": i}) for i, case in enumerate(group)]
    names = list(group[0].basis.indicators)
    columns = {name: [case.basis.indicators.get(name) for case in group] for name in names}
    features = pl.DataFrame(
        {"firm": range(len(group)), **columns}, schema={"firm": pl.Int32, **dict.fromkeys(names, pl.Float64)}
    )
    return decide_many(
        pl.concat(rows),
        features,
        as_of=group[0].as_of,
        live=live,
        book=book,
        granted=frozenset(asked["categories"]),
        ask=Ask(asked["amount_fen"], asked["term_months"]),
        approval=approval,
        partial=partial_of(asked.get("partial", {}), live.rules.partial),
        applied=_applied(group),
    )


def _snapshot_of(
    profiles: Profiles,
    row: int,
    basis: DecisionBasis,
    asked: ProfileInputs,
    live: LiveModel,
    without: Sequence[WithoutCategory] | None = None,
) -> Snapshot:
    told = asked.get("relations")
    return snapshot(
        profiles,
        row,
        live=live,
        missing=asked["missing"],
        incomplete=asked.get("incomplete", {}),
        partial=partial_of(asked.get("partial", {}), live.rules.partial),
        contradicted=_contradicted(asked, live),
        frozen=asked.get("frozen"),
        further=_further(basis, asked),
        told={} if told is None else explanations(told),
        edition=asked.get("edition", FIRST_EDITION),
        without=without,
    )


def _contradicted(asked: ProfileInputs, live: LiveModel) -> Contradicted | None:
    files = asked["uploads"]["contradicted"] if "uploads" in asked else []
    return Contradicted(files, live.rules.contradicted) if files else None


def _basis_of(records: RecordSet, profiles: Profiles, as_of: date, asked: ProfileInputs) -> DecisionBasis:
    indicators = profiles.features.row(0, named=True)
    firm = int(indicators.pop("firm"))
    bounds = asked.get("validity")
    return DecisionBasis(
        registration=registration_json(records.registration),
        indicators={name: _finite(value) for name, value in indicators.items()},
        cash=cash_evidence(records, indicators, as_of) if asked.get("capacity") is not None else None,
        next_filing=None if bounds is None else next_filing(records, bounds, as_of),
        relieved=tuple(applied.policy.code for applied in profiles.relief if applied.is_for(firm)),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _fen(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _applied(group: Sequence[DecisionCase]) -> list[AppliedRelief]:
    """Return the policies, alike for the whole group, each with the places of the firms that it relieved."""
    found = []
    for policy in policies_of(group[0].asked.get("relief", [])):
        places = [place for place, case in enumerate(group) if policy.code in case.basis.relieved]
        if places:
            found.append(AppliedRelief(policy, np.array(places, np.int32)))
    return found


def _further(basis: DecisionBasis, asked: ProfileInputs) -> dict[str, object]:
    """Return the members of a summary beside the score; a profile made before they were known has none of them."""
    found: dict[str, object] = {}
    capacity, bounds = asked.get("capacity"), asked.get("validity")
    if capacity is not None and basis.cash is not None:
        found["capacity"] = derive_capacity(
            basis.cash,
            capacity["terms"],
            loans=capacity["loans"],
            missing=asked["missing"],
            asked_months=asked["term_months"],
        ).to_dict()
    if bounds is not None:
        found["validity"] = bounded(bounds, basis.next_filing)
    told = asked.get("relations")
    if told is not None:
        found["relations"] = relations_member(
            told,
            paid_in_fen=_fen(basis.registration.get("paid_in_capital_fen")),
            registered_fen=_fen(basis.registration.get("registered_capital_fen")),
        )
    return found
