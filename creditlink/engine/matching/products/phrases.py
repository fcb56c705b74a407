"""Rules, gaps and what unlocks a product, in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence

from creditlink.engine.matching.products.subjects import Subject
from creditlink.engine.matching.products.terms import Operator, Rule
from creditlink.engine.vocabulary import REGISTRATION_LABELS, TAXPAYER_GRADES, name_of

_REQUIRED_ZH: dict[Operator, str] = {
    ">=": "须不低于{0}",
    "<=": "须不高于{0}",
    ">": "须高于{0}",
    "<": "须低于{0}",
    "==": "须为{0}",
    "between": "须在{0}至{1}之间",
    "in": "须属于{0}",
    "not_in": "不得属于{0}",
    "at_least_grade": "须达到{0}级及以上",
}
_REQUIRED_EN: dict[Operator, str] = {
    ">=": "must be at least {0}",
    "<=": "must be at most {0}",
    ">": "must be above {0}",
    "<": "must be below {0}",
    "==": "must be {0}",
    "between": "must be between {0} and {1}",
    "in": "must be one of {0}",
    "not_in": "must not be one of {0}",
    "at_least_grade": "must be {0} or better",
}

_UNITS: dict[str, tuple[str, str]] = {
    "months": ("个月", " months"),
    "days": ("天", " days"),
    "count": ("次", ""),
    "people": ("人", " people"),
    "points": ("分", " points"),
    "score": ("分", ""),
    "kg": ("千克", " kg"),
    "grade": ("级", " grades"),
}


def value_zh(value: float | str, unit: str) -> str:
    """Return an observed value or a limit in Chinese, with its unit."""
    return _value(value, unit, 0)


def value_en(value: float | str, unit: str) -> str:
    """Return an observed value or a limit in English, with its unit."""
    return _value(value, unit, 1)


def _value(value: float | str, unit: str, language: int) -> str:
    if isinstance(value, str):
        return REGISTRATION_LABELS.get(value, (value, value))[language]
    match unit:
        case "fen":
            return _money(value, language)
        case "ratio":
            return f"{_trimmed(value * 100)}%"
        case "tax_grade":
            return TAXPAYER_GRADES[round(value) - 1] if 1 <= value <= len(TAXPAYER_GRADES) else _trimmed(value)
        case "flag":
            return (("否", "no"), ("是", "yes"))[bool(value)][language]
        case _:
            return _trimmed(value) + _UNITS.get(unit, ("", ""))[language]


def _money(fen: float, language: int) -> str:
    yuan = fen / 100
    if language == 1:
        return f"¥{yuan:,.0f}" if abs(yuan) >= 1 or yuan == 0 else f"¥{yuan:.2f}"
    return f"{_trimmed(yuan / 10_000)}万元" if abs(yuan) >= 10_000 else f"{_trimmed(yuan)}元"


def _trimmed(value: float) -> str:
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".")


def rule_texts(rule: Rule, about: Subject) -> tuple[str, str]:
    """Return what a rule requires, in zh and en: `信用分须不低于600分`, `credit points must be at least 600 points`."""
    limits = rule.limit if isinstance(rule.limit, tuple) else (rule.limit,)
    shown_zh = [value_zh(limit, about.unit) for limit in limits]
    shown_en = [value_en(limit, about.unit) for limit in limits]
    if rule.operator in ("in", "not_in"):
        shown_zh, shown_en = ["、".join(shown_zh)], [", ".join(shown_en)]
    operator: Operator = rule.operator
    if about.unit == "tax_grade" and operator == "<=":
        operator = "at_least_grade"  # 1 is the best
    return (
        about.label_zh + _REQUIRED_ZH[operator].format(*shown_zh),
        f"{about.label_en} {_REQUIRED_EN[operator].format(*shown_en)}",
    )


def outcome_texts(
    rule: Rule,
    about: Subject,
    outcome: str,
    observed: float | str | None,
    gap: float | None,
    grant: Sequence[str],
) -> tuple[str, str]:
    """Return one rule's outcome on one firm as a sentence in zh and en.

    Parameters
    ----------
    outcome : pass, fail or unknown.
    gap : signed distance to passing in the subject's unit; None where there is none.
    grant : categories that would decide an unknown rule; none when they are granted without a record.
    """
    zh, en = rule_texts(rule, about)
    if outcome == "unknown" or observed is None:
        if grant:
            return (
                f"{zh}；授权{categories_zh(grant)}数据后可判断",
                f"{en}; grant {categories_en(grant)} to have it decided",
            )
        # Whatever the cause: no record at the source, an outage, or a source that was not asked.
        return f"{zh}；未取得相关记录，无法判断", f"{en}; no record was delivered to decide it by"
    zh, en = f"{zh}，目前为{value_zh(observed, about.unit)}", f"{en}, now {value_en(observed, about.unit)}"
    if outcome == "pass":
        return zh, en
    if about.change == "never" or (about.change == "age" and gap is not None and gap < 0):
        return f"{zh}，无法改变", f"{en}, which cannot be changed"
    if gap is None or about.unit in ("flag", "tax_grade"):
        return zh, en
    size_zh, size_en = value_zh(abs(gap), about.unit), value_en(abs(gap), about.unit)
    if about.change == "age":
        return f"{zh}，{size_zh}后满足", f"{en}; met in {size_en}"
    if gap > 0:
        return f"{zh}，还差{size_zh}", f"{en}: {size_en} short"
    return f"{zh}，超出{size_zh}", f"{en}: {size_en} too much"


def categories_zh(categories: Sequence[str]) -> str:
    """Return categories in Chinese, quoted."""
    return "、".join(f"「{name_of(name).noun_zh}」" for name in categories)


def categories_en(categories: Sequence[str]) -> str:
    """Return categories in English, with their codes for the consent request."""
    return ", ".join(f"{name_of(name).noun_en} ({name})" for name in categories)


def unlock_zh(failing: Sequence[str], grant: Sequence[str]) -> str:
    """Return what would unlock a product, in Chinese: its failing rules' sentences, and what to grant."""
    steps = [*failing, *([f"授权{categories_zh(grant)}数据"] if grant else [])]
    return "；".join(steps)


def unlock_en(failing: Sequence[str], grant: Sequence[str]) -> str:
    """Return what would unlock a product, in English."""
    steps = [*failing, *([f"grant {categories_en(grant)}"] if grant else [])]
    return "; ".join(steps)
