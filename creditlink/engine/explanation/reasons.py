"""Reason codes: why a score is not higher, and what speaks for the firm.

Source of the practice: at most four principal reasons, specific and true to the model (12 CFR 1002.9
and its commentary; Personal Information Protection Law, art. 24, for sole traders).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.explanation import sentences
from creditlink.engine.explanation.ranking import ReasonBook, gaps_of, gone_of, rank
from creditlink.engine.explanation.sentences import POPULATIONS, Words
from creditlink.engine.explanation.sources import is_of_industry, records_text, sources_of
from creditlink.engine.scoring.model import CreditModel, Scores
from creditlink.engine.scoring.peers import Comparison, size_of
from creditlink.engine.scoring.settings import ReasonSettings
from creditlink.engine.vocabulary import CATEGORIES, EDITION, FIRST_EDITION, NOT_COMPUTABLE, SUPPLIES

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reason:
    """One group of indicators, or the values that a delivered category was too short for, that moves the score.

    `contribution` (log-odds of bad) and `points_contribution` are the group's; `indicator` is its
    member that weighs most, and `value`, `direction` and `comparison` are about that member.
    """

    code: str
    kind: Literal["indicator", "missing"]
    group: str
    category: str
    dimension: str | None
    indicator: str | None
    label_zh: str
    label_en: str
    value: float | None
    unit: str | None
    direction: int
    comparison: Comparison | None
    cause: str | None
    actionable: bool
    contribution: float
    points_contribution: float
    sentence_zh: str
    sentence_en: str

    def to_dict(self) -> dict[str, object]:
        """Return the reason as plain values, for a stored profile."""
        plain = dict(vars(self))
        plain["comparison"] = dict(vars(self.comparison)) if self.comparison else None
        return plain


@dataclass(frozen=True)
class FirmReasons:
    """A firm's reasons, strongest first; what records are too short for comes last."""

    adverse: tuple[Reason, ...]
    strengths: tuple[Reason, ...]


def reasons_for(
    scores: Scores,
    features: pl.DataFrame,
    model: CreditModel,
    book: ReasonBook,
    *,
    settings: ReasonSettings,
    industries: Sequence[str | None],
    missing: Sequence[Mapping[str, str]],
    edition: int = EDITION,
) -> list[FirmReasons]:
    """Return each firm's strongest adverse reasons and strengths.

    Parameters
    ----------
    scores, features
        What `model.score(features)` returned, and its argument.
    book
        `reason_book(model.features, catalogue, settings.groups)`.
    industries
        Per firm: GB/T 4754 code that begins with the section letter (`C26`); None if unknown.
    missing
        Per firm: category or supply -> coverage status, for those of which nothing is known
        (`not_granted`, `no_record`, `source_down`, …), which are no reason. Those delivered are absent or
        `delivered`.
    edition
        Which rules choose the reasons and which words tell them.
    """
    absent = {
        name: np.array([firm.get(name, "delivered") != "delivered" for firm in missing])
        for name in (*book.categories, *SUPPLIES)
    }
    if model.calibration.absence is not None:
        for category, gone in model.calibration.absence.absent(scores.features, scores.x).items():
            absent[category] |= gone
    sizes = sizes_of(features)
    latest = edition > FIRST_EDITION
    gone = gone_of(scores, book, absent, sources=latest)
    by_side: dict[bool, list[tuple[Reason, ...]]] = {}
    for adverse in (True, False):
        ranking = rank(
            scores,
            book,
            limit=settings.limit,
            least_points=settings.least_points,
            least_missing_points=settings.least_missing_points if latest else None,
            adverse=adverse,
            absent=absent,
        )
        by_side[adverse] = [
            tuple(
                _indicator_reason(
                    *(scores, features, model, book, row, int(lead), int(group), float(share)),
                    *(industries[row], sizes[row], edition),
                )
                if lead >= 0
                else _missing_reason(scores, book, gone, row, int(group), float(share), edition)
                for group, lead, share in zip(
                    ranking.group[row], ranking.lead[row], ranking.contribution[row], strict=True
                )
                if group >= 0
            )
            for row in range(len(scores))
        ]
    return [FirmReasons(*both) for both in zip(by_side[True], by_side[False], strict=True)]


