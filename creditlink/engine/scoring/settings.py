"""The thresholds of `config/score.toml`, checked; the process that starts reads the file itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from creditlink.engine.scoring.scale import Scale
from creditlink.engine.vocabulary import GRADES, SUPPLIES


class ScoreSettingError(ValueError):
    """A line of `score.toml` is absent or wrong; the message names it and its value."""


@dataclass(frozen=True)
class FactRule:
    """One fact apart from the score: an indicator's bound, or values of a registration column."""

    code: str
    label_zh: str
    label_en: str
    category: str = "registration"
    indicator: str | None = None
    at_least: float = -math.inf
    registration: str | None = None
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """An indicator that shows, when known and at least so much, that a category's record is long enough.

    `supply` is the utility that it reads, `months` what a refusal says that its record lacks, where that is not what it
    says of the others.
    """

    category: str
    indicator: str
    at_least: float = -math.inf
    supply: str | None = None
    months: int | None = None


@dataclass(frozen=True)
class ScorableSettings:
    """A firm is scored when any of `evidence` is there.

    A refusal names `least_months` of record, of the last `within_months`.
    """

    least_months: int
    evidence: tuple[Evidence, ...]
    within_months: int = 24


@dataclass(frozen=True)
class ReasonSettings:
    """How many reasons at most, from how many points on, and which indicators are one reason."""

    limit: int = 4
    least_points: float = 1.0
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least_missing_points: float = 5.0  # that missing values must cost to be a reason


@dataclass(frozen=True)
class PartialSettings:
    """How good a grade may be without a required category: by category, for any other, and never worse than `floor`.

    `code` and labels are the reason of human review that such a profile carries.
    """

    code: str = "H02"
    label_zh: str = "必需的数据未取得，须人工复核"
    label_en: str = "A required category was not delivered: a person must review the decision"
    otherwise: str = "B"
    floor: str = "D"
    best_grade: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ContradictedSettings:
    """The reason of human review where an office contradicts what the firm uploaded itself."""

    code: str = "H03"
    label_zh: str = "企业上传的数据与主管机关的数据不一致，须人工复核"
    label_en: str = "An office contradicts what the firm uploaded: a person must review the decision"


@dataclass(frozen=True)
class ScoreSettings:
    """All of `score.toml`."""

    scale: Scale
    reasons: ReasonSettings
    scorable: ScorableSettings
    knockouts: tuple[FactRule, ...]
    human_review: tuple[FactRule, ...]
    partial: PartialSettings = field(default_factory=PartialSettings)
    contradicted: ContradictedSettings = field(default_factory=ContradictedSettings)


def parse(values: Mapping[str, object]) -> ScoreSettings:
    """Return the settings of a parsed `score.toml`.

    Raises
    ------
    ScoreSettingError
        A line is missing, of the wrong type, out of range, or a code appears twice.
    """
    rules = {name: tuple(_rule(name, row) for row in _rows(values, name)) for name in ("knockouts", "human_review")}
    partial = _partial(_table(values, "partial"))
    contradicted = _contradicted(_table(values, "contradicted"))
    codes = [partial.code, contradicted.code, *(rule.code for rule in (*rules["knockouts"], *rules["human_review"]))]
    for code in codes:
        if codes.count(code) > 1:
            raise ScoreSettingError(f"code: {code!r} is given to two rules")
    return ScoreSettings(
        scale=_scale(values),
        reasons=_reasons(_table(values, "reasons")),
        scorable=_scorable(_table(values, "scorable")),
        knockouts=rules["knockouts"],
        human_review=rules["human_review"],
        partial=partial,
        contradicted=contradicted,
    )


