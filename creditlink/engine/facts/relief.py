"""Records under relief: what was paid late while a policy allowed it is not late. Pure.

Only rows that are late are touched: what was paid in time stays in time. A late row is due on the day to which the
policy extends it; where lateness does not count at all, on the day it was paid, or not yet while it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.facts.relief_policies import ReliefPolicy

RELIEVED: dict[str, tuple[tuple[str, str], ...]] = {
    "tax": (("vat_declarations", "filed_on"), ("income_tax_returns", "filed_on")),
    "social_security": (("payroll_months", "paid_on"),),
    "housing_fund": (("fund_months", "paid_on"),),
    "utility": (("meter_months", "paid_on"),),
}
"""Payment -> the frames that hold it, and the column that says when it was done.

Arrears that the tax office itself reports are as it reports them: it knows what it has deferred.
"""


@dataclass(frozen=True, eq=False)
class AppliedRelief:
    """A policy, and the firms of which it relieved a late row: int32, ascending."""

    policy: ReliefPolicy
    firms: NDArray[np.int32]

    def is_for(self, firm: int) -> bool:
        """Return whether it relieved a row of this firm."""
        place = int(np.searchsorted(self.firms, firm))
        return place < len(self.firms) and int(self.firms[place]) == firm


def relieve(
    records: RecordSet, policies: Sequence[ReliefPolicy], as_of: date
) -> tuple[RecordSet, tuple[AppliedRelief, ...]]:
    """Return the records with the due days that policies known on `as_of` give, and which policies did something.

    Without a policy in force the records are returned as they are, at no cost.
    """
    active = [policy for policy in policies if policy.state_on(as_of) == "in_force"]
    if not active:
        return records, ()
    touched: dict[str, list[pl.Series]] = {policy.code: [] for policy in active}
    firms = {policy.code: _firms_of(records.registration, policy) for policy in active}
    frames = {one.name: records.frame(one.name) for one in fields(RecordSet)}
    for payment, places in RELIEVED.items():
        concerned = [policy for policy in active if payment in policy.payments]
        for frame, done in places:
            if concerned and frames[frame].height:
                frames[frame] = _relieved(frames[frame], done, concerned, firms, as_of, touched)
    applied = []
    for policy in active:
        found = touched[policy.code]
        named = np.unique(np.concatenate([one.to_numpy() for one in found])) if found else np.empty(0, np.int32)
        if len(named):
            applied.append(AppliedRelief(policy, named.astype(np.int32)))
    return RecordSet(**frames), tuple(applied)


def _firms_of(registration: pl.DataFrame, policy: ReliefPolicy) -> pl.Series | None:
    """Return the firms that a policy is for; None: all."""
    if not policy.regions and not policy.industries:
        return None
    here = [
        pl.any_horizontal(pl.col(column).str.starts_with(code) for code in codes).fill_null(value=False)
        for column, codes in (("region", policy.regions), ("industry", policy.industries))
        if codes
    ]
    return registration.filter(pl.all_horizontal(here))["firm"]


def _relieved(
    frame: pl.DataFrame,
    done: str,
    policies: Sequence[ReliefPolicy],
    firms: dict[str, pl.Series | None],
    as_of: date,
    touched: dict[str, list[pl.Series]],
) -> pl.DataFrame:
    due, when = pl.col("due_on"), pl.col(done)
    is_late = (due <= as_of) & (when.is_null() | (when > due))
    targets = []
    for policy in policies:
        applies = is_late & (due >= policy.due_from) & (due < policy.due_before)
        there = firms[policy.code]
        if there is not None:
            applies = applies & pl.col("firm").is_in(there.implode())
        if policy.extended_to is not None:
            target = pl.lit(policy.extended_to)
        else:
            target = pl.when(when <= as_of).then(when).otherwise(pl.lit(as_of + timedelta(days=1)))
        found = frame.filter(applies & (target > due) & (pl.col("known_on") <= as_of))["firm"]
        if len(found):
            touched[policy.code].append(found)
            targets.append(pl.when(applies).then(target))
    return frame.with_columns(pl.max_horizontal(due, *targets).alias("due_on")) if targets else frame
