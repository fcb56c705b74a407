"""How good a model is where only outcomes are known: with intervals, on rows that it was not fitted to. Pure.

An AUC from a few hundred bads is itself uncertain, so it comes with an interval over firms drawn anew. A bad rate comes
with an exact interval, and each tenth with the two probabilities of Venn–Abers. What needs a true hazard (share of
best, coverage of a firm's own probability) is not here, because nobody knows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import beta

from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.training.fitting.calibrate import fit_calibration
from creditlink.training.outcomes.applicants import SEGMENTS, Applicants
from creditlink.training.outcomes.fitting import OutcomeModel
from creditlink.training.outcomes.venn_abers import venn_abers
from creditlink.training.recalibration.outcomes import AS_OF
from creditlink.training.table.folds import folds_of
from creditlink.training.validation import metrics

Floats = NDArray[np.float64]
Bad = NDArray[np.int8]

LEVEL = 0.9
"""Nominal level of every interval."""

DRAWS = 400
"""Draws of firms behind an interval of the AUC."""

TENTHS, VENN_FOLDS = 10, 5
LEAST_SEGMENT_BADS = 20
"""Segments with fewer bads are told without an AUC."""


class Interval(TypedDict):
    """An estimate, and between which two it lies at LEVEL."""

    value: float
    low: float
    high: float


class TenthFigures(TypedDict):
    """A tenth of the rows by PD: what was said, what happened, and what Venn–Abers makes of it."""

    rows: int
    mean_pd: float
    bad_rate: Interval
    venn_abers_low: float
    venn_abers_high: float


class OutcomeSegment(TypedDict):
    """A part of the firms; z: observed less predicted bad rate in standard errors of chance."""

    by: str
    segment: str
    rows: int
    bads: int
    auc: float | None
    mean_pd: float
    bad_rate: float
    z: float


class QuarterFigures(TypedDict):
    """Applications of one quarter, judged by rows that the model was not fitted to."""

    quarter: str
    rows: int
    bads: int
    auc: float | None
    mean_pd: float
    bad_rate: float


class OutcomeValidation(TypedDict):
    """outcomes.json: everything that is known of how good a model of outcomes is."""

    level: float
    rows: int
    firms: int
    bads: int
    auc: Interval
    ks: float
    brier: float
    brier_of_the_rate: float  # of a model that says the same of everybody
    ece: float
    mean_pd: float
    bad_rate: Interval
    calibration_level: float  # 0 and 1 where PDs are neither too high or low, nor too far apart
    calibration_slope: float
    venn_abers_width: float  # mean of upper less lower
    tenths: list[TenthFigures]
    segments: list[OutcomeSegment]
    quarters: list[QuarterFigures]
    counts: Mapping[str, int]


def validate_outcomes(model: OutcomeModel, labelled: Applicants, *, seed: int = 0) -> OutcomeValidation:
    """Return how good a model is on the rows it was fitted to, each judged by a booster that never saw its firm.

    Parameters
    ----------
    labelled : the rows of the fit, in their order
    """
    bad, firm, logit = labelled.is_bad, labelled.firm, model.held_out_logit
    pd_12m = sigmoid(logit)
    line = fit_calibration(logit, bad)
    low, high = held_out_venn_abers(logit, bad, firm, seed=seed)
    groups = np.array_split(np.argsort(pd_12m, kind="stable"), TENTHS)
    return {
        "level": LEVEL,
        "rows": len(bad),
        "firms": len(np.unique(firm)),
        "bads": int(bad.sum()),
        "auc": auc_interval(bad, pd_12m, firm, seed=seed),
        "ks": metrics.ks(bad, pd_12m),
        "brier": metrics.brier(bad, pd_12m),
        "brier_of_the_rate": float(bad.mean() * (1 - bad.mean())),
        "ece": metrics.ece(bad, pd_12m),
        "mean_pd": float(pd_12m.mean()),
        "bad_rate": rate_interval(int(bad.sum()), len(bad)),
        "calibration_level": line.b,
        "calibration_slope": line.a,
        "venn_abers_width": float((high - low).mean()),
        "tenths": [
            {
                "rows": len(g),
                "mean_pd": float(pd_12m[g].mean()),
                "bad_rate": rate_interval(int(bad[g].sum()), len(g)),
                "venn_abers_low": float(low[g].mean()),
                "venn_abers_high": float(high[g].mean()),
            }
            for g in groups
            if len(g)
        ],
        "segments": list(_segments(labelled, pd_12m)),
        "quarters": list(_quarters(labelled, pd_12m)),
        "counts": dict(labelled.counts),
    }


def rate_interval(bads: int, rows: int) -> Interval:
    """Return the share of bads with its exact interval.

    Source: Clopper & Pearson (1934).
    """
    tail = (1 - LEVEL) / 2
    low = 0.0 if bads == 0 else float(beta.ppf(tail, bads, rows - bads + 1))
    high = 1.0 if bads == rows else float(beta.ppf(1 - tail, bads + 1, rows - bads))
    return {"value": bads / rows, "low": low, "high": high}


def auc_interval(bad: Bad, score: Floats, firm: NDArray[np.int64], *, seed: int = 0) -> Interval:
    """Return the AUC, with the interval over firms drawn anew: rows of one firm are not independent.

    Raises
    ------
    ValueError
        There is no good row or no bad one.

    Source: Efron & Tibshirani (1993), percentiles of the bootstrap over clusters.
    """
    rng = np.random.default_rng([seed, 2])
    _, place = np.unique(firm, return_inverse=True)
    firms = int(place.max()) + 1
    order = np.argsort(score, kind="stable")
    y, members = bad[order].astype(np.float64), place[order]
    _, tie = np.unique(score[order], return_inverse=True)
    drawn = []
    for _ in range(DRAWS):
        weight = np.bincount(rng.integers(0, firms, firms), minlength=firms)[members].astype(np.float64)
        bads, goods = np.bincount(tie, weights=weight * y), np.bincount(tie, weights=weight * (1 - y))
        if bads.sum() and goods.sum():
            below = np.cumsum(goods) - goods / 2
            drawn.append(float((bads * below).sum() / (bads.sum() * goods.sum())))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return {"value": metrics.auc(bad, score), "low": float(low), "high": float(high)}


def held_out_venn_abers(
    score: Floats, bad: Bad, firm: NDArray[np.int64], *, seed: int = 0, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the two probabilities of each row, from the other fifths of the firms; each of shape (n,)."""
    low, high = np.empty(len(bad)), np.empty(len(bad))
    for rest, held in folds_of(bad, firm, VENN_FOLDS, seed):
        rows = None if weight is None else weight[rest]
        low[held], high[held] = venn_abers(score[rest], bad[rest], score[held], weight=rows)
    return low, high


