"""What a loan costs a month, what a monthly payment carries, and the loans that a firm has already."""

from __future__ import annotations

from typing import TypedDict

from creditlink.engine.rounding import whole_fen


class LoanHeld(TypedDict):
    """A loan that the firm owes the institution that asks, as the platform knows it."""

    application: str
    outstanding_fen: int
    rate_bps: int
    months_left: int  # 0: the term is over, and it is still owed
    repayment: str


def annuity(rate_bps: int, months: int) -> float:
    """Return the principal that a monthly payment of 1 repays, with interest, in so many equal instalments."""
    monthly = rate_bps / 120_000
    return (1 - (1 + monthly) ** -months) / monthly if monthly else float(months)


def service_fen(loan: LoanHeld) -> int:
    """Return what a loan takes a month.

    Of a loan whose principal is due at the end the firm must lay the principal by, month by month; what is owed after
    its term is due at once.
    """
    owed, months = loan["outstanding_fen"], max(loan["months_left"], 1)
    if loan["months_left"] < 1:
        return owed
    if loan["repayment"] == "equal_instalment":
        return whole_fen(owed / annuity(loan["rate_bps"], months))
    return whole_fen(owed * loan["rate_bps"] / 120_000 + owed / months)
