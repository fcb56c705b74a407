"""The tax office's months of invoices, output and input.

The numbers below are set so that the distributions over firms look like those of real invoices of small Chinese
firms: `notebooks/city_against_reality.ipynb` shows both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import USUAL_SIZE, Calendar, Floats, Ints
from creditlink.sandbox.city.latent import Firms
from creditlink.sandbox.city.records import payments, split

MAX_INVOICES = 900
RELIEF_SMALL_SCALE_BPS = 100
SMALL_SCALE_BPS = 300


def _counts(rng: np.random.Generator, mean: Floats) -> Ints:
    return rng.poisson(np.minimum(mean, 5_000)).astype(np.int64)


def vat_bps(firms: Firms, calendar: Calendar, rows: Ints, months: Ints) -> Ints:
    """Return the VAT rate on sales of each (firm, month) in basis points."""
    small = np.where(calendar.in_relief[months], RELIEF_SMALL_SCALE_BPS, SMALL_SCALE_BPS)
    return np.where(firms.general[rows], firms.of_trade("vat_bps").astype(np.int64)[rows], small)


@dataclass(frozen=True)
class Side:
    """A firm's habits on one side of its trade, sales or purchases; every array has shape (n,)."""

    ticket: Floats  # log of the usual invoice in yuan
    ticket_spread: Floats  # its standard deviation from month to month
    elastic: Floats  # how far larger sales mean larger invoices rather than more of them, 0 ... 1
    breadth: Floats  # counterparties = exp(breadth) * invoices ** spread_out
    spread_out: Floats
    void: Floats  # void invoices per valid one at health 0
    red: Floats  # red-letter invoices per valid one at health 0


def _cap(log_ticket: Floats, limit: float) -> Floats:
    """Return log tickets that press against a soft limit: most firms have invoice books for 100,000 yuan."""
    return log_ticket - np.logaddexp(0.0, 2.0 * (log_ticket - limit)) / 2.0


