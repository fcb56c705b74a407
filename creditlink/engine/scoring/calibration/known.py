"""A calibration by how much is known: the same margin means less where more could have been seen.

Trees add up what each source says as if the others did not say it too, so that a firm with every source gets a margin
that is too extreme, and a firm with one a margin that is too tame. A map for each number of chief sources, or for each
set of them, undoes that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Bend = tuple[float, float]


@dataclass(frozen=True)
class Rising:
    """A strictly increasing map of log-odds: ``a * margin + b``, its slope changing at each of `bends`.

    Raises
    ------
    ValueError
        A number is not finite, the bends do not ascend, or a slope is not above zero.
    """

    a: float
    b: float
    bends: tuple[Bend, ...] = ()  # (margin, what the slope rises by beyond it), ascending

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.a, self.b, *(v for bend in self.bends for v in bend))):
            raise ValueError(f"{self.to_json()!r}: every number must be finite")
        places = [place for place, _ in self.bends]
        if any(later <= place for place, later in pairwise(places)):
            raise ValueError(f"{self.to_json()!r}: bends must ascend")
        slopes = np.cumsum([self.a, *(more for _, more in self.bends)])
        if not (slopes > 0).all():
            raise ValueError(f"{self.to_json()!r}: every slope must be above 0")

    def logit(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated log-odds, same shape."""
        logit = self.a * margin + self.b
        for place, more in self.bends:
            logit = logit + more * np.maximum(margin - place, 0.0)
        return np.asarray(logit)

    def to_json(self) -> list[object]:
        """Return ``[a, b]``, with the bends as a third member where there are any."""
        return [self.a, self.b, [list(bend) for bend in self.bends]] if self.bends else [self.a, self.b]

    def times(self, slope: float) -> Rising:
        """Return the map whose log-odds are `slope` times these."""
        bends = tuple((place, more * slope) for place, more in self.bends)
        return Rising(self.a * slope, self.b * slope, bends)

    @classmethod
    def from_json(cls, member: object) -> Rising:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            Another shape, or a map that does not rise.
        """
        if not isinstance(member, list) or len(member) not in (2, 3) or not _numbers(member[:2]):
            raise ValueError(f"{member!r} is not a pair of numbers")
        bends = member[2] if len(member) == 3 else []
        if not isinstance(bends, list) or not all(
            isinstance(bend, list) and len(bend) == 2 and _numbers(bend) for bend in bends
        ):
            raise ValueError(f"{bends!r} is not a list of bends, each a pair of numbers")
        return cls(float(member[0]), float(member[1]), tuple((float(place), float(more)) for place, more in bends))


@dataclass(frozen=True)
class ByKnown:
    """Maps by which of `categories` are known: one for each number of them, or one for each set.

    Of sets, the map at ``sum(2 ** number of each category that is known)`` is that of the set.

    Raises
    ------
    ValueError
        The maps are neither one more than the categories nor one for each set of them.
    """

    categories: tuple[str, ...]
    maps: tuple[Rising, ...]

    def __post_init__(self) -> None:
        counts, sets = len(self.categories) + 1, 2 ** len(self.categories)
        if len(self.maps) not in (counts, sets):
            raise ValueError(
                f"by_known maps: {len(self.maps)} for {len(self.categories)} categories, {counts} or {sets} are needed"
            )

    def place(self, absent: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.intp]:
        """Return the number of each firm's map, shape (n,)."""
        whole = len(self.maps) != len(self.categories) + 1
        weights = [2**number if whole else 1 for number in range(len(self.categories))]
        known = [weight * ~absent[category] for category, weight in zip(self.categories, weights, strict=True)]
        return np.asarray(np.sum(known, axis=0, dtype=np.intp))

    def logit(self, margin: NDArray[np.float64], place: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the calibrated log-odds, shape (n,), of firms whose maps have these numbers."""
        out = np.empty(np.shape(margin))
        for number, rising in enumerate(self.maps):
            here = place == number
            if here.any():
                out[here] = rising.logit(margin[here])
        return out

    def with_level(self, level: float) -> ByKnown:
        """Return the maps with `level` added to every log-odds."""
        return replace(self, maps=tuple(replace(rising, b=rising.b + level) for rising in self.maps))

    def times(self, slope: float) -> ByKnown:
        """Return the maps with every log-odds multiplied by `slope`."""
        return replace(self, maps=tuple(rising.times(slope) for rising in self.maps))

    def to_json(self) -> dict[str, object]:
        """Return its member of `calibration.json`."""
        return {"categories": list(self.categories), "maps": [rising.to_json() for rising in self.maps]}

    @classmethod
    def from_json(cls, members: object) -> ByKnown:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            Another shape, or a map that cannot be used.
        """
        if not isinstance(members, dict) or not all(isinstance(members.get(k), list) for k in ("categories", "maps")):
            raise ValueError("by_known: an object with categories and maps is expected")
        maps = []
        for number, member in enumerate(members["maps"]):
            try:
                maps.append(Rising.from_json(member))
            except ValueError as error:
                raise ValueError(f"by_known maps.{number}: {error}") from error
        return cls(tuple(str(name) for name in members["categories"]), tuple(maps))


def _numbers(values: list[object]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
