"""Numbers as a lender types them: yuan, per cent, whole numbers. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from flask_babel import gettext

_MOST_FEN = 10**15


def fen_of(text: str, name: str) -> int:
    """Return an amount in yuan, with at most two decimals, in fen.

    Raises
    ------
    ValueError
        It is none; the message names the field.
    """
    found = _decimal(text.replace(",", "").replace("，", ""), 2)
    if found is None or not 0 <= found * 100 <= _MOST_FEN:
        raise ValueError(gettext("%(name)s must be an amount in yuan, such as 300000 or 1250.50.", name=name))
    return int(found * 100)


def bps_of(text: str, name: str) -> int:
    """Return a yearly rate in per cent, with at most two decimals, in basis points.

    Raises
    ------
    ValueError
        It is none; the message names the field.
    """
    found = _decimal(text.removesuffix("%").strip(), 2)
    if found is None or not 0 <= found <= 100:
        raise ValueError(gettext("%(name)s must be in per cent a year, such as 4.35.", name=name))
    return int(found * 100)


def whole_of(text: str, name: str, *, most: int) -> int:
    """Return a whole number from 0 to `most`.

    Raises
    ------
    ValueError
        It is none; the message names the field.
    """
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit() and len(plain) <= 9) or int(plain) > most:
        raise ValueError(gettext("%(name)s must be a whole number, at most %(most)d.", name=name, most=most))
    return int(plain)


def _decimal(text: str, places: int) -> Decimal | None:
    plain = text.strip()
    if not plain.isascii() or len(plain) > 20 or not plain.replace(".", "", 1).isdigit():
        return None
    try:
        found = Decimal(plain)
    except InvalidOperation:
        return None
    return found if -int(found.as_tuple().exponent) <= places else None
