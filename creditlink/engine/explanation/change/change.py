"""What changed between two profiles of one firm, ready to be told: the split, and a sentence for each part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from creditlink.engine.explanation.change import sentences
from creditlink.engine.explanation.change.split import Split, split_change
from creditlink.engine.explanation.change.states import ScoreBasis, ScoredState
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.vocabulary import CATEGORIES, evidence_of, name_of

Comparison = Literal["split", "not_comparable"]


@dataclass(frozen=True)
class ChangedPart:
    """One part of a change; `points` is None where there is nothing to split."""

    name: str
    label_zh: str
    label_en: str
    points: float | None
    text_zh: str
    text_en: str

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class ChangedIndicator(ChangedPart):
    """One indicator's part, with its value in both profiles."""

    category: str
    unit: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Change:
    """All that changed; `parts` add up to `points`, indicators and categories to their parts, to the last bit."""

    comparison: Comparison
    points: int | None
    text_zh: str
    text_en: str
    grade_zh: str
    grade_en: str
    parts: tuple[ChangedPart, ...] = ()
    indicators: tuple[ChangedIndicator, ...] = ()
    coverage: tuple[ChangedPart, ...] = ()
    model_indicators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return (
            dict(vars(self))
            | {name: [one.to_dict() for one in getattr(self, name)] for name in ("parts", "indicators", "coverage")}
            | {"model_indicators": {name: list(names) for name, names in self.model_indicators.items()}}
        )


def change_between(before: ScoredState, after: ScoredState, bases: tuple[ScoreBasis, ScoreBasis] | None) -> Change:
    """Return what changed from one profile to another of the same firm.

    Parameters
    ----------
    bases : by what each was scored; None is enough where one of them has no score

    Raises
    ------
    NotReproduced, InexactChange
        As for `split_change`.
    ValueError
        Both have a score, and no bases are given.
    """
    if not (before.is_scored and after.is_scored):
        zh, en = sentences.no_split(before.refusal, after.refusal)
        return Change(
            "not_comparable", None, zh, en, "", "",
            indicators=tuple(_indicators(before, after, None)), coverage=tuple(_coverage(before, after, None)),
        )  # fmt: skip
    if bases is None:
        raise ValueError("two scores are compared by what they were scored by")
    split = split_change(before, after, bases)
    grade_zh, grade_en = sentences.grade_change(
        (str(before.grade), str(after.grade)),
        (str(before.grade_by_score), str(after.grade_by_score)),
        split.grade_by_policy,
    )
    return Change(
        "split",
        split.points,
        *sentences.points_change(before.points or 0, after.points or 0),
        grade_zh,
        grade_en,
        parts=tuple(_parts(split, bases)),
        indicators=tuple(_indicators(before, after, split)),
        coverage=tuple(_coverage(before, after, split)),
        model_indicators={"only_before": split.only_before, "only_after": split.only_after},
    )


def _parts(split: Split, bases: tuple[ScoreBasis, ScoreBasis]) -> Iterator[ChangedPart]:
    old, new = bases
    for name, points in split.parts.items():
        effect_zh, effect_en = sentences.effect_words(points)
        text = f"{effect_zh}。", f"This {effect_en}."
        if name == "model" and old.trees != new.trees:
            only = (split.only_before, split.only_after)
            text = sentences.model_change((old.model.model_id, new.model.model_id), only, points)
        elif name == "policy":
            calibration = old.trees == new.trees and old.calibration != new.calibration
            if calibration or old.scale != new.scale:
                text = sentences.policy_change(calibration, old.scale != new.scale, points)
        yield ChangedPart(name, *sentences.LABELS[name], points, *text)


def _indicators(before: ScoredState, after: ScoredState, split: Split | None) -> Iterator[ChangedIndicator]:
    """Yield the indicators that moved points, the most first; without a score those whose value changed."""
    moved: dict[str, float | None] = {}
    if split is not None:
        by_size = sorted((-abs(points), name) for name, points in split.by_indicator.items())
        moved |= {name: split.by_indicator[name] for _, name in by_size}
    else:
        names = [name for name in before.values if name in after.values]
        moved |= dict.fromkeys(name for name in names if before.values[name] != after.values[name])
    for name, points in moved.items():
        indicator, values = BY_NAME.get(name), (before.values.get(name), after.values.get(name))
        if indicator is None:  # read by a model of before, and no longer in the catalogue
            yield ChangedIndicator(name, name, name, points, "", "", "", "", *values)
            continue
        text = sentences.indicator_change(indicator, values, (before.as_of, after.as_of), points)
        yield ChangedIndicator(
            name, indicator.label_zh, indicator.label_en, points, *text, indicator.category, indicator.unit, *values
        )


def _coverage(before: ScoredState, after: ScoredState, split: Split | None) -> Iterator[ChangedPart]:
    """Yield each category of evidence whose coverage changed, in the catalogue's order."""
    statuses: dict[str, dict[str, tuple[str, str]]] = {}
    for category in {**before.status, **after.status}:
        told = before.status.get(category, "not_requested"), after.status.get(category, "not_requested")
        if told[0] != told[1]:
            statuses.setdefault(evidence_of(category), {})[category] = told
    by_coverage: Mapping[str, float] = {} if split is None else split.by_coverage
    for category in CATEGORIES:
        if category in statuses or category in by_coverage:
            name = name_of(category)
            points = None if split is None else by_coverage.get(category, 0.0)
            text = sentences.coverage_change(category, statuses.get(category, {}), points)
            yield ChangedPart(category, name.label_zh, name.label_en, points, *text)
