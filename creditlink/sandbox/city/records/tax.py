"""The tax office's records: declarations and standing."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Floats, Ints
from creditlink.sandbox.city.latent import NEVER, Bools, Firms
from creditlink.sandbox.city.records import payments
from creditlink.sandbox.city.records.invoices import vat_bps

EXEMPT_FEN = 10_000_000
"""A small-scale taxpayer with monthly sales up to 100,000 yuan pays no VAT.

Source: Caishui notice 2023 No. 1 of the Ministry of Finance and the State Taxation Administration.
"""


class TaxRecords:
    """Builds declarations and standing of one block."""

    def __init__(self, firms: Firms, activity: Activity, calendar: Calendar) -> None:
        self.firms, self.activity, self.calendar = firms, activity, calendar
        self.open = activity.present & firms.covered["tax"][:, None]

    def declarations(self, sold: Floats, bought: Floats) -> tuple[pl.DataFrame, Ints, Bools]:
        """Return the frame and, as matrices (n, months), unpaid fen and what was filed late."""
        firms, activity, calendar = self.firms, self.activity, self.calendar
        rng, n, months = firms.stream("declarations"), len(firms), calendar.months
        rows, columns = payments.facts(self.open)
        size = rows.size
        uninvoiced = firms.of_trade("uninvoiced") * rng.uniform(0.3, 1.7, n)
        sales = sold[rows, columns] * (1 + uninvoiced[rows] * rng.uniform(0.7, 1.3, size))
        sales_fen = np.rint(sales * 100).astype(np.int64)
        bps = vat_bps(firms, calendar, rows, columns)
        output = sales_fen * bps // 10_000
        general = firms.general[rows]
        inputs = np.where(general, np.rint(bought[rows, columns] * 100 * 0.105).astype(np.int64), 0)
        exempt = ~general & (sales_fen <= EXEMPT_FEN)
        payable = np.where(exempt, 0, np.maximum(output - inputs, 0))
        due = payments.due_days(calendar, 15)[columns]
        health, defaulted = activity.health[rows, columns], activity.defaulted[rows, columns]
        sloppy = firms.sloppy[rows]
        filed = payments.settle(rng, payments.TAX, due, health, sloppy, defaulted)
        # A return may be in time and yet not be paid in full.
        short = rng.random(size) < payments.late_chance(payments.TAX, health, sloppy, defaulted)
        paid = np.where(short, np.rint(payable * rng.uniform(0, 0.8, size)).astype(np.int64), payable)
        late = filed > due

        versions, amended = payments.record(rng, due + 1, filed, 0.012)
        versions = versions.until_end(calendar)
        of = versions.of
        known = (filed[of] < versions.known) | (versions.correction & (filed[of] < NEVER))
        factor = np.where(amended, np.exp(0.12 * rng.standard_normal(size) + 0.05), 1.0)
        scale = np.where(versions.correction, factor[of], 1.0)

        def money(name: str, fen: Ints) -> pl.Series:
            return payments.nullable(pl.Series(name, np.rint(fen[of] * scale).astype(np.int64)), known)

        frame = pl.DataFrame(
            {
                "firm": firms.firm[rows][of].astype(np.int32),
                "period": payments.days("period", calendar.starts[columns][of]),
                "taxable_sales_fen": money("taxable_sales_fen", sales_fen),
                "output_tax_fen": money("output_tax_fen", output),
                "input_tax_fen": money("input_tax_fen", inputs),
                "payable_fen": money("payable_fen", payable),
                "paid_fen": money("paid_fen", paid),
                "due_on": payments.days("due_on", due[of]),
                "filed_on": payments.days("filed_on", np.where(known, filed[of], 0), known),
                "known_on": payments.days("known_on", versions.known),
            },
            schema=FRAME_SCHEMAS["vat_declarations"],
        )
        unpaid = np.zeros((n, months), dtype=np.int64)
        unpaid[rows, columns] = np.where(filed == NEVER, payable, payable - paid)
        was_late = np.zeros((n, months), dtype=bool)
        was_late[rows, columns] = late
        return frame, unpaid, was_late

    def standing(self, unpaid: Ints, was_late: Bools) -> pl.DataFrame:
        """Return grade, arrears and penalties by month; the grade is set each April from the year before."""
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
        for t in range(months):
            clear = cleared[:, t] < np.where(activity.health[:, t] > -0.8, 0.45, 0.15)
            owed = np.where(clear, 0, owed) + unpaid[:, t]
            since = np.where(owed == 0, 0, np.where(clear, 1, since + 1))
            arrears[:, t], age[:, t] = owed, since
            faults += 2.0 * was_late[:, t] + 1.5 * (owed > 0)
            if calendar.month_of_year[t] == 3:
                score = faults + 0.8 * rng.standard_normal(n)
                new = np.where(
                    score < 0.6, np.where(firms.general, 0, 1), np.where(score < 5, 1, np.where(score < 14, 3, 4))
                )
                young = firms.age_months + t < 24
                grade = np.where(young & (new <= 1) | firms.is_kind("dormant"), 2, new)
                faults = np.zeros(n)
            marks[:, t] = grade
        chance = 0.0015 + 0.05 * was_late + 0.02 * (age > 2)
        penalties = (rng.random((n, months)) < chance).astype(np.int32)
        rows, columns = payments.facts(self.open)
        published = payments.due_days(calendar, 16)[columns]
        versions, _ = payments.record(rng, published, None, 0.0)
        versions = versions.until_end(calendar)
        at = rows[versions.of], columns[versions.of]
        schema = FRAME_SCHEMAS["tax_standing"]
        return pl.DataFrame(
            {
                "firm": firms.firm[at[0]].astype(np.int32),
                "period": payments.days("period", calendar.starts[at[1]]),
                "taxpayer_grade": payments.enum_of("taxpayer_grade", marks[at], schema["taxpayer_grade"]),
                "taxpayer_kind": payments.enum_of(
                    "taxpayer_kind", np.where(firms.general[at[0]], 0, 1), schema["taxpayer_kind"]
                ),
                "arrears_fen": arrears[at],
                "arrears_days": (age[at] * 30).astype(np.int32),
                "penalties": penalties[at],
                "known_on": payments.days("known_on", versions.known),
            },
            schema=schema,
        )
