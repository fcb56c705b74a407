"""What rules can be about, and the firms' values under those names.

A subject is `profile.<field>`, `registration.<column>` or `indicator.<name>`. The first two are declared
here; indicators come from the catalogue the caller passes in, so that this slice knows their names, units
and categories without knowing how they are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.supplies import consent_categories
from creditlink.engine.vocabulary import GRADES_BY_RANK, is_opened

Change = Literal["action", "time", "age", "never"]
"""Whether a firm can act on it, must wait, grows into it month by month, or cannot change it."""
Form = Literal["number", "grade", "code", "prefix"]


class IndicatorInfo(Protocol):
    """The part of an indicator's declaration that rules and their wording need."""

    @property
    def name(self) -> str:
        """Name without the `indicator.` prefix."""
        ...

    @property
    def label_zh(self) -> str:
        """Label in Chinese."""
        ...

    @property
    def label_en(self) -> str:
        """Label in English."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Consent categories it cannot be computed without."""
        ...

    @property
    def actionable(self) -> bool:
        """Whether a firm can act on it."""
        ...

    @property
    def unit(self) -> str:
        """Unit of its value."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing a rule can be about.

    `categories` are the consent categories without which it is unknown, `utility` where any supply will do; none for
    what is always there.
    """

    name: str
    label_zh: str
    label_en: str
    unit: str
    categories: tuple[str, ...] = ()
    form: Form = "number"
    change: Change = "action"


_DECLARED = (
    Subject("profile.grade", "信用等级", "credit grade", "grade", form="grade"),
    Subject("profile.pd_12m", "12个月违约概率", "12-month probability of default", "ratio"),
    Subject("profile.points", "信用分", "credit points", "points"),
    Subject("registration.industry", "行业", "industry", "code", form="prefix", change="never"),
    Subject("registration.region", "注册地区", "region", "code", form="prefix", change="never"),
    Subject("registration.entity_type", "主体类型", "entity type", "code", form="code", change="never"),
    Subject("registration.status", "登记状态", "registration status", "code", form="code"),
    Subject("registration.age_months", "成立时间", "time since registration", "months", change="age"),
    Subject("registration.registered_capital_fen", "注册资本", "registered capital", "fen"),
    Subject("registration.paid_in_capital_fen", "实缴资本", "paid-in capital", "fen"),
    Subject(
        "registration.linked_struck_off",
        "与被吊销企业关联",
        "link to a struck-off firm",
        "flag",
        change="never",
    ),
)

# A rank is shown by its letter.
_UNITS_OF = {"taxpayer_grade": "tax_grade"}


def known_subjects(indicators: Iterable[IndicatorInfo] | Mapping[str, IndicatorInfo]) -> dict[str, Subject]:
    """Return every subject a rule may name, by name: the declared ones and one for each indicator."""
    declared = indicators.values() if isinstance(indicators, Mapping) else indicators
    subjects = {subject.name: subject for subject in _DECLARED}
    for one in declared:
        name = f"indicator.{one.name}"
        unit = _UNITS_OF.get(one.name, one.unit)
        change: Change = "action" if one.actionable else "time"
        subjects[name] = Subject(
            name, one.label_zh, one.label_en, unit, consent_categories(one.name, one.categories), change=change
        )
    return subjects


