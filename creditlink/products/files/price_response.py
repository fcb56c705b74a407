"""The file of a price response, CSV: read strictly, a wrong line is named by column and value. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from creditlink.engine.matching.offers.price_response import GROUPS, Response
from creditlink.kit.files import csvfile
from creditlink.kit.files.textfile import TextFile

_COLUMNS = ("annual_rate", *(f"churn_{group}" for group in GROUPS))
_LEAST_POINTS = 3


class PriceResponseInvalid(ValueError):
    """A curve's file is wrong; the message names line, column and value."""


def parse(file: TextFile, *, source: str) -> Mapping[str, Response]:
    """Return each group's curve from a CSV file; `source` names it in messages.

    Shares that were measured a little lower at a higher rate are levelled: nobody comes back for a higher price.

    Raises
    ------
    PriceResponseInvalid
        A column is missing, a line cannot be read, a value is no number or out of range, rates do not ascend, or
        there are too few lines.
    """
    points: list[tuple[float, ...]] = []
    try:
        for row in csvfile.rows(file, known=None, needed=_COLUMNS):
            if isinstance(row, csvfile.WrongRow):
                raise PriceResponseInvalid(f"{source}, line {row.line}: {row.field} {row.value!r}: {row.problem}")
            point = tuple(_share(source, row.line, name, row.values[name]) for name in _COLUMNS)
            if points and point[0] <= points[-1][0]:
                rate = row.values["annual_rate"]
                raise PriceResponseInvalid(f"{source}, line {row.line}: annual_rate {rate!r}: rates must ascend")
            points.append(point)
    except csvfile.HeaderInvalid as error:
        said = f"column {error.lacks} is missing" if error.lacks else str(error)
        raise PriceResponseInvalid(f"{source}: {said}; wanted {', '.join(_COLUMNS)}") from None
    if len(points) < _LEAST_POINTS:
        raise PriceResponseInvalid(f"{source}: {len(points)} rates, at least {_LEAST_POINTS} are needed")
    table = np.array(points)
    rates = tuple((table[:, 0] * 10_000).round(6).tolist())
    return {
        group: Response(rates, tuple(np.maximum.accumulate(table[:, k]).tolist()))
        for k, group in enumerate(GROUPS, start=1)
    }


def _share(source: str, line: int, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise PriceResponseInvalid(f"{source}, line {line}: {name} {value!r}: must be a number") from None
    if not 0 <= number <= 1:
        raise PriceResponseInvalid(f"{source}, line {line}: {name} {value!r}: must lie between 0 and 1")
    return number
