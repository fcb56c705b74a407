"""Which office serves a firm: an office may serve provinces only, and then goes before one that serves all. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_PREFIX = re.compile(r"[1-9]\d(\d\d){0,2}")


def is_prefix(value: object) -> bool:
    """Whether it is a region of GB/T 2260 as configuration writes it: 2 digits a province, 4 a city, 6 a county."""
    return isinstance(value, str) and _PREFIX.fullmatch(value) is not None


def closeness(regions: Sequence[str], region: str) -> int:
    """Return how closely an office that serves `regions` serves `region`: 0 as one of all, −1 not at all."""
    if not regions:
        return 0
    return max((len(prefix) for prefix in regions if region.startswith(prefix)), default=-1)


def closest(offices: Mapping[str, Sequence[str]], region: str) -> str | None:
    """Return the office that serves a region most closely; None where none does.

    Parameters
    ----------
    offices : of one category: name -> the regions it serves, none for all of them.
    region : of the firm, 6 digits; "" where it is not known.
    """
    serving = {name: closeness(regions, region) for name, regions in offices.items()}
    best = max(serving, key=lambda name: serving[name], default=None)
    return best if best is not None and serving[best] >= 0 else None


def overlap(offices: Iterable[tuple[str, Sequence[str]]]) -> tuple[str, str, str] | None:
    """Return two offices of one category that claim the same region, and that region ("" for all); None: none do."""
    claimed: dict[str, str] = {}
    for name, regions in offices:
        for prefix in regions or ("",):
            if prefix in claimed:
                return claimed[prefix], name, prefix
            claimed[prefix] = name
    return None
