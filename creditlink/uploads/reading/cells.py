"""Cells as people's files write them, brought to the forms that the readers of an office's rows take. Pure.

What is in none of these forms stays as it came: the reader then names it.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from creditlink.kit.clock import day_of

_AMOUNT = re.compile(r"[¥￥]?(-?)[¥￥]?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(\.[0-9]{1,20})?")
_CENT = Decimal("0.01")
_NOISE = Decimal("0.000001")
"""By so much a double that holds an amount may differ from it."""
_DAY = re.compile(
    r"([0-9]{4})(?:-([0-9]{1,2})-([0-9]{1,2})|/([0-9]{1,2})/([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日)"
    r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
)
_ZONED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})")


def plain_amount(text: str) -> str:
    """Return an amount in yuan with two decimals, as an office writes it."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return text
    amount = Decimal(found[2].replace(",", "") + (found[3] or ""))
    rounded = amount.quantize(_CENT)
    if abs(amount - rounded) > _NOISE:
        return text
    return f"{found[1] if rounded else ''}{rounded}"


def plain_day(text: str) -> str:
    """Return a day as YYYYMMDD; an instant with a zone falls on its day in Shanghai."""
    if _ZONED.fullmatch(text):
        try:
            return f"{day_of(datetime.fromisoformat(text)):%Y%m%d}"
        except (ValueError, OverflowError):
            return text
    found = _DAY.fullmatch(text)
    if found is None:
        return text
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return f"{date(year, month, day):%Y%m%d}"
    except ValueError:
        return text
