"""Codes that a slip of the pen tells apart, and names that say the same. Pure.

One character changed, or two neighbours swapped, always breaks the check of GB 32100-2015: its weights and the
differences of neighbouring ones are no multiples of 31, which is a prime. So of two such codes one at least fails its
check, and whoever looks for the other needs to start only from codes that fail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher

from creditlink.kit.uscc import ALPHABET

SIMILAR = 0.85
"""From this share of equal characters on two names may be one firm's; below it they are two firms'."""

_FORMS = re.compile(r"(股份)?有限(责任)?公司$|\(个人独资\)|\(有限合伙\)")
_SPACE = re.compile(r"[\s·・.,，。\-—]+")


def slips(code: str) -> Iterator[str]:
    """Yield every code that is one character off, or has two neighbours swapped."""
    for place, own in enumerate(code):
        for other in ALPHABET:
            if other != own:
                yield code[:place] + other + code[place + 1 :]
    for place in range(len(code) - 1):
        one, two = code[place], code[place + 1]
        if one != two:
            yield code[:place] + two + one + code[place + 2 :]


def places_off(one: str, other: str) -> list[int]:
    """Return at which places, from 1, two codes differ."""
    return [place for place, (a, b) in enumerate(zip(one, other, strict=True), 1) if a != b]


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, 0 to 1, apart from width, brackets, spaces and the form of the company."""
    first, second = _plain(one), _plain(other)
    if first == second:
        return 1.0
    return round(SequenceMatcher(None, first, second, autojunk=False).ratio(), 3)


def _plain(name: str) -> str:
    folded = _SPACE.sub("", unicodedata.normalize("NFKC", name)).casefold()
    return _FORMS.sub("", folded) or folded