def sizes_of(features: pl.DataFrame) -> list[str | None]:
    """Return each firm's size, as far as its sales or staff are known."""
    columns = [features[name] if name in features.columns else None for name in ("sales_12_fen", "headcount")]
    return [size_of(*(None if column is None else column[row] for column in columns)) for row in range(features.height)]


def _indicator_reason(
    scores: Scores,
    features: pl.DataFrame,
    model: CreditModel,
    book: ReasonBook,
    row: int,
    lead: int,
    group: int,
    share: float,
    industry: str | None,
    size: str | None,
    edition: int,
) -> Reason:
    indicator = book.indicators[lead]
    value = float(features[indicator.name][row])
    if edition > FIRST_EDITION and is_of_industry(indicator.name):
        industry = size = None  # firms of one industry have one value
    comparison = model.peers.compare(industry, size, indicator.name, value)
    points = share * scores.points_per_logit
    sentence_zh, sentence_en = sentences.indicator_sentences(
        name=indicator.name,
        labels=(indicator.label_zh, indicator.label_en),
        value=value,
        unit=indicator.unit,
        direction=indicator.direction,
        median=comparison.median if comparison else None,
        peers=comparison.peers if comparison else None,
        points=points,
        population=_population(model) if edition > FIRST_EDITION else None,
        together=edition > FIRST_EDITION and _has_company(scores, book, row, lead, group),
        edition=edition,
    )
    return Reason(
        code=indicator.reason_code,
        kind="indicator",
        group=book.groups[group],
        category=indicator.category,
        dimension=indicator.dimension,
        indicator=indicator.name,
        label_zh=indicator.label_zh,
        label_en=indicator.label_en,
        value=value,
        unit=indicator.unit,
        direction=indicator.direction,
        comparison=comparison,
        cause=None,
        actionable=indicator.actionable,
        contribution=share,
        points_contribution=points,
        sentence_zh=sentence_zh,
        sentence_en=sentence_en,
    )


def _population(model: CreditModel) -> Words | None:
    """Return where the model's peers are at home; None where its manifest does not say."""
    return POPULATIONS.get(str(model.manifest.get("training", {}).get("data", "")))


def _has_company(scores: Scores, book: ReasonBook, row: int, lead: int, group: int) -> bool:
    """Return whether a known indicator of the group, other than the one named, has a part in its contribution."""
    known = (book.group_of == group) & ~np.isnan(scores.x[row]) & (scores.contributions[row] != 0)
    known[lead] = False
    return bool(known.any())


def _missing_reason(
    scores: Scores, book: ReasonBook, gone: Bools, row: int, group: int, share: float, edition: int
) -> Reason:
    number = group - len(book.groups)
    category = book.categories[number]
    points = share * scores.points_per_logit
    if edition > FIRST_EDITION:
        short = gaps_of(scores, book, gone, row, number)
        first = book.indicators[short[0]]
        sentence_zh, sentence_en = sentences.missing_sentences(
            _records_read(scores, book, row, [book.indicators[place].name for place in short], category),
            (first.label_zh, first.label_en),
            len(short) - 1,
            points,
        )
    else:
        sentence_zh, sentence_en = sentences.missing_sentences_1(category, points)
    label_zh, label_en = CATEGORIES[category].records
    return Reason(
        code=sentences.MISSING_CODES[category],
        kind="missing",
        group=f"missing:{category}",
        category=category,
        dimension=None,
        indicator=None,
        label_zh=label_zh,
        label_en=label_en,
        value=None,
        unit=None,
        direction=0,
        comparison=None,
        cause=NOT_COMPUTABLE,
        actionable=False,
        contribution=share,
        points_contribution=points,
        sentence_zh=sentence_zh,
        sentence_en=sentence_en,
    )


def _records_read(
    scores: Scores, book: ReasonBook, row: int, indicators: Sequence[str], category: str
) -> tuple[Words, ...]:
    """Return what the delivered records are called that indicators without a value read."""
    alone = {
        source[0]: features for source, features in zip(book.sources, book.evidence, strict=True) if not source[1:]
    }
    read = [
        records_text(frame)
        for indicator in indicators
        for source in sources_of(indicator)
        for frame in source
        if frame not in alone or not np.isnan(scores.x[row, list(alone[frame])]).all()
    ]
    if read:
        return tuple(dict.fromkeys(read))
    zh, en = CATEGORIES[category].records
    return ((zh, f"{en} records"),)
