"""The one rounding of money: halves away from zero."""

from decimal import ROUND_HALF_UP, Decimal


def round_half_away(value: Decimal) -> int:
    """Return the nearest whole number; halves go away from zero, as invoices are rounded."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def whole_fen(fen: float) -> int:
    """Return an amount in whole fen."""
    return round_half_away(Decimal(fen))
