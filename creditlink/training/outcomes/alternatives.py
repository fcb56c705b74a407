"""The search for a less discriminatory alternative: as good a model that treats segments of firms more alike. Pure.

Candidates are the model itself, the model without one group of indicators, without those in which segments differ most,
with segments weighed alike, and the best two together. Each is fitted on the same folds and judged on firms it did not
see, all at the same share of approvals. An alternative must cost no more AUC than is allowed, and its gain must hold
for firms drawn anew. Whether a difference between segments is a wrong is for people to say: they truly differ in risk.

Source: 12 CFR 1002 (Reg B) comment 6(a)-2, effects test; Kamiran & Calders (2012), reweighing; Feldman et al. (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.training.outcomes.applicants import LEARNED, Applicants
from creditlink.training.outcomes.fitting import OutcomeModel, fit_outcomes
from creditlink.training.validation import metrics

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]

SEGMENT_CUTS: Mapping[str, pl.Expr] = {
    "entity_type": pl.col("entity_type"),
    "region": pl.col("region").str.slice(0, 4),
    "industry": pl.col("industry").str.slice(0, 1),
}
LEAST_ROWS = 100
"""Segments with fewer loans are not compared."""

MOST_UNLIKE = 8
"""Indicators in which segments differ most that one candidate goes without."""

DRAWS, LEVEL = 200, 0.9
CURRENT = "the model"


@dataclass(frozen=True)
class AlternativeFigures:
    """A candidate. `ratio`: the lowest over the highest share of approvals of all segments; 1 is alike.

    `ratio_of_goods` is the same among firms that turned out good. `gain` is the ratio less that of the model, between
    `gain_low` and `gain_high` for firms drawn anew.
    """

    name: str
    without: tuple[str, ...]
    auc: float
    auc_lost: float
    log_loss: float
    ratio: float
    ratio_of_goods: float
    gain: float
    gain_low: float
    gain_high: float
    approvals: Mapping[str, float]  # segment -> share approved

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class AlternativesReport:
    """Every candidate, the model first, and which of them is less discriminatory at no more than the allowed cost."""

    segment: str
    approve_share: float
    most_auc_lost: float
    candidates: tuple[AlternativeFigures, ...]
    found: str | None

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {**asdict(self), "candidates": [one.to_dict() for one in self.candidates]}


def candidates_of(labelled: Applicants, segment: Texts) -> dict[str, tuple[str, ...]]:
    """Return candidate -> indicators that it goes without; the model itself first."""
    dimensions = sorted({BY_NAME[name].dimension for name in LEARNED})
    found: dict[str, tuple[str, ...]] = {CURRENT: ()}
    for dimension in dimensions:
        found[f"without {dimension}"] = tuple(n for n in LEARNED if BY_NAME[n].dimension == dimension)
    found[f"without the {MOST_UNLIKE} most unlike"] = most_unlike(labelled, segment)[:MOST_UNLIKE]
    found["segments weighed alike"] = ()
    return found


def search_alternatives(
    labelled: Applicants,
    by: str,
    *,
    approve_share: float,
    most_auc_lost: float,
    seed: int,
    step: Callable[[str], None] = lambda _: None,
) -> AlternativesReport:
    """Return what the search found.

    Parameters
    ----------
    by : a key of SEGMENT_CUTS
    approve_share : the share of all applicants that each candidate approves, safest first, above 0 and below 1
    step : called with each candidate's name

    Raises
    ------
    OutcomesUnusable
        Too few firms went bad or stayed good.
    ValueError
        Fewer than two segments have LEAST_ROWS loans.
    """
    segment = segments_of(labelled, by)
    compared = compared_of(segment)
    if len(compared) < 2:
        raise ValueError(f"{by}: {len(compared)} segments have {LEAST_ROWS} loans, two are needed to compare")
    plans = candidates_of(labelled, segment)
    scores: dict[str, Floats] = {}
    for name, without in plans.items():
        weight = alike(segment, labelled.is_bad) if name == "segments weighed alike" else None
        scores[name] = _fitted(labelled, without, weight, seed).held_out_logit
        step(name)
    figures = [_judged(name, plans[name], scores, labelled, segment, compared, approve_share, seed) for name in plans]
    gaining = sorted((one for one in figures[1:] if one.without and one.gain > 0), key=lambda one: -one.gain)[:2]
    if len(gaining) == 2:
        name = f"{gaining[0].name}, {gaining[1].name}"
        plans[name] = tuple(dict.fromkeys(gaining[0].without + gaining[1].without))
        scores[name] = _fitted(labelled, plans[name], None, seed).held_out_logit
        figures.append(_judged(name, plans[name], scores, labelled, segment, compared, approve_share, seed))
        step(name)
    fit = [one for one in figures[1:] if one.auc_lost <= most_auc_lost and one.gain_low > 0]
    best = max(fit, key=lambda one: one.gain, default=None)
    return AlternativesReport(by, approve_share, most_auc_lost, tuple(figures), None if best is None else best.name)


def segments_of(labelled: Applicants, by: str) -> Texts:
    """Return the segment of each row, shape (n,)."""
    return np.asarray(labelled.rows.select(SEGMENT_CUTS[by].fill_null("unknown")).to_series().to_list(), dtype=np.str_)


def compared_of(segment: Texts) -> list[str]:
    """Return the segments that are large enough to compare."""
    names, counts = np.unique(segment, return_counts=True)
    return [str(name) for name, count in zip(names, counts, strict=True) if count >= LEAST_ROWS]


def most_unlike(labelled: Applicants, segment: Texts) -> tuple[str, ...]:
    """Return indicators by how far the means of segments lie apart, in standard deviations, the furthest first."""
    apart, compared = {}, compared_of(segment)
    for name in LEARNED:
        values = labelled.rows[name].fill_null(np.nan).to_numpy().astype(np.float64)
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        parts = [values[segment == one] for one in compared]
        means = [float(np.nanmean(part)) for part in parts if np.isfinite(part).any()]
        apart[name] = (max(means) - min(means)) / spread if spread and means else 0.0
    return tuple(sorted(apart, key=lambda name: (-apart[name], name)))


def alike(segment: Texts, is_bad: NDArray[np.int8]) -> Floats:
    """Return weights under which good and bad are spread over segments as if these were alike, shape (n,)."""
    weight = np.ones(len(segment))
    for name in np.unique(segment):
        for kind in (0, 1):
            here = (segment == name) & (is_bad == kind)
            if here.any():
                weight[here] = (segment == name).mean() * (is_bad == kind).mean() / here.mean()
    return weight


def _fitted(labelled: Applicants, without: tuple[str, ...], weight: Floats | None, seed: int) -> OutcomeModel:
    names = tuple(name for name in LEARNED if name not in without)
    return fit_outcomes(
        labelled.features, labelled.is_bad, labelled.firm, seed=seed, weight=weight, names=names, withheld=False
    )


def _judged(
    name: str,
    without: tuple[str, ...],
    scores: Mapping[str, Floats],
    labelled: Applicants,
    segment: Texts,
    compared: list[str],
    share: float,
    seed: int,
) -> AlternativeFigures:
    bad, score = labelled.is_bad, scores[name]
    ones = np.ones(len(bad))
    shares = approvals(score, segment, compared, share, ones)
    rng = np.random.default_rng([seed, 4])
    _, member = np.unique(labelled.firm, return_inverse=True)
    firms = int(member.max()) + 1
    gains = []
    for _ in range(DRAWS):
        weight = np.bincount(rng.integers(0, firms, firms), minlength=firms)[member].astype(np.float64)
        ours, theirs = (ratio(approvals(s, segment, compared, share, weight)) for s in (score, scores[CURRENT]))
        gains.append(ours - theirs)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(gains, [tail, 1 - tail])
    auc, current = metrics.auc(bad, score), metrics.auc(bad, scores[CURRENT])
    goods = (bad == 0).astype(np.float64)
    return AlternativeFigures(
        name=name,
        without=without,
        auc=auc,
        auc_lost=current - auc,
        log_loss=float(np.mean(np.logaddexp(0, score) - bad * score)),
        ratio=ratio(shares),
        ratio_of_goods=ratio(approvals(score, segment, compared, share, ones, counted=goods)),
        gain=ratio(shares) - ratio(approvals(scores[CURRENT], segment, compared, share, ones)),
        gain_low=float(low),
        gain_high=float(high),
        approvals=shares,
    )


def approvals(
    score: Floats, segment: Texts, compared: list[str], share: float, weight: Floats, counted: Floats | None = None
) -> dict[str, float]:
    """Return segment -> share approved, where the safest `share` of all are; rows count by weight, and `counted`."""
    approved = np.zeros(len(score), bool)
    order = np.argsort(score, kind="stable")
    approved[order] = np.cumsum(weight[order]) <= share * weight.sum()
    rows = weight if counted is None else weight * counted
    return {
        one: float((rows * approved)[segment == one].sum() / max(float(rows[segment == one].sum()), 1e-12))
        for one in compared
    }


def ratio(shares: Mapping[str, float]) -> float:
    """Return the lowest share over the highest; 1 where nobody is approved."""
    highest = max(shares.values())
    return min(shares.values()) / highest if highest else 1.0