def _table(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = values.get(name)
    if not isinstance(table, Mapping):
        raise ScoreSettingError(f"{name}: a table is expected, got {table!r}")
    return table


def _rows(values: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    rows = values.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ScoreSettingError(f"{name}: a list of tables is expected, got {rows!r}")
    return rows


def _number(table: Mapping[str, object], where: str, name: str, above: float, most: float = math.inf) -> float:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not above < value <= most:
        raise ScoreSettingError(f"{where}.{name}: a number above {above:g} is expected, got {value!r}")
    return float(value)


def _whole(table: Mapping[str, object], where: str, name: str, least: int) -> int:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ScoreSettingError(f"{where}.{name}: a whole number of at least {least} is expected, got {value!r}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) and text for text in value):
        raise ScoreSettingError(f"{where}: a list of names is expected, got {value!r}")
    return tuple(value)


def _text(table: Mapping[str, object], where: str, name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise ScoreSettingError(f"{where}.{name}: a text is expected, got {value!r}")
    return value


def _scale(values: Mapping[str, object]) -> Scale:
    points = _table(values, "points")
    rows = _rows(values, "grades")
    if [row.get("grade") for row in rows] != list(GRADES):
        raise ScoreSettingError(f"grades: {', '.join(GRADES)} are expected in this order")
    bounds: list[float] = []
    for row in rows:
        bounds.append(_number(row, f"grades.{row['grade']}", "pd_below", bounds[-1] if bounds else 0.0, 1.0))
    if bounds[-1] != 1.0:
        raise ScoreSettingError(f"grades.E.pd_below: 1.0 is expected, got {bounds[-1]!r}")
    return Scale(
        offset=_number(points, "points", "offset", 0.0),
        points_to_double=_number(points, "points", "points_to_double", 0.0),
        odds_at_offset=_number(points, "points", "odds_at_offset", 0.0),
        pd_bounds=tuple(bounds[:-1]),
    )


def _reasons(table: Mapping[str, object]) -> ReasonSettings:
    groups = {name: _texts(row, f"reasons.groups.{name}") for name, row in _table(table, "groups").items()}
    members = [member for row in groups.values() for member in row]
    for member in members:
        if members.count(member) > 1:
            raise ScoreSettingError(f"reasons.groups: {member!r} is in two groups")
    return ReasonSettings(
        _whole(table, "reasons", "limit", 1),
        _number(table, "reasons", "least_points", -1e-9),
        groups,
        _number(table, "reasons", "least_missing_points", -1e-9),
    )


def _scorable(table: Mapping[str, object]) -> ScorableSettings:
    rows = _rows(table, "evidence")
    if not rows:
        raise ScoreSettingError("scorable.evidence: at least one row is expected")
    evidence = []
    for number, row in enumerate(rows):
        where = f"scorable.evidence.{number}"
        bound = _number(row, where, "at_least", -math.inf) if "at_least" in row else -math.inf
        supply = _text(row, where, "supply") if "supply" in row else None
        if supply is not None and supply not in SUPPLIES:
            raise ScoreSettingError(f"{where}.supply: one of {', '.join(SUPPLIES)} is expected, got {supply!r}")
        months = _whole(row, where, "months", 1) if "months" in row else None
        category, indicator = _text(row, where, "category"), _text(row, where, "indicator")
        evidence.append(Evidence(category, indicator, bound, supply, months))
    least, within = (_whole(table, "scorable", name, 1) for name in ("least_months", "within_months"))
    return ScorableSettings(least, tuple(evidence), within)


def _partial(table: Mapping[str, object]) -> PartialSettings:
    caps = _table(table, "best_grade")
    named = {"otherwise": table.get("otherwise"), "floor": table.get("floor")}
    named |= {f"best_grade.{category}": grade for category, grade in caps.items()}
    for name, grade in named.items():
        if grade not in GRADES:
            raise ScoreSettingError(f"partial.{name}: one of {', '.join(GRADES)} is expected, got {grade!r}")
    return PartialSettings(
        code=_code("partial", table),
        label_zh=_text(table, "partial", "label_zh"),
        label_en=_text(table, "partial", "label_en"),
        otherwise=str(table["otherwise"]),
        floor=str(table["floor"]),
        best_grade={category: str(grade) for category, grade in caps.items()},
    )


def _contradicted(table: Mapping[str, object]) -> ContradictedSettings:
    return ContradictedSettings(
        code=_code("contradicted", table),
        label_zh=_text(table, "contradicted", "label_zh"),
        label_en=_text(table, "contradicted", "label_en"),
    )


def _code(name: str, row: Mapping[str, object]) -> str:
    code = row.get("code")
    if not isinstance(code, str) or not re.fullmatch(r"[HK]\d\d", code):
        raise ScoreSettingError(f"{name}.code: a code like K01 is expected, got {code!r}")
    return code


def _rule(name: str, row: Mapping[str, object]) -> FactRule:
    code = _code(name, row)
    where = f"{name}.{code}"
    labels = _text(row, where, "label_zh"), _text(row, where, "label_en")
    if ("indicator" in row) == ("registration" in row):
        raise ScoreSettingError(f"{where}: either indicator or registration is expected")
    if "indicator" in row:
        return FactRule(
            code,
            *labels,
            category=_text(row, where, "category"),
            indicator=_text(row, where, "indicator"),
            at_least=_number(row, where, "at_least", -math.inf),
        )
    one_of = _texts(row.get("one_of"), f"{where}.one_of")
    return FactRule(code, *labels, registration=_text(row, where, "registration"), one_of=one_of)
