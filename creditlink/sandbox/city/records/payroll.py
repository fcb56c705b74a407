"""Records of staff by month: insured persons and contributions, and the housing fund."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Ints
from creditlink.sandbox.city.latent import INFLATES, NEVER, Firms
from creditlink.sandbox.city.records import payments

CONTRIBUTION_RATE = 0.335
"""Employer's and employees' shares of the five insurances together, of the contribution base."""
RELIEF_FACTOR = 0.5
"""The relief policy halves contributions for its months."""


def headcounts(firms: Firms, activity: Activity, rng: np.random.Generator) -> Ints:
    """Return insured staff, shape (n, months): it follows the trend of sales slowly."""
    n, months = activity.present.shape
    usual = firms.size - np.log(firms.of_trade("sales_per_head") * 1000) + 0.40 * rng.standard_normal(n)
    level = np.zeros(n)
    out = np.zeros((n, months), dtype=np.int64)
    jitter = rng.standard_normal((n, months))
    level = activity.trend[:, 0] * 0.7
    for t in range(months):
        # Notice periods and hope: staff follows within about four months.
        level = level + 0.22 * (0.7 * activity.trend[:, t] - level) + 0.02 * jitter[:, t]
        out[:, t] = np.rint(np.exp(usual + level))
    out = np.maximum(out, 1)
    out = np.where(firms.is_kind("dormant")[:, None], 1, out)
    out = np.where(firms.is_kind("shell")[:, None], np.minimum(out, rng.integers(0, 2, n)[:, None]), out)
    cheat = (firms.inflates == INFLATES.index("social_security"))[:, None]
    return np.where(cheat, np.rint(out * rng.uniform(1.8, 3.5, n)[:, None] + 3).astype(np.int64), out)


def payroll_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return the frame of one block."""
    rng, n, months = firms.stream("payroll"), len(firms), calendar.months
    staff = headcounts(firms, activity, rng)
    churn = rng.poisson(np.minimum(staff, 3000) * 0.022)
    change = np.diff(staff, axis=1, prepend=staff[:, :1])
    joiners = np.maximum(change, 0) + np.minimum(churn, staff)
    leavers = np.maximum(-change, 0) + np.minimum(churn, staff)
    wage = firms.of_trade("wage") * np.exp(0.20 * rng.standard_normal(n))
    # Bases are set each July.
    july = np.cumsum(calendar.month_of_year[:months] == 6)
    rise = 1.035 ** (july - july[-1])

    open_ = activity.present & firms.covered["social_security"][:, None]
    rows, columns = payments.facts(open_)
    size = rows.size
    people = staff[rows, columns]
    base = np.rint(people * wage[rows] * rise[columns] * 100).astype(np.int64)
    rate = np.where(calendar.in_relief[columns], CONTRIBUTION_RATE * RELIEF_FACTOR, CONTRIBUTION_RATE)
    owed = np.rint(base * rate).astype(np.int64)
    due = payments.due_days(calendar, 15)[columns]
    paid_day = payments.settle(
        rng,
        payments.SOCIAL_SECURITY,
        due,
        activity.health[rows, columns],
        firms.sloppy[rows],
        activity.defaulted[rows, columns],
    )
    part = np.where((paid_day > due) & (rng.random(size) < 0.15), rng.uniform(0.2, 0.9, size), 1.0)
    versions, amended = payments.record(rng, due + 1, paid_day, 0.008)
    versions = versions.until_end(calendar)
    of = versions.of
    paid = (paid_day[of] < versions.known) & (paid_day[of] < NEVER)
    # In an amended month one member of staff had been forgotten.
    more = (versions.correction & amended[of]).astype(np.int64)
    each = np.where(people > 0, base // np.maximum(people, 1), 0)[of] * more
    base_now = base[of] + each
    owed_now = np.where(more == 1, np.rint(base_now * rate[of]).astype(np.int64), owed[of])
    return pl.DataFrame(
        {
            "firm": firms.firm[rows][of].astype(np.int32),
            "period": payments.days("period", calendar.starts[columns][of]),
            "headcount": (people[of] + more * (people[of] > 0)).astype(np.int32),
            "base_fen": base_now,
            "due_fen": owed_now,
            "paid_fen": np.where(paid, np.rint(owed_now * part[of]).astype(np.int64), 0),
            "due_on": payments.days("due_on", due[of]),
            "paid_on": payments.days("paid_on", np.where(paid, paid_day[of], 0), paid),
            "joiners": joiners[rows, columns][of].astype(np.int32),
            "leavers": leavers[rows, columns][of].astype(np.int32),
            "known_on": payments.days("known_on", versions.known),
        },
        schema=FRAME_SCHEMAS["payroll_months"],
    )


def fund_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return the housing fund's frame of one block."""
    # A stream begins anew each time: the same staff as the social-security office knows.
    staff = headcounts(firms, activity, firms.stream("payroll"))
    rng, n = firms.stream("fund"), len(firms)
    # A firm that does well takes more of its people in.
    share = np.clip(rng.beta(1.6, 0.9, n)[:, None] + 0.08 * np.clip(activity.health, -3, 1), 0, 1)
    wage = firms.of_trade("wage") * np.exp(0.20 * rng.standard_normal(n))
    rate = 2 * rng.integers(5, 13, n) / 100
    rows, columns = payments.facts(activity.present & firms.covered["housing_fund"][:, None])
    size = rows.size
    people = np.maximum(np.rint(staff[rows, columns] * share[rows, columns]).astype(np.int64), 1)
    owed = np.rint(people * wage[rows] * rate[rows] * 100).astype(np.int64)
    due = payments.due_days(calendar, 20)[columns]
    paid_day = payments.settle(
        rng,
        payments.HOUSING_FUND,
        due,
        activity.health[rows, columns],
        firms.sloppy[rows],
        activity.defaulted[rows, columns],
    )
    part = np.where((paid_day > due) & (rng.random(size) < 0.10), rng.uniform(0.2, 0.9, size), 1.0)
    versions, _ = payments.record(rng, due + 1, paid_day, 0.0)
    versions = versions.until_end(calendar)
    of = versions.of
    paid = (paid_day[of] < versions.known) & (paid_day[of] < NEVER)
    return pl.DataFrame(
        {
            "firm": firms.firm[rows][of].astype(np.int32),
            "period": payments.days("period", calendar.starts[columns][of]),
            "headcount": people[of].astype(np.int32),
            "due_fen": owed[of],
            "paid_fen": np.where(paid, np.rint(owed * part).astype(np.int64)[of], 0),
            "due_on": payments.days("due_on", due[of]),
            "paid_on": payments.days("paid_on", np.where(paid, paid_day[of], 0), paid),
            "known_on": payments.days("known_on", versions.known),
        },
        schema=FRAME_SCHEMAS["fund_months"],
    )
