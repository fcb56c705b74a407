"""The tax office's records: declarations, months of invoices, standing."""

from __future__ import annotations

import numpy as np
import polars as pl

from creditlink.records.frames import FRAME_SCHEMAS
from creditlink.sandbox.city import payments, split
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Floats, Ints
from creditlink.sandbox.city.latent import NEVER, Bools, Firms

GRADES = ("A", "B", "M", "C", "D")
MAX_INVOICES = 900
RELIEF_SMALL_SCALE_BPS = 100
SMALL_SCALE_BPS = 300
EXEMPT_FEN = 10_000_000
"""A small-scale taxpayer with monthly sales up to 100,000 yuan pays no VAT.

Source: Caishui notice 2023 No. 1 of the Ministry of Finance and the State Taxation Administration.
"""


def _counts(rng: np.random.Generator, mean: Floats) -> Ints:
    return rng.poisson(np.minimum(mean, 5_000)).astype(np.int64)


def _vat_bps(firms: Firms, calendar: Calendar, rows: Ints, months: Ints) -> Ints:
    small = np.where(calendar.in_relief[months], RELIEF_SMALL_SCALE_BPS, SMALL_SCALE_BPS)
    return np.where(firms.general[rows], firms.of_trade("vat_bps").astype(np.int64)[rows], small)


