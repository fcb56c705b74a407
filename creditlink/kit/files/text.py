"""Text from outside: which characters we accept, checked at every border by the same function. Pure.

Refused are U+0000, which PostgreSQL's text cannot hold and C strings end at, and surrogates, which are halves of a
character and have no UTF-8 form. Every other character is kept as it came (docs/adr/0036-one-guard-for-text.md).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import TypeAlias

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_LEAST, _MOST = -(2**63), 2**63 - 1
_SHOWN_OF_A_STEP, _SHOWN_STEPS = 80, 20

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value in a JSON document: names of members and places in lists."""
_Place: TypeAlias = "tuple[_Place, str | int] | None"


def flaw(text: str) -> str | None:
    """Return what is wrong with a text from outside, worded to follow the name of its field; None if nothing is."""
    refused = _REFUSED.search(text)
    if refused is None:
        return None
    if refused[0] == "\0":
        return "holds the character U+0000, which is not accepted"
    return f"holds U+{ord(refused[0]):04X}, half of a character, which is not accepted"


def printable(text: str) -> str:
    """Return the text with what is refused replaced by U+FFFD: for messages, excerpts and logs."""
    return _REFUSED.sub("\ufffd", text)


def one_line(text: str) -> str | None:
    """Return a text as one line of visible characters; None: it holds others.

    What reorders or hides text could make a name on paper, or on a page for strangers, say something else.
    """
    line = _SPACES.sub(" ", text).strip()
    return None if any(unicodedata.category(char) in _HIDDEN for char in line) else line


def flaws(value: object) -> Iterator[tuple[Steps, str]]:
    """Yield what is wrong in a parsed JSON value: where (`("products", 0, "name")`), and what.

    Numbers are checked too: what does not fit 64 bits or a finite float is refused, as I-JSON (RFC 7493) advises,
    before it reaches a column or an array.
    """
    # No recursion, since the sender chooses the depth. A place is put together only when it is reported: the sender
    # chooses the names too, and a long one above many values would fill the memory.
    waiting: list[tuple[_Place, object]] = [(None, value)]
    while waiting:
        place, one = waiting.pop()
        wrong = _flaw_of(one)
        if wrong is not None:
            yield _steps_to(place), wrong
        elif isinstance(one, Mapping):
            for name, inner in one.items():
                wrong = flaw(name)
                if wrong is not None:
                    yield (*_steps_to(place), name), f"the name {wrong}"
                waiting.append(((place, name), inner))
        elif isinstance(one, list):
            waiting += [((place, index), inner) for index, inner in enumerate(one)]


def pointer(steps: Steps) -> str:
    """Return a place as messages show it (`/products/0/name`); long names and many steps are cut."""
    parts = [printable(str(step)[:_SHOWN_OF_A_STEP]) for step in steps]
    if len(parts) > _SHOWN_STEPS:
        parts = [*parts[: _SHOWN_STEPS // 2], "…", *parts[-_SHOWN_STEPS // 2 :]]
    return "/" + "/".join(parts)


def _steps_to(place: _Place) -> Steps:
    steps: list[str | int] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return tuple(reversed(steps))


def _flaw_of(value: object) -> str | None:
    if isinstance(value, str):
        return flaw(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        return "is a number beyond 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be finite"
    return None
