"""A model's quality by segment: predictions against outcomes, and how often intervals cover the truth. Pure."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.scores import Scores
from creditlink.engine.vocabulary import GRADES
from creditlink.training.validation import metrics
from creditlink.training.validation.document import SegmentFigures, SegmentQuality

Floats = NDArray[np.float64]

LEAST_FIRMS, LEAST_BADS = 50, 10
"""Smaller segments are not reported; nor is the AUC with fewer bads."""

SEGMENT_BINS = 5


def segments(rows: pl.DataFrame, registration: pl.DataFrame, as_of: date, scores: Scores) -> list[SegmentFigures]:
    """Return quality, parity, reliability and interval coverage per segment.

    Parameters
    ----------
    rows : `firm, is_bad, hazard_12m, headcount` of n firms
    registration : of at least these firms
    scores : of the same firms, in the same order
    """
    labelled = labels(rows, registration, as_of).with_columns(pl.Series("grade", scores.grade, dtype=pl.String))
    bad, hazard, pd_12m = rows["is_bad"].to_numpy(), rows["hazard_12m"].to_numpy(), scores.pd_12m
    within = covered(scores, hazard)
    out: list[SegmentFigures] = []
    for by in labelled.columns:
        values = labelled[by].fill_null("unknown").to_numpy()
        for label in GRADES if by == "grade" else sorted(set(values)):
            in_it = values == label
            if in_it.sum() < LEAST_FIRMS:
                continue
            quality = _quality(bad[in_it], pd_12m[in_it])
            coverage = None if within is None else float(within[in_it].mean())
            true = float(hazard[in_it].mean())
            out.append(
                {
                    "by": by,
                    "segment": str(label),
                    **quality,
                    "mean_hazard": true,
                    "hazard_over_pd": true / quality["mean_pd"],
                    "interval_coverage": coverage,
                }
            )
    return out


def covered(scores: Scores, hazard: Floats) -> NDArray[np.bool_] | None:
    """Return which true hazards are within their intervals, shape (n,); None where the model has none."""
    if scores.pd_low is None or scores.pd_high is None:
        return None
    within: NDArray[np.bool_] = (scores.pd_low <= hazard) & (hazard <= scores.pd_high)
    return within


def labels(rows: pl.DataFrame, registration: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return one text column a way of cutting the firms: region, industry, entity type, size, age."""
    known = rows.select("firm", "headcount").join(registration, on="firm", how="left", maintain_order="left")
    years = (pl.lit(as_of) - pl.col("established_on")).dt.total_days() / 365.25
    heads = pl.col("headcount")
    return known.select(
        region=pl.col("region").str.slice(0, 4),
        industry=pl.col("industry").str.slice(0, 1),
        entity_type=pl.col("entity_type"),
        size=pl.when(heads.is_null()).then(pl.lit("unknown")).when(heads < 10).then(pl.lit("1-9"))
        .when(heads < 50).then(pl.lit("10-49")).otherwise(pl.lit("50+")),
        age=pl.when(years.is_null()).then(pl.lit("unknown")).when(years < 3).then(pl.lit("0-2 years"))
        .when(years < 8).then(pl.lit("3-7 years")).otherwise(pl.lit("8+ years")),
    )  # fmt: skip


def _quality(bad: NDArray[np.int8], pd_12m: Floats) -> SegmentQuality:
    firms, bads = len(bad), int(bad.sum())
    expected, happened = float(pd_12m.mean()), float(bad.mean())
    # Binomial error of the observed rate: parity is judged against what chance alone would do.
    error = float(np.sqrt((pd_12m * (1 - pd_12m)).sum())) / firms
    return {
        "firms": firms,
        "bads": bads,
        "auc": metrics.auc(bad, pd_12m) if LEAST_BADS <= bads < firms else None,
        "mean_pd": expected,
        "bad_rate": happened,
        "z": (happened - expected) / error if error else 0.0,
        "reliability": metrics.reliability(bad, pd_12m, SEGMENT_BINS),
    }