def _segments(labelled: Applicants, pd_12m: Floats) -> Sequence[OutcomeSegment]:
    found: list[OutcomeSegment] = []
    cut = {"entity_type": pl.col("entity_type"), "region": pl.col("region").str.slice(0, 4)}
    cut["industry"] = pl.col("industry").str.slice(0, 1)
    for by in SEGMENTS:
        names = labelled.rows.select(cut[by].fill_null("unknown")).to_series().to_numpy()
        for name in sorted(set(names.tolist())):
            here = names == name
            bad, said = labelled.is_bad[here], pd_12m[here]
            bads, spread = int(bad.sum()), float(np.sqrt((said * (1 - said)).sum()))
            enough = LEAST_SEGMENT_BADS <= bads < len(bad)
            found.append(
                {
                    "by": by,
                    "segment": str(name),
                    "rows": len(bad),
                    "bads": bads,
                    "auc": metrics.auc(bad, said) if enough else None,
                    "mean_pd": float(said.mean()),
                    "bad_rate": float(bad.mean()),
                    "z": float((bad - said).sum() / spread) if spread else 0.0,
                }
            )
    return found


def _quarters(labelled: Applicants, pd_12m: Floats) -> Sequence[QuarterFigures]:
    days = labelled.rows[AS_OF]
    names = (days.dt.year().cast(pl.String) + "Q" + days.dt.quarter().cast(pl.String)).fill_null("unknown").to_numpy()
    found: list[QuarterFigures] = []
    for name in sorted(set(names.tolist())):
        bad, said = labelled.is_bad[names == name], pd_12m[names == name]
        enough = LEAST_SEGMENT_BADS <= int(bad.sum()) < len(bad)
        found.append(
            {
                "quarter": str(name),
                "rows": len(bad),
                "bads": int(bad.sum()),
                "auc": metrics.auc(bad, said) if enough else None,
                "mean_pd": float(said.mean()),
                "bad_rate": float(bad.mean()),
            }
        )
    return found
