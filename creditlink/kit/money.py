"""Money: integer fen. Rates: integer basis points. Pure."""

from decimal import Decimal

from creditlink.engine.rounding import round_half_away


def fen_from_yuan(text: str | int | Decimal, *, unit: int = 1) -> int:
    """Return whole fen for an amount in yuan, or in so many yuan, halves rounded away from zero.

    Raises
    ------
    ValueError
        `text` is not a finite decimal number, or one of more digits than any amount has.
    """
    try:
        amount = Decimal(text) * unit * 100
        if amount.is_finite():
            return round_half_away(amount)
    except ArithmeticError:  # `1e999999` overflows, which is no InvalidOperation
        pass
    raise ValueError(f"not an amount in yuan: {text!r}")


def yuan_text(fen: int) -> str:
    """Return fen as yuan with two decimals, e.g. `-1234` -> `"-12.34"`."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def grouped_yuan(fen: int) -> str:
    """Return fen as yuan for people, e.g. `-123456789` -> `"-1,234,567.89"`."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"