class InvoiceRecords:
    """Builds the months of invoices of one block."""

    def __init__(self, firms: Firms, activity: Activity, calendar: Calendar) -> None:
        self.firms, self.activity, self.calendar = firms, activity, calendar
        self.open = activity.present & firms.covered["tax"][:, None]

    def frame(self) -> tuple[pl.DataFrame, Floats, Floats]:
        """Return the frame, and invoiced sales and purchases in yuan as matrices (n, months).

        The counterparty figures follow `split`, so that the tax bureau can show the single invoices.
        """
        firms, rng, n = self.firms, self.firms.stream("invoices"), len(self.firms)
        few = np.where(firms.is_kind("shell"), 0.6, 1.0)
        bought = self._purchases(rng)
        taste = rng.standard_normal(n)
        sides = (
            Side(
                _cap(11.3 + 0.50 * (firms.size - USUAL_SIZE) + 1.2 * taste, 11.4),
                np.minimum(0.24 * np.exp(0.85 * rng.standard_normal(n)), 1.6),
                rng.uniform(0.0, 0.5, n),
                np.zeros(n),
                np.clip(0.66 + 0.30 * rng.standard_normal(n), 0.0, 1.0) * few,
                0.125 * np.exp(0.62 * rng.standard_normal(n) - 0.12),
                0.018 * np.exp(1.30 * rng.standard_normal(n) - 0.75),
            ),
            Side(
                _cap(9.85 + 0.40 * (firms.size - USUAL_SIZE) + 0.5 * taste + 1.1 * rng.standard_normal(n), 11.0),
                np.minimum(0.55 * np.exp(0.45 * rng.standard_normal(n)), 2.2),
                rng.uniform(0.4, 0.8, n),
                -0.30 + 0.28 * rng.standard_normal(n),
                np.full(n, 0.93) * few,
                0.037 * np.exp(0.60 * rng.standard_normal(n) - 0.12),
                0.0085 * np.exp(1.20 * rng.standard_normal(n) - 0.65),
            ),
        )
        amounts = (self.activity.invoiced, bought)
        parts = [self._direction(rng, i, amounts[i], side) for i, side in enumerate(sides)]
        frame = pl.concat(parts).sort("firm", "period", "direction", "known_on", maintain_order=True)
        return frame, self.activity.invoiced, bought

    def _purchases(self, rng: np.random.Generator) -> Floats:
        """Return purchases with an invoice in yuan, shape (n, months)."""
        activity = self.activity
        n, months = activity.invoiced.shape
        # Many firms buy much without an invoice; some buy more than they sell.
        ratio = 1.2 / (1 + np.exp(-0.95 - 2.0 * rng.standard_normal(n)))
        # Stocks lie between buying and selling: purchases follow the sales of some months, and the season.
        level = activity.invoiced[:, 0].copy()
        plan = np.empty((n, months))
        plain = activity.invoiced * np.exp(-activity.season)
        for t in range(months):
            level += 0.30 * (plain[:, t] - level)
            plan[:, t] = level
        spread = np.clip(0.70 * np.exp(0.38 * rng.standard_normal(n)), 0.3, 1.7)[:, None]
        noise = spread * rng.standard_normal((n, months)) - spread**2 / 2
        # A firm in trouble buys dear and sells cheap.
        bought = plan * ratio[:, None] * np.exp(activity.season - 0.20 * np.clip(activity.health, -3, 2) + noise)
        # In some months there is nothing but petty bills.
        petty = rng.random((n, months)) < rng.beta(0.5, 2.0, n)[:, None]
        bought *= np.where(petty, np.exp(-2.6 + 1.0 * rng.standard_normal((n, months))), 1.0)
        return np.where(rng.random((n, months)) < rng.beta(0.40, 2.2, n)[:, None], 0.0, bought)

    def _direction(self, rng: np.random.Generator, direction: int, amount: Floats, side: Side) -> pl.DataFrame:
        firms, calendar, activity = self.firms, self.calendar, self.activity
        sold = amount >= 100
        # Now and then a month has nothing but invoices that were made out in error or taken back.
        odd = ~sold & (rng.random(sold.shape) < (0.05, 0.006)[direction])
        rows, months = payments.facts(self.open & (sold | odd))
        size = rows.size
        net = np.where(sold[rows, months], amount[rows, months], 0.0)
        some = net > 0
        health = activity.health[rows, months]
        usual = np.log(np.maximum((amount * sold).sum(axis=1) / np.maximum(sold.sum(axis=1), 1), 100))
        beyond = side.elastic[rows] * (np.log(np.maximum(net, 100)) - usual[rows])
        ticket = np.exp(side.ticket[rows] + beyond + side.ticket_spread[rows] * rng.standard_normal(size))
        n = np.clip(1 + _counts(rng, net / ticket), 1, np.minimum(MAX_INVOICES, (net / 20).astype(np.int64) + 1))
        n = np.where(some, n, 0)
        fen = np.rint(net * 100).astype(np.int64)
        # Customers leave a firm in trouble.
        k = np.exp(side.breadth[rows] + 0.30 * rng.standard_normal(size) + 0.06 * np.clip(health, -3, 1))
        k *= n ** side.spread_out[rows]
        k = np.clip(np.rint(k).astype(np.int64), 1, np.minimum(np.maximum(n, 1), split.MAX_COUNTERPARTIES))

        trouble = np.exp(-0.38 * np.clip(health, -3, 2))
        void = _counts(rng, n * side.void[rows] * trouble)
        red = np.minimum(_counts(rng, n * side.red[rows] * trouble), n)
        share = np.minimum(red / np.maximum(n, 1) * np.exp(0.9 * rng.standard_normal(size)), 1.5)
        # A month of nothing else: a void invoice, or one of an earlier month taken back.
        back = ~some & (rng.random(size) < 0.3)
        red = np.where(some, red, back.astype(np.int64))
        void = np.where(some | back, void, 1 + (rng.random(size) < 0.3))
        earlier = np.where(back, np.rint(100 * np.minimum(ticket, 1e6)).astype(np.int64), 0)
        red_fen = np.where(red > 0, np.maximum(np.rint(fen * share).astype(np.int64) + earlier, red), 0)
        bps = vat_bps(firms, calendar, rows, months)
        if direction == 1:
            # Services and small suppliers bring less tax; how many of them is the firm's own.
            low = rng.random(size) < rng.beta(0.8, 1.6, len(firms))[rows]
            bps = np.where(low, np.where(rng.random(size) < 0.4, 300, 600), 1300)
        tax = (fen - red_fen) * bps // 10_000

        published = calendar.starts[months + 1] + rng.integers(1, 4, size)
        versions, late = payments.record(rng, published, None, 0.02)
        versions = versions.until_end(calendar)
        versions, late = versions.where(~versions.correction | some[versions.of]), late & some
        more = np.where(late, 1 + _counts(rng, 0.05 * n), 0)
        more_fen = np.where(late, np.maximum((fen * rng.uniform(0.01, 0.25, size)).astype(np.int64), 100 * more), 0)
        more_red = (late & (rng.random(size) < 0.35)).astype(np.int64)
        more_red_fen = more_red * np.maximum(fen // 20, 1)
        more_tax = (more_fen - more_red_fen) * bps // 10_000

        of, second = versions.of, versions.correction
        add = second.astype(np.int64)
        steep = split.steepness(firms.seed, firms.firm[rows], direction, calendar.starts[months], k)
        top1, top5, hhi = split.concentration(
            n[of], fen[of], k[of], steep[of], more_fen[of] * add, split.WEIGHTS, split.WEIGHT_SUMS
        )
        schema = FRAME_SCHEMAS["invoice_months"]
        return pl.DataFrame(
            {
                "firm": firms.firm[rows][of].astype(np.int32),
                "period": payments.days("period", calendar.starts[months][of]),
                "direction": payments.enum_of("direction", np.full(of.size, direction), schema["direction"]),
                "invoices": (n[of] + more[of] * add).astype(np.int32),
                "amount_fen": (fen - red_fen)[of] + (more_fen - more_red_fen)[of] * add,
                "tax_fen": tax[of] + more_tax[of] * add,
                "void_invoices": void[of].astype(np.int32),
                "red_invoices": (red[of] + more_red[of] * add).astype(np.int32),
                "red_amount_fen": red_fen[of] + more_red_fen[of] * add,
                "counterparties": np.where(some, k, 0)[of].astype(np.int32),
                "top1_amount_fen": top1,
                "top5_amount_fen": top5,
                "hhi": payments.nullable(pl.Series("hhi", hhi), some[of]),
                "known_on": payments.days("known_on", versions.known),
            },
            schema=schema,
        )