@dataclass(frozen=True)
class TextColumn:
    """A text per firm as codes into its distinct values, shape (n_firms,); -1 is unknown."""

    codes: NDArray[np.int32]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Subjects:
    """Firms as the rules see them.

    `numbers` holds float64 columns of shape (n_firms,) by subject name with NaN for unknown; `texts` holds
    text columns. A subject without a column is unknown for every firm. `granted` are the consent categories
    these firms opened; None: all of them.
    """

    firms: NDArray[np.int32]
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, TextColumn]
    granted: frozenset[str] | None = None

    def __len__(self) -> int:
        return len(self.firms)

    def number(self, name: str) -> NDArray[np.float64]:
        """Return a number column, all NaN when there is none."""
        column = self.numbers.get(name)
        return np.full(len(self), np.nan) if column is None else column

    def text(self, name: str) -> TextColumn:
        """Return a text column, all unknown when there is none."""
        return self.texts.get(name) or TextColumn(np.full(len(self), -1, dtype=np.int32), ())

    def slice(self, rows: slice) -> Subjects:
        """Return some of the firms, as views of the same columns."""
        return Subjects(
            self.firms[rows],
            {name: column[rows] for name, column in self.numbers.items()},
            {name: TextColumn(column.codes[rows], column.values) for name, column in self.texts.items()},
            self.granted,
        )

    def take(self, i: int) -> Subjects:
        """Return one firm.

        Raises
        ------
        IndexError
            There is no firm at position `i`.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"no firm at position {i} of {len(self)}")
        return self if len(self) == 1 else self.slice(slice(i, i + 1))

    def is_granted(self, category: str) -> bool:
        """Return whether these firms opened a category, of consent or of evidence; what is public is open."""
        return self.granted is None or is_opened(category, self.granted)


def subjects_of(
    *,
    registration: pl.DataFrame,
    features: pl.DataFrame,
    pd_12m: NDArray[np.float64],
    points: NDArray[np.float64] | NDArray[np.int64],
    grade: Sequence[str | None] | NDArray[np.str_],
    as_of: date,
    granted: frozenset[str] | None = None,
) -> Subjects:
    """Return the firms of one partition as subjects, in the order of `features`.

    Parameters
    ----------
    registration : frame of `FRAME_SCHEMAS["registration"]`, one row per firm.
    features : frame with `firm` and one Float64 column per indicator, null where missing, n rows.
    pd_12m, points, grade : the scores, each of shape (n,), in the order of `features`; NaN and None for a
        firm that is not scored.
    as_of : day that the profile describes; firm ages are whole months before it.
    granted : consent categories that these firms opened; None: all.

    Raises
    ------
    ValueError
        The scores have another length than `features`, a firm of `features` has no registration, or a
        grade is not one of `GRADES_BY_RANK`.
    """
    n = features.height
    for name, column in (("pd_12m", pd_12m), ("points", points), ("grade", grade)):
        if len(column) != n:
            raise ValueError(f"{name} has {len(column)} values for {n} firms")
    firms = features["firm"]
    known = features.select("firm").join(registration, on="firm", how="left", maintain_order="left")
    # Only a row without both can be one that the join did not find; it may also be a registration with little in it.
    bare = known.filter(pl.col("established_on").is_null() & pl.col("industry").is_null())
    if absent := bare.join(registration, on="firm", how="anti")["firm"].to_list():
        raise ValueError(f"firm {absent[0]} has no registration")
    numbers = {
        "profile.pd_12m": np.asarray(pd_12m, dtype=np.float64),
        "profile.points": np.asarray(points, dtype=np.float64),
        "profile.grade": _ranks(grade),
        "registration.age_months": _age_months(known["established_on"], as_of),
    }
    for name in ("registered_capital_fen", "paid_in_capital_fen", "linked_struck_off"):
        numbers[f"registration.{name}"] = _floats(known[name])
    indicators = [name for name in features.columns if name != "firm"]
    if n <= _FEW:
        block = features.select(indicators).to_numpy().astype(np.float64)
        numbers |= {f"indicator.{name}": block[:, k] for k, name in enumerate(indicators)}
    else:
        numbers |= {f"indicator.{name}": _floats(features[name]) for name in indicators}
    texts = {f"registration.{name}": coded(known[name]) for name in ("industry", "region", "entity_type", "status")}
    return Subjects(firms.to_numpy().astype(np.int32), numbers, texts, granted)


_FEW = 1000
"""Up to here a loop over values costs less than one over polars' expressions, each of which costs by itself."""


def _ranks(grade: Sequence[str | None] | NDArray[np.str_]) -> NDArray[np.float64]:
    ranks: dict[str | None, float] = {name: float(rank) for rank, name in enumerate(GRADES_BY_RANK)} | {
        None: float("nan")
    }
    grades = pl.Series("grade", grade, dtype=pl.String)
    distinct = {None if text is None else str(text) for text in (grade if len(grade) <= _FEW else grades.unique())}
    if strange := distinct - set(ranks):
        raise ValueError(f"grade {min(str(text) for text in strange)!r} is not one of {', '.join(GRADES_BY_RANK)}")
    if len(grade) <= _FEW:
        return np.array([ranks[None if text is None else str(text)] for text in grade], dtype=np.float64)
    return _floats(grades.replace_strict(ranks, return_dtype=pl.Float64))


def _age_months(established_on: pl.Series, as_of: date) -> NDArray[np.float64]:
    """Return whole months from registration to `as_of`, NaN where the day is not known."""
    days = established_on.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = ~np.isnan(days)
    day = np.where(known, days, 0.0).astype(np.int64).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    day_of_month = (day - month).astype(np.int64) + 1
    months = (np.datetime64(as_of, "M") - month).astype(np.int64) - (day_of_month > as_of.day)
    return np.where(known, months.astype(np.float64), np.nan)


def _floats(column: pl.Series) -> NDArray[np.float64]:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def coded(column: pl.Series) -> TextColumn:
    """Return a text column as codes into its distinct values, in order."""
    if column.len() <= _FEW:
        texts = column.to_list()
        places = {text: k for k, text in enumerate(sorted({text for text in texts if text is not None}))}
        return TextColumn(np.array([places.get(text, -1) for text in texts], dtype=np.int32), tuple(places))
    values = tuple(column.drop_nulls().unique().sort().to_list())
    codes = column.cast(pl.Enum(values)).to_physical().cast(pl.Int32).fill_null(-1)
    return TextColumn(codes.to_numpy(), values)