class TaxRecords:
    """Builds the three tax frames of one block."""

    def __init__(self, firms: Firms, activity: Activity, calendar: Calendar) -> None:
        self.firms, self.activity, self.calendar = firms, activity, calendar
        self.open = activity.present & firms.covered["tax"][:, None]

    def invoice_months(self) -> tuple[pl.DataFrame, Floats, Floats]:
        """Return the frame, and invoiced sales and purchases in yuan as matrices (n, months).

        The counterparty figures follow `split`, so that the tax bureau can show the single invoices.
        """
        firms, activity, calendar = self.firms, self.activity, self.calendar
        rng, n, months = firms.stream("invoices"), len(firms), calendar.months
        ticket = 9.9 + 0.50 * (firms.size - 12.3) + 0.75 * rng.standard_normal(n)
        spread_out = np.clip(0.66 + 0.20 * rng.standard_normal(n), 0.10, 1.0)
        few = firms.is_kind("shell")
        spread_out = np.where(few, spread_out * 0.6, spread_out)
        parts = []
        margin = np.clip(0.62 + 0.06 * rng.standard_normal(n), 0.12, 1.05)
        # A firm in trouble buys dear and sells cheap.
        bought = activity.invoiced * margin[:, None] * np.exp(-0.20 * np.clip(activity.health, -3, 2))
        bought *= np.exp(0.45 * rng.standard_normal((n, months)) - 0.1)
        bought = np.where(rng.random((n, months)) < 0.10, 0.0, bought)
        for direction, amount in enumerate((activity.invoiced, bought)):
            parts.append(self._direction(rng, direction, amount, ticket, spread_out))
        frame = pl.concat(parts).sort("firm", "period", "direction", "known_on", maintain_order=True)
        return frame, activity.invoiced, bought

    def _direction(
        self, rng: np.random.Generator, direction: int, amount: Floats, ticket: Floats, spread_out: Floats
    ) -> pl.DataFrame:
        firms, calendar, activity = self.firms, self.calendar, self.activity
        rows, months = payments.facts(self.open & (amount >= 100))
        size = rows.size
        net = amount[rows, months]
        health = activity.health[rows, months]
        scale = ticket if direction == 0 else ticket - 0.55
        mean = net / np.exp(scale[rows] + 0.35 * rng.standard_normal(size))
        n = np.clip(1 + _counts(rng, mean), 1, np.minimum(MAX_INVOICES, (net / 20).astype(np.int64) + 1))
        fen = np.rint(net * 100).astype(np.int64)
        power = spread_out if direction == 0 else np.minimum(spread_out + 0.12, 1.0)
        # Customers leave a firm in trouble.
        k = n ** power[rows] * np.exp(0.30 * rng.standard_normal(size) + 0.06 * np.clip(health, -3, 1))
        k = np.clip(np.rint(k).astype(np.int64), 1, np.minimum(n, split.MAX_COUNTERPARTIES))

        own_void, own_red = rng.standard_normal(len(firms)), rng.standard_normal(len(firms))
        void_base, red_base = ((0.100, 0.021), (0.045, 0.0095))[direction]
        trouble = np.exp(-0.38 * np.clip(health, -3, 2))
        void = _counts(rng, n * void_base * np.exp(0.45 * own_void[rows] - 0.12) * trouble)
        red = np.minimum(_counts(rng, n * red_base * np.exp(0.6 * own_red[rows] - 0.15) * trouble), n)
        share = np.minimum(red / n * np.exp(0.7 * rng.standard_normal(size)), 0.9)
        red_fen = np.where(red > 0, np.maximum(np.rint(fen * share).astype(np.int64), red), 0)
        bps = _vat_bps(firms, calendar, rows, months)
        if direction == 1:
            bps = np.where(rng.random(size) < 0.25, 600, 1300)
        tax = (fen - red_fen) * bps // 10_000

        published = calendar.starts[months + 1] + rng.integers(1, 4, size)
        versions, late = payments.record(rng, published, None, 0.02)
        versions = versions.kept(calendar)
        more = np.where(late, 1 + _counts(rng, 0.05 * n), 0)
        more_fen = np.where(late, np.maximum((fen * rng.uniform(0.01, 0.25, size)).astype(np.int64), 100 * more), 0)
        more_red = (late & (rng.random(size) < 0.35)).astype(np.int64)
        more_red_fen = more_red * np.maximum(fen // 20, 1)
        more_tax = (more_fen - more_red_fen) * bps // 10_000

        of, second = versions.of, versions.correction
        add = second.astype(np.int64)
        steep = split.steepness(firms.seed, firms.firm[rows], direction, calendar.starts[months])
        top1, top5, hhi = split.concentration(
            n[of], fen[of], k[of], steep[of], more_fen[of] * add, split.WEIGHTS, split.WEIGHT_SUMS
        )
        schema = FRAME_SCHEMAS["invoice_months"]
        return pl.DataFrame(
            {
                "firm": firms.firm[rows][of].astype(np.int32),
                "period": payments.days("period", calendar.starts[months][of]),
                "direction": payments.coded("direction", np.full(of.size, direction), schema["direction"]),
                "invoices": (n[of] + more[of] * add).astype(np.int32),
                "amount_fen": (fen - red_fen)[of] + (more_fen - more_red_fen)[of] * add,
                "tax_fen": tax[of] + more_tax[of] * add,
                "void_invoices": void[of].astype(np.int32),
                "red_invoices": (red[of] + more_red[of] * add).astype(np.int32),
                "red_amount_fen": red_fen[of] + more_red_fen[of] * add,
                "counterparties": k[of].astype(np.int32),
                "top1_amount_fen": top1,
                "top5_amount_fen": top5,
                "hhi": hhi,
                "known_on": payments.days("known_on", versions.known),
            },
            schema=schema,
        )

    def declarations(self, sold: Floats, bought: Floats) -> tuple[pl.DataFrame, Ints, Bools]:
        """Return the frame and, as matrices (n, months), unpaid fen and what was filed late."""
        firms, activity, calendar = self.firms, self.activity, self.calendar
        rng, n, months = firms.stream("declarations"), len(firms), calendar.months
        rows, columns = payments.facts(self.open)
        size = rows.size
        uninvoiced = firms.of_trade("uninvoiced") * rng.uniform(0.3, 1.7, n)
        sales = sold[rows, columns] * (1 + uninvoiced[rows] * rng.uniform(0.7, 1.3, size))
        sales_fen = np.rint(sales * 100).astype(np.int64)
        bps = _vat_bps(firms, calendar, rows, columns)
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
        versions = versions.kept(calendar)
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
        versions = versions.kept(calendar)
        at = rows[versions.of], columns[versions.of]
        schema = FRAME_SCHEMAS["tax_standing"]
        return pl.DataFrame(
            {
                "firm": firms.firm[at[0]].astype(np.int32),
                "period": payments.days("period", calendar.starts[at[1]]),
                "taxpayer_grade": payments.coded("taxpayer_grade", marks[at], schema["taxpayer_grade"]),
                "taxpayer_kind": payments.coded(
                    "taxpayer_kind", np.where(firms.general[at[0]], 0, 1), schema["taxpayer_kind"]
                ),
                "arrears_fen": arrears[at],
                "arrears_days": (age[at] * 30).astype(np.int32),
                "penalties": penalties[at],
                "known_on": payments.days("known_on", versions.known),
            },
            schema=schema,
        )
