"""What would open a product, in words: the steps, what is in the way, and the changed firm. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from creditlink.engine.matching.outcomes import ProductMatch, RuleOutcome

BLOCKED = {
    "fixed": ("无法改变", "cannot be changed"),
    "no_record": ("未取得相关记录", "no record of it was delivered"),
    "worse": ("须朝不利于信用的方向改变", "it would take a change for the worse"),
    "out_of_reach": ("超出同行前十分之一已达到的水平", "beyond what the best tenth of the peers reach"),
    "score": ("可改变的指标全部达到同行前十分之一仍不足", "not reached by all that the firm can act on"),
}
"""Why nothing opens a product, as `reason` in answers."""


@dataclass(frozen=True)
class UnlockStep:
    """One thing to do. `kind`: change (act on it), wait (it takes time), grant (open a category)."""

    kind: str
    subject: str
    before: float | None
    after: float | None
    months: int | None  # until it shows: of waiting, or of the indicator's whole window
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class ChangedFirm:
    """The changed firm, scored and matched again."""

    state: str
    pd_12m: float
    points: int
    grade: str


@dataclass(frozen=True)
class Unlock:
    """What would open a product; `after` is the changed firm, None where nothing opens it."""

    product: str
    version: int
    state: str
    opens: bool
    steps: tuple[UnlockStep, ...] = ()
    blocked: tuple[dict[str, str], ...] = ()
    effort: float | None = None
    after: ChangedFirm | None = None
    text_zh: str = ""
    text_en: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return dict(vars(self)) | {
            "steps": [dict(vars(step)) for step in self.steps],
            "blocked": list(self.blocked),
            "after": None if self.after is None else dict(vars(self.after)),
        }


def block(rule: RuleOutcome, why: str) -> dict[str, str]:
    """Return a rule that is in the way, and why, in words; `why` is a key of `BLOCKED`."""
    zh, en = BLOCKED[why]
    # A rule's own words may say it already.
    joint_zh, joint_en = ("", "") if zh in rule.text_zh else (f"：{zh}", f": {en}")
    return {
        "subject": rule.subject,
        "reason": why,
        "text_zh": rule.text_zh + joint_zh,
        "text_en": rule.text_en + joint_en,
    }


def blocked_texts(match: ProductMatch, blocked: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Return why nothing opens a product, in both languages."""
    return (
        f"「{match.product.name_zh}」目前无法开通：{'；'.join(one['text_zh'] for one in blocked)}",
        f"Nothing in reach opens {match.product.name_en}: {'; '.join(one['text_en'] for one in blocked)}",
    )


def unlock_texts(match: ProductMatch, steps: Sequence[UnlockStep], after: ChangedFirm) -> tuple[str, str]:
    """Return what opens a product and the changed firm's score, in both languages."""
    points, grade = after.points, after.grade
    met = after.state == "eligible"
    last_zh = "全部条件满足" if met else "不再有未通过的条件，其余待授权后判断"
    last_en = "every condition is met" if met else "no condition fails, and the rest is decided once granted"
    todo_zh, todo_en = "；".join(step.text_zh for step in steps), "; ".join(step.text_en for step in steps)
    return (
        f"开通「{match.product.name_zh}」：{todo_zh}。重新评分为{points}分、{grade}级，{last_zh}",
        f"To open {match.product.name_en}: {todo_en}. Scored again: {points} points, grade {grade}; {last_en}",
    )
