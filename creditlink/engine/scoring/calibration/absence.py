"""What is added to a score where nothing is known of a category, whatever the reason: absence is neutral.

A firm that refused, a source that is down or not connected, and a source without a record leave the same gap in what
the model reads. The shift depends on that gap alone, so no cause can cost or gain points against another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

JOINT = "+"
"""Between the categories of a shift for several that are absent together."""


@dataclass(frozen=True)
class Absence:
    """Shifts of log-odds by what is absent.

    Attributes
    ----------
    evidence
        Category -> the indicators that read it alone: it is absent where none of them has a value.
    shifts
        Category, or several joined by JOINT -> log-odds added where it (or all of them) is absent.
    """

    evidence: Mapping[str, tuple[str, ...]]
    shifts: Mapping[str, float]

    def __post_init__(self) -> None:
        for category, names in self.evidence.items():
            if not names:
                raise ValueError(f"absence evidence.{category}: no indicator")
        for name, shift in self.shifts.items():
            if isinstance(shift, bool) or not isinstance(shift, (int, float)) or not math.isfinite(shift):
                raise ValueError(f"absence shifts.{name}: {shift!r} is not a finite number")
            unknown = set(name.split(JOINT)) - self.evidence.keys()
            if unknown:
                raise ValueError(f"absence shifts.{name}: {sorted(unknown)[0]!r} has no evidence")

    @property
    def reads(self) -> frozenset[str]:
        """Every indicator that decides whether a category is absent."""
        return frozenset(name for names in self.evidence.values() for name in names)

    def absent(self, features: Sequence[str], x: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
        """Return category -> which firms lack it, shape (n,), from what the model reads, (n, k)."""
        place = {name: number for number, name in enumerate(features)}
        absent = {}
        for category, names in self.evidence.items():
            gone = np.ones(len(x), bool)
            for name in names:
                # Only firms of which nothing was found yet are checked again: most are done after one column.
                left = np.flatnonzero(gone)
                if not left.size:
                    break
                gone[left] = np.isnan(x[left, place[name]])
            absent[category] = gone
        return absent

    def shift(self, absent: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
        """Return the log-odds added to each firm's, shape (n,), given what `absent` says."""
        total = np.zeros(len(next(iter(absent.values()))))
        for name, value in self.shifts.items():
            total += value * np.logical_and.reduce([absent[category] for category in name.split(JOINT)])
        return total

    def times(self, slope: float) -> Absence:
        """Return the shifts multiplied by `slope`."""
        return Absence(self.evidence, {name: shift * slope for name, shift in self.shifts.items()})

    def to_json(self) -> dict[str, object]:
        """Return its member of `calibration.json`."""
        return {"evidence": {c: list(names) for c, names in self.evidence.items()}, "shifts": dict(self.shifts)}

    @classmethod
    def from_json(cls, members: object) -> Absence:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            Another shape, or a shift that is not a number or has no evidence.
        """
        if not isinstance(members, dict) or not all(isinstance(members.get(k), dict) for k in ("evidence", "shifts")):
            raise ValueError("absence: an object with evidence and shifts is expected")
        evidence = {c: tuple(str(name) for name in names) for c, names in sorted(members["evidence"].items())}
        return cls(evidence, dict(sorted(members["shifts"].items())))
