"""Two summaries side by side, in the rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from creditlink.consents.agreement.categories import is_known, label_of
from creditlink.decisions.looks.cohorts import UNSCORED, CohortSummary
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.indicator import DIMENSION_LABELS
from creditlink.kit.files.csvexport import csv_of
from creditlink.portal.site import lang

_MOST_INDICATORS = 15
_COLUMNS = ("table", "name", "a", "b")


@dataclass(frozen=True)
class PairedRow:
    """One line: a name, and a number for each side."""

    name: str
    a: float
    b: float
    widest: float  # of the table: what its bars are drawn against

    @property
    def apart(self) -> float:
        """Return the second less the first."""
        return self.b - self.a

    @property
    def bars(self) -> tuple[float, float]:
        """Return the lengths of both bars in hundredths."""
        return round(abs(self.a) / self.widest * 100, 1), round(abs(self.b) / self.widest * 100, 1)


@dataclass(frozen=True)
class ComparedCohorts:
    """All tables of a comparison; shares and not counts, since the two are not of one size."""

    grades: Sequence[PairedRow]
    histogram: Sequence[PairedRow]
    dimensions: Sequence[PairedRow]
    indicators: Sequence[PairedRow]
    missing: Sequence[PairedRow]
    segments: Mapping[str, Sequence[PairedRow]]


def compared(a: CohortSummary, b: CohortSummary, edges: Sequence[float]) -> ComparedCohorts:
    """Return two summaries side by side."""
    grades = [grade for grade in a.grades if grade != UNSCORED or a.grades[grade] or b.grades[grade]]
    bins = [f"{low:.0f} – {high:.0f}" for low, high in pairwise(edges)]
    scored = [max(1, sum(one.histogram)) for one in (a, b)]
    counted = zip(bins, a.histogram, b.histogram, strict=True)
    return ComparedCohorts(
        grades=_rows((grade, a.grades[grade] / a.decisions, b.grades[grade] / b.decisions) for grade in grades),
        histogram=_rows((name, one / scored[0], other / scored[1]) for name, one, other in counted),
        dimensions=_apart(a.dimensions, b.dimensions, _dimension),
        indicators=_apart(a.indicators, b.indicators, _indicator)[:_MOST_INDICATORS],
        missing=_rows(
            (_category(name), a.missing.get(name, 0.0), b.missing.get(name, 0.0))
            for name in sorted({*a.missing, *b.missing})
        ),
        segments={by: _shares(a.segments[by], b.segments[by]) for by in a.segments},
    )


def csv_text(tables: ComparedCohorts, sides: tuple[CohortSummary, CohortSummary]) -> str:
    """Return all tables of a comparison as one CSV: the table, the line, and both numbers as they are."""
    parts = {
        "grades": tables.grades, "points": tables.histogram, "dimensions": tables.dimensions,
        "indicators": tables.indicators, "missing": tables.missing, **tables.segments,
    }  # fmt: skip
    a, b = sides
    lines: list[tuple[str, str, float | None, float | None]] = [
        ("cohort", "decisions", a.decisions, b.decisions),
        ("cohort", "firms", a.firms, b.firms),
        ("cohort", "mean_pd", a.mean_pd, b.mean_pd),
    ]
    lines += [(table, row.name, row.a, row.b) for table, rows in parts.items() for row in rows]
    texts = [(table, name, *("" if value is None else f"{value:g}" for value in pair)) for table, name, *pair in lines]
    return "\ufeff" + csv_of(pl.DataFrame(texts, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row"))


def _rows(rows: Iterable[tuple[str, float, float]]) -> list[PairedRow]:
    listed = list(rows)
    widest = max((abs(value) for _, *pair in listed for value in pair), default=0.0) or 1.0
    return [PairedRow(name, a, b, widest) for name, a, b in listed]


def _apart(a: Mapping[str, float], b: Mapping[str, float], called: Callable[[str], str]) -> list[PairedRow]:
    """Return mean points of both, what lies furthest apart first."""
    rows = [(called(one), a.get(one, 0.0), b.get(one, 0.0)) for one in sorted({*a, *b})]
    return _rows(sorted(rows, key=lambda row: (-abs(row[2] - row[1]), row[0])))


def _shares(a: Mapping[str, int], b: Mapping[str, int]) -> list[PairedRow]:
    totals = [max(1, sum(one.values())) for one in (a, b)]
    names = sorted({*a, *b}, key=lambda name: (-(a.get(name, 0) + b.get(name, 0)), name))
    return _rows((name, a.get(name, 0) / totals[0], b.get(name, 0) / totals[1]) for name in names)


def _dimension(code: str) -> str:
    labels = DIMENSION_LABELS.get(code)
    return code if labels is None else labels[lang() != "zh"]


def _indicator(name: str) -> str:
    known = BY_NAME.get(name)
    return name if known is None else known.label_zh if lang() == "zh" else known.label_en


def _category(name: str) -> str:
    return label_of(name, lang()) if is_known(name) else name
