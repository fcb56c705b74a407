"""Query strings of the two bureaus that answer GET."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import flask

from creditlink.sandbox.bureaus.holdings import months_between

_MOST_MONTHS = 120


class BadParameter(Exception):
    """A parameter is missing, unknown, repeated or wrong."""

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(f"{parameter}: {text}")
        self.parameter, self.text = parameter, text


@dataclass(frozen=True)
class BureauQuery:
    """A firm, months from `first` to `last`, and the office's own numbers."""

    uscc: str
    first: date
    last: date
    numbers: dict[str, int]


def read(allowed: set[str], numbers: dict[str, tuple[int, int]]) -> BureauQuery:
    """Return the parameters of the current request, checked.

    Parameters
    ----------
    allowed : names besides uscc, from, to.
    numbers : name -> default and largest value.
    """
    sent = flask.request.args
    for name in sent:
        if name not in {"uscc", "from", "to"} | allowed:
            raise BadParameter(name, "is not a parameter here")
        if len(sent.getlist(name)) > 1:
            raise BadParameter(name, "appears twice")
    if not re.fullmatch(r"[0-9A-Z]{18}", sent.get("uscc", "")):
        raise BadParameter("uscc", "needs 18 characters 0-9 A-Z")
    first, last = _month("from"), _month("to")
    if first > last or months_between(first, last) > _MOST_MONTHS:
        raise BadParameter("from", f"must not be after to, nor more than {_MOST_MONTHS} months before it")
    values = {}
    for name, (default, most) in numbers.items():
        text = sent.get(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= most:
            raise BadParameter(name, f"must be within 1 … {most}, got {text!r}")
        values[name] = int(text)
    return BureauQuery(sent["uscc"], first, last, values)


def _month(name: str) -> date:
    text = flask.request.args.get(name, "")
    if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", text):
        raise BadParameter(name, f"needs YYYY-MM, got {text!r}")
    return date(int(text[:4]), int(text[5:]), 1)
