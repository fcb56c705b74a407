"""Reject inference: ways to learn about firms that were declined, each with what it takes for granted. Pure.

Nothing but lending to some of them shows what becomes of declined firms; every other way assumes it. `METHODS` says
what each assumes; how far each is off is measured by firms that were declined and lent to by lot (`selection`).

Source: Hsia (1978), augmentation; Crook & Banasik (2004), Does reject inference really improve the performance of
application scoring models?; Siddiqi, Credit Risk Scorecards (2006), parcelling and fuzzy augmentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.training.outcomes.applicants import Applicants
from creditlink.training.outcomes.fitting import OutcomeModel, fit_outcomes

Floats = NDArray[np.float64]

METHODS: dict[str, str] = {
    "approved_only": "nothing: declined firms are left out, and are taken to be like approved ones of the same score",
    "augmentation": "within a tenth of the score, declined firms go bad as often as approved ones; these weigh more",
    "extrapolation": "the model of approved firms is right about declined ones: each counts as good and bad by its PD",
    "parcelling": "within a tenth of the score, declined firms have 1.5 times the odds of going bad of approved ones",
    "by_lot": "nothing: declined firms that were lent to by lot stand for all declined ones",
}
"""Method -> what it takes for granted."""

PRUDENCE = 1.5
"""Odds of bad of declined firms over those of approved ones at the same score. Source: design choice, a guess."""

BANDS = 10
LEAST_SHARE = 0.05
"""Smallest share of approved firms that is divided by: one firm never stands for more than twenty."""


@dataclass(frozen=True, eq=False)
class LearningRows:
    """Rows to fit to: the places of applicants, each with an outcome and a weight; a firm may be there as both."""

    place: NDArray[np.int64]
    is_bad: NDArray[np.int8]
    weight: Floats


def lot_share(applicants: Applicants) -> float:
    """Return the share of declined firms that were lent to by lot and whose outcome is known; 0 where none was."""
    declined = ~applicants.approved
    return float(applicants.drawn.sum() / declined.sum()) if declined.any() else 0.0


def learn(
    applicants: Applicants,
    method: str,
    *,
    seed: int,
    first: OutcomeModel | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[OutcomeModel, LearningRows]:
    """Return a model fitted by a method of METHODS, and the rows it was fitted to.

    Parameters
    ----------
    first : that of `approved_only` where it was fitted already; several methods begin with it

    Raises
    ------
    KeyError
        There is no such method.
    OutcomesUnusable
        Too few firms went bad or stayed good, or `by_lot` has no firm that was lent to by lot.
    """
    rows = learning_rows(applicants, method, seed=seed, first=first)
    features = applicants.features[rows.place]
    model = fit_outcomes(
        features, rows.is_bad, applicants.firm[rows.place], seed=seed, weight=rows.weight, withheld=False, step=step
    )
    return model, rows


def learning_rows(applicants: Applicants, method: str, *, seed: int, first: OutcomeModel | None = None) -> LearningRows:
    """Return the rows that a method fits to; parameters and errors as for `learn`."""
    if method not in METHODS:
        raise KeyError(method)
    own = np.flatnonzero(applicants.known & applicants.approved)
    bad = applicants.is_bad[own]
    if method == "approved_only":
        return LearningRows(own, bad, np.ones(len(own)))
    if method == "by_lot":
        drawn = np.flatnonzero(applicants.drawn)
        share = lot_share(applicants)
        weight = np.concatenate([np.ones(len(own)), np.full(len(drawn), 1 / share if share else 1.0)])
        return LearningRows(np.concatenate([own, drawn]), np.append(bad, applicants.is_bad[drawn]), weight)
    if first is None:
        first, _ = learn(applicants, "approved_only", seed=seed)
    score = first.unseen_logit(applicants.features, applicants.firm)
    band = bands(score)
    if method == "augmentation":
        approved = np.array([np.mean(applicants.approved[band == b]) for b in range(BANDS)])
        return LearningRows(own, bad, 1 / np.maximum(approved[band[own]], LEAST_SHARE))
    declined = np.flatnonzero(~applicants.approved)
    if method == "extrapolation":
        assumed = 1 / (1 + np.exp(-score[declined]))
    else:
        assumed = _prudent(band[declined], band[own], bad)
    place = np.concatenate([own, declined, declined])
    outcome = np.concatenate([bad, np.zeros(len(declined), np.int8), np.ones(len(declined), np.int8)])
    weight = np.concatenate([np.ones(len(own)), 1 - assumed, assumed])
    keep = weight > 0
    return LearningRows(place[keep], outcome[keep], weight[keep])


def bands(score: Floats) -> NDArray[np.int64]:
    """Return which tenth of all applicants each is in by its score, 0 the safest, shape (n,)."""
    ranks = pl.Series(score).rank("ordinal").to_numpy() - 1
    return np.asarray(ranks * BANDS // len(score), dtype=np.int64)


def _prudent(declined: NDArray[np.int64], approved: NDArray[np.int64], bad: NDArray[np.int8]) -> Floats:
    """Return the PD taken for granted of each declined firm: PRUDENCE times the odds of its band's approved firms."""
    overall = float(bad.mean())
    rate = np.empty(BANDS)
    for b in range(BANDS):
        here = bad[approved == b]
        # A tenth with few approved firms leans on all of them, as if twenty of these were in it.
        rate[b] = (here.sum() + 20 * overall) / (len(here) + 20)
    odds = PRUDENCE * rate / (1 - rate)
    return np.asarray((odds / (1 + odds))[declined])
