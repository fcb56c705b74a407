"""The tax office's other records: returns of income tax, and violations, penalties and refunds one by one.

Companies file for corporate income tax, sole traders and partnerships for tax on business income, in the same periods.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RETURN_KINDS, TAX_EVENT_KINDS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Floats, Ints
from creditlink.sandbox.city.latent import NEVER, Firms
from creditlink.sandbox.city.records import payments
from creditlink.sandbox.city.records.tax import TaxCourse

SMALL_PROFIT_FEN = 300_000_000
SMALL_PROFIT_BPS, FULL_BPS = 500, 2_500
"""A small firm with up to three million yuan of profit a year pays 5 %, any other company 25 %.

Source: Enterprise Income Tax Law, art. 4; Announcement 2023 No. 12 of the Ministry of Finance, relief to 2027.
"""


def _margin(firms: Firms, activity: Activity, rng: np.random.Generator) -> Floats:
    """Return profit over sales by month: the firm's own, better in health, worse in trouble, and never exact."""
    n, months = activity.present.shape
    own = 0.045 + 0.030 * rng.standard_normal(n)[:, None]
    margin = own + 0.055 * np.clip(activity.health, -3, 2) + 0.03 * rng.standard_normal((n, months))
    # Who inflates its sales shows a profit with them.
    return np.where(firms.is_kind("manipulator")[:, None], np.maximum(margin, 0.06), margin)


def income_tax_returns(firms: Firms, activity: Activity, calendar: Calendar, course: TaxCourse) -> pl.DataFrame:
    """Return the prepayments of each quarter and the settlements of each year of one block."""
    rng, n, months = firms.stream("income_tax"), len(firms), calendar.months
    moy = calendar.month_of_year[:months]
    profit = course.declared * _margin(firms, activity, rng)
    revenue_to_date, profit_to_date = np.zeros((n, months)), np.zeros((n, months))
    for t in range(months):
        new_year = t == 0 or moy[t] == 0
        revenue_to_date[:, t] = course.declared[:, t] + (0 if new_year else revenue_to_date[:, t - 1])
        profit_to_date[:, t] = profit[:, t] + (0 if new_year else profit_to_date[:, t - 1])
    files = activity.present & firms.covered["tax"][:, None]
    # The form counts from January: a year that began before the records is left out.
    whole = np.arange(months) - moy >= 0
    parts = []
    for kind, ends in zip(RETURN_KINDS, (moy % 3 == 2, moy == 11), strict=True):
        rows, last = payments.facts(files & (ends & whole))
        yearly = kind == "settlement"
        # Quarters are due by the 15th of the next month, years by 31 May.
        due = calendar.starts[last + 6] - 1 if yearly else calendar.starts[last + 1] + 14
        span = 11 if yearly else 2
        periods = rows, last - span, last
        parts.append(_returns(firms, activity, calendar, rng, kind, periods, due, revenue_to_date, profit_to_date))
    return pl.concat(parts).sort("firm", "period", "kind", "known_on", maintain_order=True)


def _returns(
    firms: Firms,
    activity: Activity,
    calendar: Calendar,
    rng: np.random.Generator,
    kind: str,
    periods: tuple[Ints, Ints, Ints],
    due: Ints,
    revenue: Floats,
    profit: Floats,
) -> pl.DataFrame:
    rows, first, last = periods
    size = rows.size
    revenue_fen = np.rint(revenue[rows, last] * 100).astype(np.int64)
    profit_fen = np.rint(profit[rows, last] * 100).astype(np.int64)
    # The books are closed only for the settlement: costs turn up that no quarter knew.
    if kind == "settlement":
        profit_fen = np.rint(profit_fen * np.exp(0.10 * rng.standard_normal(size))).astype(np.int64)
    bps = np.where(profit_fen <= SMALL_PROFIT_FEN, SMALL_PROFIT_BPS, FULL_BPS)
    owed = np.maximum(profit_fen, 0) * bps // 10_000
    earlier = np.maximum(last - 3, 0)
    had = np.where(calendar.month_of_year[last] >= 3, profit[rows, earlier], 0.0)
    before = np.maximum(np.rint(had * 100).astype(np.int64), 0) * bps // 10_000
    payable = owed // 20 if kind == "settlement" else np.maximum(owed - before, 0)
    health, defaulted = activity.health[rows, last], activity.defaulted[rows, last]
    filed = payments.settle(rng, payments.TAX, due, health, firms.sloppy[rows], defaulted)
    versions, _ = payments.record(rng, due + 1, filed, 0.0)
    versions = versions.until_end(calendar)
    of = versions.of
    known = (filed[of] < versions.known) | (versions.correction & (filed[of] < NEVER))
    schema = FRAME_SCHEMAS["income_tax_returns"]

    def money(name: str, fen: Ints) -> pl.Series:
        return payments.nullable(pl.Series(name, fen[of].astype(np.int64)), known)

    return pl.DataFrame(
        {
            "firm": firms.firm[rows][of].astype(np.int32),
            "period": payments.days("period", calendar.starts[first][of]),
            "kind": payments.enum_of("kind", np.full(of.size, RETURN_KINDS.index(kind)), schema["kind"]),
            "revenue_fen": money("revenue_fen", revenue_fen),
            "profit_fen": money("profit_fen", profit_fen),
            "payable_fen": money("payable_fen", payable),
            "paid_fen": money("paid_fen", payable),
            "due_on": payments.days("due_on", due[of]),
            "filed_on": payments.days("filed_on", np.where(known, filed[of], 0), known),
            "known_on": payments.days("known_on", versions.known),
        },
        schema=schema,
    )


