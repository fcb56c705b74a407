"""A month of the city told invoice by invoice, so that counting them up again gives back the month exactly."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from creditlink.sandbox.city.records import split

Ints = npt.NDArray[np.int64]

_EPOCH = date(1970, 1, 1)
_DIRECTION = {"output": 0, "input": 1}


def expand(months: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
    """Return the invoices of one firm's rows of `invoice_months`, by day and record id.

    The first version of a month is split as the generator split it; what a later version adds was
    registered late, and is the largest counterparty's. `amount_fen` is negative for a red-letter invoice.
    """
    told: list[dict[str, Any]] = []
    for (firm, period, direction), versions in months.sort("known_on").group_by(
        "firm", "period", "direction", maintain_order=True
    ):
        key = (int(firm), period, str(direction))
        before: dict[str, Any] | None = None
        count = 0
        for row in versions.to_dicts():
            told += _batch(row, before, key, seed, count)
            count = len([one for one in told if one["key"] == key])
            before = row
    return sorted(told, key=lambda one: (one["issued_on"], one["record_id"]))


def _batch(
    row: dict[str, Any], before: dict[str, Any] | None, key: tuple[int, date, str], seed: int, count: int
) -> list[dict[str, Any]]:
    def gain(name: str) -> int:
        return int(row[name]) - int(before[name] if before else 0)

    firm, period, direction = key
    n, red, red_fen = gain("invoices"), gain("red_invoices"), gain("red_amount_fen")
    positive = gain("amount_fen") + red_fen
    if before is None and n:
        k = int(row["counterparties"])
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
    taxes = _taxes([fen for _, fen in parts], gain("tax_fen"))
    voids = [(0, max(positive // max(n, 1), 100)) for _ in range(gain("void_invoices"))]
    month = f"{period:%Y%m}"
    return [
        {
            "key": key,
            "record_id": f"F{direction[0].upper()}{firm:07d}-{month}-{count + i:05d}",
            "number": f"{(mark + count + i) % 100_000_000:08d}",
            # Spread over the month, the same every time.
            "issued_on": _working_day(period + timedelta(days=(mark + (count + i) * 11) % 28), count + i),
            "direction": direction,
            "counterparty": f"{direction[0].upper()}{firm:X}{rank:03X}",
            "amount_fen": fen,
            "tax_fen": tax,
            "is_void": i >= len(parts),
            "known_on": row["known_on"],
        }
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
