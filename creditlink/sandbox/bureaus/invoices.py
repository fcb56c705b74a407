"""A month of the city as single invoices, which add up to the month exactly."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from creditlink.sandbox.bureaus.holdings import rows_as
from creditlink.sandbox.city.records import split

Ints = npt.NDArray[np.int64]

_EPOCH = date(1970, 1, 1)
_DIRECTION = {"output": 0, "input": 1}


class Invoice(NamedTuple):
    """One invoice; `amount_fen` is negative for a red-letter one."""

    record_id: str
    number: str
    issued_on: date
    direction: str
    counterparty: str
    amount_fen: int
    tax_fen: int
    is_void: bool
    known_on: date


class _Month(NamedTuple):
    """One version of a firm's month in one direction."""

    invoices: int
    counterparties: int
    amount_fen: int
    tax_fen: int
    red_invoices: int
    red_amount_fen: int
    void_invoices: int
    known_on: date

    def since(self, before: _Month | None) -> _Month:
        """Return what this version adds to the one before it."""
        if before is None:
            return self
        return self._replace(
            invoices=self.invoices - before.invoices,
            amount_fen=self.amount_fen - before.amount_fen,
            tax_fen=self.tax_fen - before.tax_fen,
            red_invoices=self.red_invoices - before.red_invoices,
            red_amount_fen=self.red_amount_fen - before.red_amount_fen,
            void_invoices=self.void_invoices - before.void_invoices,
        )


def expand(months: pl.DataFrame, seed: int) -> list[Invoice]:
    """Return the invoices of one firm's rows of `invoice_months`, by day and record id.

    The first version of a month is split as the generator splits it; what a later version adds was registered late,
    and comes from the largest counterparty.
    """
    invoices: list[Invoice] = []
    for (firm, period, direction), versions in months.sort("known_on").group_by(
        "firm", "period", "direction", maintain_order=True
    ):
        key = (int(firm), period, str(direction))
        before: _Month | None = None
        of_month: list[Invoice] = []
        for month in rows_as(versions, _Month):
            of_month += _batch(month, before, key, seed, len(of_month))
            before = month
        invoices += of_month
    return sorted(invoices, key=lambda one: (one.issued_on, one.record_id))


def _batch(month: _Month, before: _Month | None, key: tuple[int, date, str], seed: int, count: int) -> list[Invoice]:
    """Return the invoices that a version adds to the `count` before it."""
    firm, period, direction = key
    added = month.since(before)
    n, red, red_fen = added.invoices, added.red_invoices, added.red_amount_fen
    positive = added.amount_fen + red_fen
    if before is None and n:
        k = month.counterparties
        steep = int(split.steepness(seed, [firm], [_DIRECTION[direction]], [(period - _EPOCH).days], [k])[0])
        counts, sums = split.split(n, positive, k, split.WEIGHTS[steep], split.WEIGHT_SUMS[steep, k - 1])
    else:
        counts, sums = np.array([n]), np.array([positive])
    mark = int(split.mix(seed, firm, period.toordinal(), _DIRECTION[direction], count).astype(np.int64))
    spread = float(split.mix(seed, firm, _DIRECTION[direction])) / 2**64
    ranks, fens = _uneven(np.asarray(sums), np.asarray(counts), 0.9 * spread**1.5, mark)
    parts = list(zip(ranks, fens, strict=True))
    if red:
        _, back = _uneven(np.array([red_fen]), np.array([red]), 0.3, mark + 1)
        parts += [(0, -fen) for fen in back]
    taxes = _taxes([fen for _, fen in parts], added.tax_fen)
    voids = [(0, max(positive // max(n, 1), 100)) for _ in range(added.void_invoices)]
    return [
        Invoice(
            record_id=f"F{direction[0].upper()}{firm:07d}-{period:%Y%m}-{count + i:05d}",
            number=f"{(mark + count + i) % 100_000_000:08d}",
            # Spread over the month, the same every time.
            issued_on=_working_day(period + timedelta(days=(mark + (count + i) * 11) % 28), count + i),
            direction=direction,
            counterparty=f"{direction[0].upper()}{firm:X}{rank:03X}",
            amount_fen=fen,
            tax_fen=tax,
            is_void=i >= len(parts),
            known_on=month.known_on,
        )
        for i, ((rank, fen), tax) in enumerate(
            zip([*parts, *voids], [*taxes, *(fen * 13 // 100 for _, fen in voids)], strict=True)
        )
    ]


def _uneven(sums: Ints, counts: Ints, spread: float, mark: int) -> tuple[list[int], list[int]]:
    """Return each invoice's counterparty and amount: `sums` in `counts` whole shares, the same every time.

    The shares' logs spread with standard deviation `spread`, and three in ten repeat the one before, as real ones do.
    The first invoice takes what rounding leaves.
    """
    ranks = np.repeat(np.arange(counts.size), counts)
    index = np.arange(ranks.size)
    kept = np.where(split.mix(mark, index, 1) % np.uint64(10) < 3, 0, index)
    weights = np.exp(spread * split.normal(split.mix(mark, np.maximum.accumulate(kept))))
    whole = np.bincount(ranks, weights, minlength=counts.size)
    least = np.minimum(sums // np.maximum(counts, 1), 1)
    fens = (weights / whole[ranks] * (sums - least * counts)[ranks]).astype(np.int64) + least[ranks]
    over = sums - np.bincount(ranks, fens, minlength=counts.size).astype(np.int64)
    some = counts > 0
    fens[(np.cumsum(counts) - counts)[some]] += over[some]
    return ranks.tolist(), fens.tolist()


def _working_day(day: date, mark: int) -> date:
    """Return a day of the same month; most invoices that would fall on a weekend are written on a weekday."""
    over = day.weekday() - 4
    if over <= 0 or mark % 5 == 0:
        return day
    back, on = over + mark % 5, 3 - over + mark % 5
    return day - timedelta(days=back) if day.day > back else day + timedelta(days=on)


def _taxes(amounts: list[int], tax: int) -> list[int]:
    """Return each invoice's tax at the common rate; the first takes what rounding leaves."""
    whole = sum(amounts)
    if not amounts:
        return []
    shares = [fen * tax // whole if whole else 0 for fen in amounts]
    shares[0] += tax - sum(shares)
    return shares
