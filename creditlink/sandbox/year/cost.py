"""The exact yearly cost of many offers at once. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS = 60


def yearly_cost_bps(
    rate_bps: Floats, fees_bps: Floats, term_months: NDArray[np.int64], amortises: NDArray[np.bool_]
) -> Floats:
    """Return what the engine's `annual_rate_bps` gives for each offer's cash flows, in basis points, shape (n,).

    Source: People's Bank of China, Announcement [2021] No. 3: the yearly rate of all costs, by the internal rate
    of return.
    """
    monthly = rate_bps / 120_000
    term = term_months.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        instalment = np.where(monthly > 0, monthly / (1 - (1 + monthly) ** -term), 1 / term)
    payment = np.where(amortises, instalment, monthly)
    last = np.where(amortises, 0.0, 1.0)
    received = 1 - fees_bps / 10_000
    low, high = np.full(rate_bps.shape, 1e-9), np.full(rate_bps.shape, 1.0)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        discount = (1 + middle) ** -term
        worth = payment * (1 - discount) / middle + last * discount
        dear = worth > received
        low, high = np.where(dear, middle, low), np.where(dear, high, middle)
    cost: Floats = (low + high) / 2 * 120_000
    return cost
