"""The exact yearly cost of one loan, from its cash flows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from creditlink.engine.rounding import round_half_away

_ROUNDS = 400
_CLOSE = 1e-13


def fee_fen(amount_fen: int, fees_bps: int) -> int:
    """Return the fees on an amount, in whole fen."""
    return round_half_away(Decimal(amount_fen * fees_bps) / 10_000)


def cash_flows(
    *, rate_bps: float, fees_bps: float, term_months: int, repayment: str, subsidy_bps: float = 0
) -> list[float]:
    """Return what the firm gets (first) and pays (negative, month by month) for one unit of principal.

    Interest is paid monthly. Equal instalments are an annuity; a bullet, and a revolving line drawn in
    full, repay the principal at the end. Fees are taken out of what is paid out. A public subsidy pays its share of
    the interest on what is owed, month by month, never more than the interest itself.
    """
    monthly = rate_bps / 120_000
    paid_for = min(subsidy_bps, rate_bps) / 120_000
    first = 1 - fees_bps / 10_000
    if repayment != "equal_instalment":
        return [first, *[paid_for - monthly] * (term_months - 1), paid_for - 1 - monthly]
    instalment = monthly / (1 - (1 + monthly) ** -term_months) if monthly else 1 / term_months
    flows, owed = [first], 1.0
    for _ in range(term_months):
        flows.append(paid_for * owed - instalment)
        owed -= instalment - monthly * owed
    return flows


@lru_cache(maxsize=4096)
def net_cost_bps(*, rate_bps: int, subsidy_bps: int, fees_bps: int, term_months: int, repayment: str) -> int:
    """Return what a loan costs the firm a year in all, after the subsidy, in basis points.

    Without fees that is the rate less the subsidy; the product list, a match and an offer all say this one number.
    """
    if not fees_bps:
        return max(rate_bps - subsidy_bps, 0)
    flows = cash_flows(
        rate_bps=rate_bps, fees_bps=fees_bps, term_months=term_months, repayment=repayment, subsidy_bps=subsidy_bps
    )
    return round_half_away(Decimal(annual_rate_bps(flows)))


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
    # What the flows are worth falls with a month's discount factor, and ever faster. So from a factor at which they are
    # worth less than nothing, Newton's steps come down to the one sought and never pass it.
    factor = 1.0 if sum(flows) <= 0 else 2.0
    for _ in range(_ROUNDS):
        worth = slope = 0.0
        for flow in reversed(flows):
            slope = slope * factor + worth
            worth = worth * factor + flow
        step = worth / slope
        factor -= step
        if abs(step) < _CLOSE:
            break
    return (1 / factor - 1) * 120_000
