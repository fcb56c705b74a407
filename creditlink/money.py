"""Money: integer fen. Rates: integer basis points. One rounding function."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation


def fen_from_yuan(text: str | int | Decimal) -> int:
    """Return whole fen for an amount in yuan, halves rounded away from zero.

    Raises
    ------
    ValueError
        `text` is not a finite decimal number.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"not an amount in yuan: {text!r}") from error
    if not amount.is_finite():
        raise ValueError(f"not an amount in yuan: {text!r}")
    return round_half_away(amount * 100)


def round_half_away(value: Decimal) -> int:
    """Return the nearest whole number; halves go away from zero, as invoices are rounded."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def yuan_text(fen: int) -> str:
    """Return fen as yuan with two decimals, e.g. `-1234` -> `"-12.34"`."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"
