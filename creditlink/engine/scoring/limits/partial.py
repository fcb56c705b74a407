"""A profile without a category that the bank calls required: how good its grade may be at most. Pure.

PD and points follow from the rest of the records and stay as they are. A grade promises more: that everything the
lender needs to know was examined. Where it was not, the grade is no better than `config/score.toml` allows, the
profile says so, and a person must review it. docs/adr/0033-partial-profiles-by-name.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from creditlink.engine.scoring.settings import PartialSettings
from creditlink.engine.vocabulary import GRADES, evidence_of, missing_words, name_of


@dataclass(frozen=True)
class Partial:
    """What a profile lacks, category -> why, and the best grade that it may therefore have."""

    missing: Mapping[str, str]
    best_grade: str
    settings: PartialSettings

    def capped(self, grade: str) -> str:
        """Return the grade, or the best one allowed where that is worse."""
        return max(grade, self.best_grade, key=GRADES.index)

    def to_dict(self, by_score: str | None) -> dict[str, object]:
        """Return it as plain values, for a stored profile; `by_score` is the grade that the PD alone would have."""
        zh = "、".join(f"{name_of(c).noun_zh}（{missing_words(cause)[0]}）" for c, cause in self.missing.items())
        en = ", ".join(f"{name_of(c).adjective_en} ({missing_words(cause)[1]})" for c, cause in self.missing.items())
        return {
            "missing": dict(self.missing),
            "best_grade": self.best_grade,
            "grade_by_score": by_score,
            "text_zh": f"必需的数据未取得：{zh}；等级最高为{self.best_grade}，须人工复核。",
            "text_en": f"A required category was not delivered: {en}. The grade is {self.best_grade} at best, "
            "and a person must review it.",
        }

    def review(self) -> list[dict[str, object]]:
        """Return why a person must review it, in the form of the other reasons for human review."""
        return [
            {
                "code": self.settings.code,
                "category": category,
                "subject": f"coverage.{category}",
                "observed": cause,
                "label_zh": self.settings.label_zh,
                "label_en": self.settings.label_en,
            }
            for category, cause in self.missing.items()
        ]


def partial_of(missing: Mapping[str, str], settings: PartialSettings) -> Partial | None:
    """Return what lacking the required categories `missing` (category -> why) means; None where none is missing.

    The strictest of their caps applies, and one grade less for each further category, but never less than the floor.
    Several supplies are one category of evidence.
    """
    if not missing:
        return None
    lost = {evidence_of(category) for category in missing}
    strictest = max(GRADES.index(settings.best_grade.get(category, settings.otherwise)) for category in lost)
    worst = max(strictest, GRADES.index(settings.floor))
    place = min(strictest + len(lost) - 1, worst)
    return Partial(dict(sorted(missing.items())), GRADES[place], settings)
