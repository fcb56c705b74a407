"""The tax office's records: VAT declarations, each for a month or a quarter, and the taxpayer's standing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FILINGS, FRAME_SCHEMAS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Floats, Ints
from creditlink.sandbox.city.latent import NEVER, Bools, Firms
from creditlink.sandbox.city.records import payments
from creditlink.sandbox.city.records.invoices import vat_bps

EXEMPT_FEN_A_MONTH = 10_000_000
"""A small-scale taxpayer with sales up to 100,000 yuan a month, or 300,000 a quarter, pays no VAT.

Source: Notice 2023 No. 1 of the Ministry of Finance and the State Taxation Administration.
"""


@dataclass(frozen=True)
class TaxCourse:
    """What became of each month's VAT, shape (n, months); a quarter's is in its last month."""

    unpaid: Ints  # fen
    late: Bools  # filed after the due day
    surplus: Ints  # fen of input tax beyond output tax
    declared: Floats  # sales in yuan that the firm declares, month by month


@dataclass(frozen=True)
class _Periods:
    """Filing periods, one for each declaration, shapes (declarations,)."""

    rows: Ints  # firm position
    first: Ints  # month index
    last: Ints
    months: Ints


class TaxRecords:
    """Builds declarations and standing of one block."""

    def __init__(self, firms: Firms, activity: Activity, calendar: Calendar) -> None:
        self.firms, self.activity, self.calendar = firms, activity, calendar
        self.open = activity.present & firms.covered["tax"][:, None]

    def _periods(self, sold: Floats) -> _Periods:
        """Return the periods that end within the calendar and in which the firm must file."""
        calendar, filing = self.calendar, self.firms.filing[:, None]
        ends = (calendar.month_of_year[: calendar.months] % 3 == 2) & (np.arange(calendar.months) >= 2)
        # A firm that closed within a quarter files for it all the same.
        working = self.open | np.roll(self.open, 1, axis=1) | np.roll(self.open, 2, axis=1)
        due = np.where(
            filing == FILINGS.index("quarterly"),
            working & ends,
            self.open & ((filing != FILINGS.index("occasion")) | (sold > 0)),
        )
        rows, last = payments.facts(due)
        months = np.where(self.firms.filing[rows] == FILINGS.index("quarterly"), 3, 1)
        return _Periods(rows, last - months + 1, last, months)

    def declarations(self, sold: Floats, bought: Floats) -> tuple[pl.DataFrame, TaxCourse]:
        """Return the frame, and what became of the tax month by month."""
        firms, activity, calendar = self.firms, self.activity, self.calendar
        rng, n, months = firms.stream("declarations"), len(firms), calendar.months
        uninvoiced = firms.of_trade("uninvoiced") * rng.uniform(0.3, 1.7, n)
        declared = np.where(self.open, sold * (1 + uninvoiced[:, None] * rng.uniform(0.7, 1.3, (n, months))), 0.0)
        periods = self._periods(declared)
        rows, last = periods.rows, periods.last
        size = rows.size

        def over(matrix: Floats) -> Floats:
            """Return the sum over each period."""
            sums = np.concatenate((np.zeros((n, 1)), np.cumsum(matrix, axis=1)), axis=1)
            whole: Floats = sums[rows, last + 1] - sums[rows, periods.first]
            return whole

        sales_fen = np.rint(over(declared) * 100).astype(np.int64)
        bps = vat_bps(firms, calendar, rows, last)
        general = firms.general[rows]
        exempt = ~general & (sales_fen <= EXEMPT_FEN_A_MONTH * periods.months)
        output = np.where(exempt, 0, sales_fen * bps // 10_000)
        purchases = over(np.where(self.open, bought, 0.0))
        inputs = np.where(general, np.rint(purchases * 100 * 0.105).astype(np.int64), 0)
        payable = np.maximum(output - inputs, 0)
        due = payments.due_days(calendar, 15)[last]
        health, defaulted = activity.health[rows, last], activity.defaulted[rows, last]
        sloppy = firms.sloppy[rows]
        filed = payments.settle(rng, payments.TAX, due, health, sloppy, defaulted)
        # A return may be in time and yet not be paid in full.
        short = rng.random(size) < payments.late_chance(payments.TAX, health, sloppy, defaulted)
        paid = np.where(short, np.rint(payable * rng.uniform(0, 0.8, size)).astype(np.int64), payable)

        versions, amended = payments.record(rng, due + 1, filed, 0.012)
        versions = versions.until_end(calendar)
        of = versions.of
        known = (filed[of] < versions.known) | (versions.correction & (filed[of] < NEVER))
        factor = np.where(amended, np.exp(0.12 * rng.standard_normal(size) + 0.05), 1.0)
        scale = np.where(versions.correction, factor[of], 1.0)
        schema = FRAME_SCHEMAS["vat_declarations"]

        def money(name: str, fen: Ints) -> pl.Series:
            return payments.nullable(pl.Series(name, np.rint(fen[of] * scale).astype(np.int64)), known)

        frame = pl.DataFrame(
            {
                "firm": firms.firm[rows][of].astype(np.int32),
                "period": payments.days("period", calendar.starts[periods.first][of]),
                "months": periods.months[of].astype(np.int8),
                "filing": payments.enum_of("filing", firms.filing[rows][of], schema["filing"]),
                "taxable_sales_fen": money("taxable_sales_fen", np.where(exempt, 0, sales_fen)),
                "exempt_sales_fen": money("exempt_sales_fen", np.where(exempt, sales_fen, 0)),
                "output_tax_fen": money("output_tax_fen", output),
                "input_tax_fen": money("input_tax_fen", inputs),
                "payable_fen": money("payable_fen", payable),
                "paid_fen": money("paid_fen", paid),
                "due_on": payments.days("due_on", due[of]),
                "filed_on": payments.days("filed_on", np.where(known, filed[of], 0), known),
                "known_on": payments.days("known_on", versions.known),
            },
            schema=schema,
        )

        def at_end(values: Ints) -> Ints:
            matrix = np.zeros((n, months), dtype=values.dtype)
            matrix[rows, last] = values
            return matrix

        unpaid = np.where(filed == NEVER, payable, payable - paid)
        surplus = np.maximum(inputs - output, 0)
        return frame, TaxCourse(at_end(unpaid), at_end(filed > due).astype(bool), at_end(surplus), declared)

    def standing(self, course: TaxCourse) -> tuple[pl.DataFrame, Ints]:
        """Return grade and arrears by month, and the months that arrears are old; April sets the grade."""
        firms, activity, calendar = self.firms, self.activity, self.calendar
        rng, n, months = firms.stream("standing"), len(firms), calendar.months
        arrears = np.zeros((n, months), dtype=np.int64)
        age = np.zeros((n, months), dtype=np.int64)
        owed, since = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        faults, marks = np.zeros(n), np.zeros((n, months), dtype=np.int64)
        before = 0.5 - firms.level + 0.4 * firms.sloppy + 0.5 * rng.standard_normal(n)
        grade = np.digitize(before, (-0.2, 1.6, 2.6))
        # M is the grade of the young and of those without sales.
        grade = np.array([0, 1, 3, 4])[grade]
        grade = np.where((firms.age_months < 12) | firms.is_kind("dormant"), 2, grade)
        cleared = rng.random((n, months))
        # Who files four times a year has a third of the chances to be late, and each one counts for more.
        weight = np.where(firms.filing == FILINGS.index("quarterly"), 5.0, 2.0)
        for t in range(months):
            clear = cleared[:, t] < np.where(activity.health[:, t] > -0.8, 0.45, 0.15)
            owed = np.where(clear, 0, owed) + course.unpaid[:, t]
            since = np.where(owed == 0, 0, np.where(clear, 1, since + 1))
            arrears[:, t], age[:, t] = owed, since
            faults += weight * course.late[:, t] + 1.5 * (owed > 0)
            if calendar.month_of_year[t] == 3:
                score = faults + 0.8 * rng.standard_normal(n)
                new = np.where(
                    score < 0.6, np.where(firms.general, 0, 1), np.where(score < 5, 1, np.where(score < 14, 3, 4))
                )
                young = firms.age_months + t < 24
                grade = np.where(young & (new <= 1) | firms.is_kind("dormant"), 2, new)
                faults = np.zeros(n)
            marks[:, t] = grade
        rows, columns = payments.facts(self.open)
        published = payments.due_days(calendar, 16)[columns]
        versions, _ = payments.record(rng, published, None, 0.0)
        versions = versions.until_end(calendar)
        at = rows[versions.of], columns[versions.of]
        schema = FRAME_SCHEMAS["tax_standing"]
        frame = pl.DataFrame(
            {
                "firm": firms.firm[at[0]].astype(np.int32),
                "period": payments.days("period", calendar.starts[at[1]]),
                "taxpayer_grade": payments.enum_of("taxpayer_grade", marks[at], schema["taxpayer_grade"]),
                "taxpayer_kind": payments.enum_of(
                    "taxpayer_kind", np.where(firms.general[at[0]], 0, 1), schema["taxpayer_kind"]
                ),
                "arrears_fen": arrears[at],
                "arrears_days": (age[at] * 30).astype(np.int32),
                "known_on": payments.days("known_on", versions.known),
            },
            schema=schema,
        )
        return frame, age
