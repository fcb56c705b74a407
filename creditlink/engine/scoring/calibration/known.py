"""A calibration by how much is known: the same margin means less where more could have been seen.

Trees add up what each source says as if the others did not say it too, so that a firm with every source gets a margin
that is too extreme, and a firm with one a margin that is too tame. A map for each number of chief sources undoes that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ByKnown:
    """Strictly increasing maps ``a * margin + b``, one for each number of `categories` that are known.

    Raises
    ------
    ValueError
        The maps are not one more than the categories, or one is not increasing.
    """

    categories: tuple[str, ...]
    maps: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.maps) != len(self.categories) + 1:
            raise ValueError(
                f"by_known maps: {len(self.maps)} for {len(self.categories)} categories, one more is needed"
            )
        for number, (a, b) in enumerate(self.maps):
            if not (math.isfinite(a) and math.isfinite(b)) or a <= 0:
                raise ValueError(f"by_known maps.{number}: {a!r}, {b!r}: the first must be above 0, both finite")

    def count(self, absent: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.intp]:
        """Return how many of the categories are known of each firm, shape (n,)."""
        known = [~absent[category] for category in self.categories]
        return np.asarray(np.sum(known, axis=0, dtype=np.intp))

    def logit(self, margin: NDArray[np.float64], known: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the calibrated log-odds, shape (n,)."""
        a, b = np.array(self.maps).T
        return np.asarray(a[known] * margin + b[known])

    def with_level(self, level: float) -> ByKnown:
        """Return the maps with `level` added to every log-odds."""
        return replace(self, maps=tuple((a, b + level) for a, b in self.maps))

    def times(self, slope: float) -> ByKnown:
        """Return the maps with every log-odds multiplied by `slope`."""
        return replace(self, maps=tuple((a * slope, b * slope) for a, b in self.maps))

    def to_json(self) -> dict[str, object]:
        """Return its member of `calibration.json`."""
        return {"categories": list(self.categories), "maps": [list(one) for one in self.maps]}

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
        pairs = []
        for one in members["maps"]:
            numbers = isinstance(one, list) and all(isinstance(v, (int, float)) and v is not True for v in one)
            if not numbers or len(one) != 2:
                raise ValueError(f"by_known maps: {one!r} is not a pair of numbers")
            pairs.append((float(one[0]), float(one[1])))
        return cls(tuple(str(name) for name in members["categories"]), tuple(pairs))
