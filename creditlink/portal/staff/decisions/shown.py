"""What the page of one decision shows of its record. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast
from uuid import UUID

from creditlink.decisions.record import DecisionRecord
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.indicator import DIMENSION_LABELS
from creditlink.engine.scoring.peers import Comparison
from creditlink.portal.waterfall import WaterfallStep, waterfall
from creditlink.profiles.tables import Profile

_SEEN = 0.1  # points


@dataclass(frozen=True)
class ShownIndicator:
    """One line of the table: an indicator's value and what it moved."""

    name: str
    label_zh: str
    label_en: str
    dimension_zh: str
    dimension_en: str
    unit: str
    value: float | None
    points: float  # rounded to hundredths: what its bar is as long as
    peers: Comparison | None  # None: no peers are known of, or the model of that day is not at hand

    @property
    def moved(self) -> bool:
        """Return whether it moved the points enough to be seen."""
        return abs(self.points) >= _SEEN

    @property
    def value_text(self) -> str:
        """Return the value as the table shows it."""
        return value_text(self.value, self.unit)

    @property
    def median_text(self) -> str:
        """Return the median of the peers as the table shows it."""
        return value_text(None if self.peers is None else self.peers.median, self.unit)


def value_text(value: float | None, unit: str) -> str:
    """Return an indicator's value in words: money in yuan, days and counts whole, ratios to three figures."""
    if value is None:
        return "–"
    if unit == "fen":
        return f"¥{value / 100:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def profile_of(record: DecisionRecord) -> Profile:
    """Return the profile that a record holds, as it was given; it belongs to no session."""
    columns = {column.key for column in Profile.__table__.columns}
    profile = Profile(**{name: value for name, value in record.row.items() if name in columns})
    for name in ("id", "consent_id", "enterprise_id", "institution_id"):
        setattr(profile, name, UUID(str(getattr(profile, name))))
    profile.as_of = date.fromisoformat(str(profile.as_of))
    profile.created_at = datetime.fromisoformat(str(profile.created_at))
    return profile


def indicators(profile: Profile, peers: Mapping[str, Comparison]) -> list[ShownIndicator]:
    """Return every indicator, the one that moved the points most first; none without a score."""
    if profile.state != "scored":
        return []
    found = []
    for name, (value, _contribution, points) in profile.explanation["indicators"].items():
        # A model of an earlier catalogue may read what today's no longer has.
        known = BY_NAME.get(name)
        zh, en = DIMENSION_LABELS[known.dimension] if known else ("", "")
        found.append(
            ShownIndicator(
                name=name,
                label_zh=known.label_zh if known else name,
                label_en=known.label_en if known else name,
                dimension_zh=zh,
                dimension_en=en,
                unit=known.unit if known else "",
                value=value,
                points=round(points, 2),
                peers=peers.get(name),
            )
        )
    return sorted(found, key=lambda one: (-abs(one.points), one.name))


def from_base_to_score(profile: Profile, labels: tuple[str, str, str], *, own: str) -> Sequence[WaterfallStep]:
    """Return the bars from a firm of which nothing is known to this one, a step for each dimension.

    Parameters
    ----------
    labels : of the base, of the calibration's shift, of the score
    own : `zh` or `en`, the language of the dimensions' labels
    """
    if profile.state != "scored":
        return ()
    base, shift, score = labels
    told = profile.explanation
    rows = cast("Sequence[Mapping[str, str | float]]", profile.summary["dimensions"])
    moved = [(str(row[f"label_{own}"]), float(row["points_contribution"])) for row in rows]
    return tuple(
        waterfall(
            (base, float(told["points_base"])),
            [*moved, (shift, float(told["points_calibration"]))],
            (score, float(told["points_exact"])),
        )
    )
