"""How a month's invoices spread over counterparties: one rule, used by the city and replayed by the tax bureau.

A month of `n` invoices worth `amount` fen with `k` counterparties is split by rank: counterparty j (0 the largest)
has weight (j + 1)^−a, with `a` drawn from the firm, the direction and the month by hashing: the fewer
counterparties, the wider `a` spreads, as in real invoices, where one of two buyers often takes nearly all. Every
invoice has at least one fen, counts and amounts do not increase with rank, and what rounding leaves goes to rank 0.
Sums are therefore exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

MAX_COUNTERPARTIES = 1024
STEEPNESS = np.geomspace(0.15, 6.0, 40)
_RANKS = np.arange(1, MAX_COUNTERPARTIES + 1, dtype=np.float64)
WEIGHTS: npt.NDArray[np.float64] = _RANKS[None, :] ** -STEEPNESS[:, None]
"""Weight by (steepness class, rank)."""
WEIGHT_SUMS: npt.NDArray[np.float64] = np.cumsum(WEIGHTS, axis=1)


def mix(*words: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Hash integers to 64 bits, elementwise over broadcast arrays; the same on every machine.

    Source: the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
    """
    with np.errstate(over="ignore"):
        state = np.uint64(0x9E3779B97F4A7C15)
        for word in words:
            x = (np.asarray(word).astype(np.int64).view(np.uint64) ^ state) + np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = x ^ (x >> np.uint64(31))
    return np.asarray(state)


def steepness(
    seed: int, firm: npt.ArrayLike, direction: npt.ArrayLike, period: npt.ArrayLike, k: npt.ArrayLike
) -> npt.NDArray[np.int64]:
    """Return the steepness class of each (firm, direction, month): mostly the firm's own, wavering by month.

    Parameters
    ----------
    direction
        0 output, 1 input.
    period
        First day of the month in days since 1970.
    k
        Counterparties in the month, 1 or more.
    """
    where = 0.80 * normal(mix(seed, firm, direction)) + 0.60 * normal(mix(seed, firm, direction, period))
    k = np.asarray(k, dtype=np.float64)
    # Fitted by eye to the largest counterparty's share in months of 2, 3-5, 6-20 and more real counterparties;
    # purchases depend on fewer suppliers than sales on buyers.
    median = (0.85 + 1.55 * k**-0.75) * np.where(np.asarray(direction) == 1, 1.2 + 0.008 * np.minimum(k, 40), 1.0)
    log = np.log(median) + (0.45 + 1.3 / k) * where
    step = np.log(STEEPNESS[1] / STEEPNESS[0])
    where = np.rint((log - np.log(STEEPNESS[0])) / step)
    return np.clip(where, 0, len(STEEPNESS) - 1).astype(np.int64)


def normal(hashed: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Return nearly normal numbers, mean 0 and variance 1: the sum of four uniform ones, by whole arithmetic."""
    total = np.zeros(hashed.shape, dtype=np.int64)
    for shift in (0, 16, 32, 48):
        total += ((hashed >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    return np.asarray((total / 65536.0 - 2.0) * np.sqrt(3.0))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator] # numba ships no types
def split(
    n: int, amount: int, k: int, weights: npt.NDArray[np.float64], total: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the invoices and the fen of each counterparty, shapes (k,)."""
    counts = np.empty(k, dtype=np.int64)
    amounts = np.empty(k, dtype=np.int64)
    spare, money = n - k, amount - n
    left_count, left_money = spare, money
    for j in range(k):
        share = weights[j] / total
        extra = int(spare * share)
        counts[j] = 1 + extra
        left_count -= extra
        part = int(money * share)
        amounts[j] = part
        left_money -= part
    counts[0] += left_count
    amounts[0] += left_money
    for j in range(k):
        amounts[j] += counts[j]
    return counts, amounts


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator] # numba ships no types
def concentration(
    n: npt.NDArray[np.int64],
    amount: npt.NDArray[np.int64],
    k: npt.NDArray[np.int64],
    steep: npt.NDArray[np.int64],
    late_amount: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return top-1 amount, top-5 amount and Herfindahl index of each month's split, shapes (rows,).

    `late_amount` is added to rank 0: invoices registered late belong to the largest counterparty.
    """
    rows = n.size
    top1 = np.zeros(rows, dtype=np.int64)
    top5 = np.zeros(rows, dtype=np.int64)
    hhi = np.zeros(rows, dtype=np.float64)
    for i in range(rows):
        if n[i] == 0:
            continue
        # The same arithmetic as split(), without keeping the parts.
        spare, money, total = n[i] - k[i], amount[i] - n[i], sums[steep[i], k[i] - 1]
        left_count, left_money = spare, money
        first = np.int64(0)
        five = np.int64(0)
        squares = 0.0
        for j in range(k[i]):
            share = weights[steep[i], j] / total
            extra = int(spare * share)
            part = int(money * share)
            left_count -= extra
            left_money -= part
            value = 1 + extra + part
            if j == 0:
                first = value
            else:
                squares += float(value) * float(value)
                if j < 5:
                    five += value
        first += left_count + left_money + late_amount[i]
        top1[i] = first
        top5[i] = first + five
        whole = float(amount[i] + late_amount[i])
        hhi[i] = (squares + float(first) * float(first)) / (whole * whole)
    return top1, top5, hhi
