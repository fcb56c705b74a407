"""Which act follows from what was found. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from creditlink.watch.rules.drift import DriftFinding
from creditlink.watch.rules.reference import GRADE, POINTS
from creditlink.watch.rules.settings import ACTS, WatchAct, WatchSettings


@dataclass(frozen=True)
class WatchCause:
    """Why something is done: the series that moved, the strongest first, and which act they ask for."""

    act: WatchAct
    series: tuple[str, ...]


def cause_of(
    findings: Mapping[str, DriftFinding], *, used: Collection[str], contradicted: Sequence[str], settings: WatchSettings
) -> WatchCause | None:
    """Return what the findings of a day ask for; None: nothing moved.

    Parameters
    ----------
    findings : series -> what was found of it, all firms or a part of them
    used : indicators that the model's score depends on; of the others a shift is told and changes nothing
    contradicted : measures of calibration that outcomes contradict
    """
    moved = [name for name, one in findings.items() if one.level in ("moved", "shifted")]
    if not moved and not contradicted:
        return None
    shifted = [name for name in moved if findings[name].level == "shifted"]
    asked: list[tuple[WatchAct, list[str]]] = [("alert", moved)]
    # The score moves with any one of them; a part of the firms that shifted is told, and decides for nobody else.
    if scores := [name for name in (POINTS, GRADE) if name in shifted]:
        asked.append((settings.score, scores))
    indicators = [name for name in shifted if name in used]
    if len(indicators) >= settings.indicators_from:
        asked.append((settings.indicators, indicators))
    if contradicted:
        asked.append((settings.calibration, list(contradicted)))
    act = max((act for act, _ in asked), key=ACTS.index)
    named = {name for one, series in asked if one == act for name in series}
    strongest = sorted(named, key=lambda name: (-findings[name].index if name in findings else 0.0, name))
    return WatchCause(act, tuple(strongest))
