"""The report of selection: what is known of declined firms, what is only assumed, and how far each method is off. Pure.

*Known*: who was declined, how unlike the approved they are, and between which bounds the bad rate of all applicants
must lie. *Assumed*: the bad rate of the declined that each method implies. *Measured*: only where declined firms were
lent to by lot; their outcomes judge each method on firms that it did not learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.training.outcomes.applicants import Applicants
from creditlink.training.outcomes.inference import BANDS, METHODS, bands, learn, lot_share
from creditlink.training.outcomes.validation import Interval, rate_interval
from creditlink.training.validation import metrics

Floats = NDArray[np.float64]

LEAST_BY_LOT = 30
"""Declined firms lent to by lot that a measurement needs; with fewer, methods are told apart by chance."""


class BandFigures(TypedDict):
    """A tenth of the applicants by score: how many were approved, and how approved ones fared."""

    applicants: int
    approved: int
    bad_rate_of_approved: float | None


class KnownFigures(TypedDict):
    """What is known without any assumption."""

    applicants: int
    approved: int
    labelled: int
    by_lot: int
    bad_rate_of_approved: float
    bad_rate_at_least: float  # of all applicants, were every unknown one good
    bad_rate_at_most: float  # … and were every one bad
    psi_of_score: float  # declined against approved
    bands: list[BandFigures]
    bad_rate_by_lot: Interval | None  # of declined firms that were lent to by lot


class MethodFigures(TypedDict):
    """A method: what it assumes, the bad rate of the declined it implies, and how far it is off.

    Measured by lot, None with too few: `gap_of_declined` is the mean PD less the bad rate of the declined, with the
    standard error of chance; AUC and Brier are those of all applicants, declined ones by those who were drawn. With the
    truth, in a simulation: the same gap and the ECE against true hazards of all applicants, and the expected AUC.
    """

    method: str
    assumes: str
    learned_from: int
    implied_bad_rate_of_declined: float
    gap_of_declined: float | None
    error_of_gap: float | None
    auc: float | None
    brier: float | None
    true_gap_of_declined: float | None
    true_ece: float | None
    true_auc: float | None


class SelectionReport(TypedDict):
    """The whole report."""

    known: KnownFigures
    methods: list[MethodFigures]


def selection_report(
    applicants: Applicants,
    *,
    seed: int,
    hazard: Floats | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> SelectionReport:
    """Return the report of selection.

    Parameters
    ----------
    hazard : the true probabilities, shape (n,), in a simulation; None: nobody knows
    step : called with each method's name

    Raises
    ------
    OutcomesUnusable
        Too few approved firms went bad or stayed good.
    """
    usable = [name for name in METHODS if name != "by_lot" or lot_share(applicants) > 0]
    methods, first, score = [], None, None
    for method in usable:
        model, rows = learn(applicants, method, seed=seed, first=first)
        pd_12m = sigmoid(model.unseen_logit(applicants.features, applicants.firm))
        first = model if first is None else first
        score = pd_12m if score is None else score
        methods.append(_method(applicants, method, pd_12m, len(rows.place), hazard))
        step(method)
    assert score is not None  # noqa: S101 (the first method always is)
    return {"known": _known(applicants, score), "methods": methods}


def _known(applicants: Applicants, score: Floats) -> KnownFigures:
    approved, known, bad, drawn = applicants.approved, applicants.known, applicants.is_bad, applicants.drawn
    n, own = len(known), approved & known
    bads = int(bad[known].sum())
    band = bands(score)
    return {
        "applicants": n,
        "approved": int(approved.sum()),
        "labelled": int(known.sum()),
        "by_lot": int(drawn.sum()),
        "bad_rate_of_approved": float(bad[own].mean()),
        "bad_rate_at_least": bads / n,
        "bad_rate_at_most": (bads + n - int(known.sum())) / n,
        "psi_of_score": metrics.psi(score[approved], score[~approved]) if not approved.all() else 0.0,
        "bands": [
            {
                "applicants": int((band == b).sum()),
                "approved": int((approved & (band == b)).sum()),
                "bad_rate_of_approved": float(bad[own & (band == b)].mean()) if (own & (band == b)).any() else None,
            }
            for b in range(BANDS)
        ],
        "bad_rate_by_lot": rate_interval(int(bad[drawn].sum()), int(drawn.sum())) if drawn.any() else None,
    }


def _method(
    applicants: Applicants, method: str, pd_12m: Floats, learned_from: int, hazard: Floats | None
) -> MethodFigures:
    declined, drawn, bad = ~applicants.approved, applicants.drawn, applicants.is_bad
    share = lot_share(applicants)
    judged = applicants.known & (applicants.approved | drawn)
    weight = np.where(drawn, 1 / share if share else 1.0, 1.0)[judged]
    enough = int(drawn.sum()) >= LEAST_BY_LOT
    said = pd_12m[drawn]
    return {
        "method": method,
        "assumes": METHODS[method],
        "learned_from": learned_from,
        "implied_bad_rate_of_declined": float(pd_12m[declined].mean()) if declined.any() else 0.0,
        "gap_of_declined": float(said.mean() - bad[drawn].mean()) if enough else None,
        "error_of_gap": float(np.sqrt((said * (1 - said)).sum()) / len(said)) if enough else None,
        "auc": float(roc_auc_score(bad[judged], pd_12m[judged], sample_weight=weight)) if enough else None,
        "brier": float(np.average((pd_12m - bad)[judged] ** 2, weights=weight)) if enough else None,
        "true_gap_of_declined": None if hazard is None else float((pd_12m - hazard)[declined].mean()),
        "true_ece": None if hazard is None else metrics.ece(hazard, pd_12m),
        "true_auc": None if hazard is None else metrics.expected_auc(hazard, pd_12m),
    }
