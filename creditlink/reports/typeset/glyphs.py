"""Which characters our fonts can draw; any other is written as its number, so that nobody takes a gap for a name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FONTS = Path(__file__).parent / "vendor"
"""Noto Sans SC (SIL Open Font License 1.1, `OFL.txt`), cut to GBK: the bold one to GB 2312, for our own labels."""


@cache
def drawable() -> frozenset[int]:
    """Return the code points that the regular font draws."""
    found: set[int] = set()
    for line in (FONTS / "characters.txt").read_text("ascii").split():
        first, _, last = line.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)


def visible(text: str) -> str:
    """Return a text whose every character can be seen.

    >>> visible("永盛"), visible(chr(0x2A6A5) + "麵")
    ('永盛', '〔U+2A6A5〕麵')
    """
    known = drawable()
    return "".join(char if ord(char) in known else f"〔U+{ord(char):04X}〕" for char in text)


def all_visible(value: object) -> object:
    """Return JSON whose every text is visible; names of members stay."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list | tuple):
        return [all_visible(one) for one in value]
    return {name: all_visible(one) for name, one in value.items()} if isinstance(value, dict) else value
