"""The exact yearly cost of one loan, from its cash flows."""

from __future__ import annotations

from collections.abc import Sequence

_ROUNDS = 200


def cash_flows(*, rate_bps: float, fees_bps: float, term_months: int, repayment: str) -> list[float]:
    """Return what the firm gets (first) and pays (negative, month by month) for one unit of principal.

    Interest is paid monthly. Equal instalments are an annuity; a bullet, and a revolving line drawn in
    full, repay the principal at the end. Fees are taken out of what is paid out.
    """
    monthly = rate_bps / 120_000
    first = 1 - fees_bps / 10_000
    if repayment != "equal_instalment":
        return [first, *[-monthly] * (term_months - 1), -1 - monthly]
    instalment = monthly / (1 - (1 + monthly) ** -term_months) if monthly else 1 / term_months
    return [first, *[-instalment] * term_months]


def annual_rate_bps(flows: Sequence[float]) -> float:
    """Return the yearly rate in basis points at which monthly `flows` are worth nothing: twelve monthly rates.

    Raises
    ------
    ValueError
        The firm would get nothing.

    Source: People's Bank of China, Announcement [2021] No. 3: the yearly rate of all costs, by the
    internal rate of return.
    """
    if flows[0] <= 0:
        raise ValueError(f"flows[0] = {flows[0]!r}: nothing is paid out")
    low, high = -0.5, 10.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        value = sum(flow / (1 + middle) ** month for month, flow in enumerate(flows))
        # The firm's own worth of the loan grows with the rate: what it pays later counts for less.
        if value < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2 * 120_000