def _month_later(matrix: Ints) -> Ints:
    later = np.zeros(matrix.shape, dtype=np.int64)
    later[:, 1:] = matrix[:, :-1]
    return later


def tax_events(firms: Firms, activity: Activity, calendar: Calendar, course: TaxCourse, age: Ints) -> pl.DataFrame:
    """Return violations, the penalties that some of them bring, and refunds of input tax of one block.

    Parameters
    ----------
    age : months that arrears are old, shape (n, months)
    """
    rng, (n, months) = firms.stream("tax_events"), activity.present.shape
    open_ = activity.present & firms.covered["tax"][:, None]
    # What a period shows is found in the month after it.
    late, owed, surplus = (_month_later(matrix) for matrix in (course.late, age, course.surplus))
    found = open_ & (rng.random((n, months)) < 0.002 + 0.35 * late + 0.04 * (owed > 2))
    fined = found & (rng.random((n, months)) < 0.30)
    back = open_ & (surplus > 2_000_000) & (rng.random((n, months)) < 0.20)
    parts = []
    for number, cells in enumerate((found, fined, back)):
        rows, columns = payments.facts(cells)
        size, trouble = rows.size, np.clip(-activity.health[rows, columns], 0, 3)
        refund = TAX_EVENT_KINDS[number] == "refund"
        day = calendar.starts[columns] + rng.integers(0, 28, size)
        severity = 1 + (rng.random(size) < 0.12 + 0.10 * trouble) + (rng.random(size) < 0.03 + 0.04 * trouble)
        fen = np.exp(10.5 + 0.8 * rng.standard_normal(size) + 0.9 * severity).astype(np.int64)
        fen = surplus[rows, columns] if refund else np.where(TAX_EVENT_KINDS[number] == "penalty", fen, 0)
        # A firm in trouble leaves things as they are.
        settles = rng.random(size) < (1.0 if refund else 1 / (1 + np.exp(-(2.0 - 1.2 * trouble))))
        ended = np.where(settles, day + rng.integers(1, 90, size), NEVER)
        versions, _ = payments.record(rng, day + rng.integers(1, 12, size), ended, 0.0, 0.02)
        versions = versions.until_end(calendar)
        of = versions.of
        over = (ended[of] < versions.known) & (ended[of] < NEVER)
        schema = FRAME_SCHEMAS["tax_events"]
        parts.append(
            pl.DataFrame(
                {
                    "firm": firms.firm[rows][of].astype(np.int32),
                    "period": payments.days("period", calendar.starts[columns][of]),
                    "kind": payments.enum_of("kind", np.full(of.size, number), schema["kind"]),
                    "occurred_on": payments.days("occurred_on", day[of]),
                    "severity": (np.ones(of.size) if refund else severity[of]).astype(np.int8),
                    "amount_fen": fen[of].astype(np.int64),
                    "ended_on": payments.days("ended_on", np.where(over, ended[of], 0), over),
                    "known_on": payments.days("known_on", versions.known),
                },
                schema=schema,
            )
        )
    return pl.concat(parts).sort("firm", "period", "kind", "occurred_on", "known_on", maintain_order=True)
