"""What changed, in Chinese and English: each value with its month, what came and went, models, policy, the grade."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from creditlink.engine.explanation.sentences import value_text
from creditlink.engine.features.indicator import Indicator
from creditlink.engine.vocabulary import CATEGORIES, missing_words, name_of

Words = tuple[str, str]

LABELS: Mapping[str, Words] = {
    "data": ("数据变化", "Data"),
    "coverage": ("数据范围", "Coverage"),
    "model": ("模型更换", "Model"),
    "policy": ("评分规则", "Policy"),
    "rounding": ("取整", "Rounding"),
}
"""Part of a change -> its name in zh and en."""

_UNKNOWN: Words = ("未知", "not known")


def effect_words(points: float) -> Words:
    """Return what a part did to the points."""
    size = f"{abs(points):.1f}".removesuffix(".0")
    if size == "0":
        return "对评分的影响不足0.1分", "moves the score by less than 0.1 points"
    if points < 0:
        return f"评分因此减少{size}分", f"costs {size} points"
    return f"评分因此增加{size}分", f"adds {size} points"


def indicator_change(
    indicator: Indicator, values: tuple[float | None, float | None], days: tuple[date, date], points: float | None
) -> Words:
    """Return what is said of one indicator: the old value and the new, each with its period, and its effect.

    Parameters
    ----------
    days : the days whose knowledge counted, of the earlier and the later profile
    points : None where nothing can be said of points
    """
    (old_zh, old_en), (new_zh, new_en) = (_value(indicator, value) for value in values)
    (then_zh, then_en), (now_zh, now_en) = (_period(indicator.window, day) for day in days)
    if points is None:
        return (
            f"{indicator.label_zh}由{old_zh}（{then_zh}）变为{new_zh}（{now_zh}）。",
            f"{indicator.label_en}: from {old_en} ({then_en}) to {new_en} ({now_en}).",
        )
    zh, en = effect_words(points)
    if values[0] == values[1]:
        return (
            f"{indicator.label_zh}仍为{new_zh}（{now_zh}），但其他指标变化使其影响改变，{zh}。",
            f"{indicator.label_en}: still {new_en} ({now_en}), but it counts differently beside what else changed; "
            f"this {en}.",
        )
    return (
        f"{indicator.label_zh}由{old_zh}（{then_zh}）变为{new_zh}（{now_zh}），{zh}。",
        f"{indicator.label_en}: from {old_en} ({then_en}) to {new_en} ({now_en}); this {en}.",
    )


def _value(indicator: Indicator, value: float | None) -> Words:
    return _UNKNOWN if value is None else value_text(indicator.name, value, indicator.unit)


def _period(window: int, as_of: date) -> Words:
    """Return the months that an indicator of a profile of `as_of` looks back on, or the day of a state."""
    if not window:
        return f"截至{as_of}", f"on {as_of}"
    last = as_of.year * 12 + as_of.month - 2
    month = f"{last // 12}-{last % 12 + 1:02d}"
    return f"截至{month}的{window}个月", f"{window} months to {month}" if window > 1 else f"month {month}"


def coverage_change(category: str, statuses: Mapping[str, tuple[str, str]], points: float | None) -> Words:
    """Return what is said of a category of evidence of which records came or went.

    Parameters
    ----------
    statuses : category of consent -> its coverage status before and after
    points : None where nothing can be said of points
    """
    told = [(name_of(c), _status(then), _status(now)) for c, (then, now) in statuses.items()]
    zh = "；".join(f"{name.label_zh}：{then[0]} → {now[0]}" for name, then, now in told)
    en = "; ".join(f"{name.label_en}: {then[1]} → {now[1]}" for name, then, now in told)
    zh, en = (
        zh or f"{CATEGORIES[category].label_zh}：可用的指标有变",
        en or f"{CATEGORIES[category].label_en}: what is known of it changed",
    )
    if points is None:
        return f"{zh}。", f"{en}."
    effect = effect_words(points)
    return f"{zh}；{effect[0]}。", f"{en}; this {effect[1]}."


def _status(status: str) -> Words:
    return ("已取得", "delivered") if status == "delivered" else missing_words(status)


def model_change(models: tuple[str, str], only: tuple[tuple[str, ...], tuple[str, ...]], points: float) -> Words:
    """Return what is said of another model; `only` are indicators that just one of the two reads."""
    zh, en = effect_words(points)
    text_zh, text_en = f"评分模型由{models[0]}更换为{models[1]}", f"The model changed from {models[0]} to {models[1]}"
    if only[1]:
        text_zh, text_en = (
            f"{text_zh}，新增{len(only[1])}项指标",
            f"{text_en}, which reads {len(only[1])} more indicators",
        )
    if only[0]:
        text_zh, text_en = f"{text_zh}，不再使用{len(only[0])}项指标", f"{text_en}; {len(only[0])} are no longer read"
    return f"{text_zh}，{zh}。", f"{text_en}; this {en}."


def policy_change(calibration: bool, scale: bool, points: float) -> Words:
    """Return what is said of other rules of the score: the calibration of the same trees, or the scale."""
    zh, en = effect_words(points)
    what = [("校准", "the calibration")] if calibration else []
    what += [("评分刻度或等级界限", "the scale or its grade bands")] if scale else []
    return (
        f"{'、'.join(one for one, _ in what)}有调整，{zh}。",
        f"Changed: {' and '.join(one for _, one in what)}; this {en}.",
    )


def points_change(before: int, after: int) -> Words:
    """Return what is said of the score as a whole."""
    if before == after:
        return f"评分仍为{after}分。", f"The score is still {after} points."
    return f"评分由{before}分变为{after}分。", f"The score went from {before} to {after} points."


def grade_change(grades: tuple[str, str], by_score: tuple[str, str], by_policy: str) -> Words:
    """Return why a grade is another, or the same.

    Parameters
    ----------
    grades, by_score : as given, and as the PD alone would have it, before and after
    by_policy : what the later profile would have by the earlier policy
    """
    old, new = grades
    head = (
        (f"等级由{old}变为{new}", f"The grade went from {old} to {new}")
        if old != new
        else (f"等级仍为{new}", f"The grade is still {new}")
    )
    why = []
    if by_score[1] != new:
        why.append(
            (
                f"仅按评分应为{by_score[1]}，因必需数据未取得而受限",
                f"by the score alone it would be {by_score[1]}; a required category that was not delivered caps it",
            )
        )
    if by_score[0] != old:
        why.append(
            (
                f"此前仅按评分应为{by_score[0]}，曾受限",
                f"before, by the score alone, it would have been {by_score[0]}, and was capped",
            )
        )
    if by_policy != by_score[1]:
        why.append((f"按原评分规则应为{by_policy}", f"by the earlier policy it would be {by_policy}"))
    if not why and old != new:
        why.append(("因评分变化", "because of the score"))
    return ("；".join([head[0], *(one for one, _ in why)]) + "。", "; ".join([head[1], *(one for _, one in why)]) + ".")


def no_split(before: Words | None, after: Words | None) -> Words:
    """Return why there are no points to compare: one of the two profiles, or both, had no score."""
    if before is not None and after is not None:
        return f"两次均未评分：{after[0]}", f"Neither profile has a score. {after[1]}"
    if before is not None:
        return (
            f"此前未评分，本次已评分。此前原因：{before[0]}",
            f"Before there was no score, now there is one. Then: {before[1]}",
        )
    why = after or _UNKNOWN
    return f"此前已评分，本次未评分：{why[0]}", f"Before there was a score, now there is none. {why[1]}"
