"""Approval odds learned from lenders' answers, by kind of product. Pure.

A logistic curve per kind over three published inputs: the firm's log-odds of bad, the amount asked for against a year's
sales, and whether those sales are known. No institution's name, code or id is an input. A kind with too few answers has
no curve of its own and uses the general one, so that all odds are on one scale; with too few answers in all there is
none, and every product keeps the published appetite rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.products.subjects import Subjects

Floats = NDArray[np.float64]

INPUTS = ("logit_pd", "log_amount_to_sales", "sales_unknown")
SALES = "indicator.sales_12_fen"
GENERAL = "(all)"
_LEAST_SALES_FEN = 1_000_000.0
_PD_BOUNDS = (1e-6, 1 - 1e-6)


@dataclass(frozen=True, slots=True)
class Curve:
    """One kind's curve, and how well it predicts answers that it was not fitted to (cross-validation)."""

    kind: str
    intercept: float
    weights: tuple[float, float, float]  # in the order of `INPUTS`
    answers: int
    approvals: int
    auc: float | None
    brier: float
    ece: float


@dataclass(frozen=True)
class ApprovalModel:
    """The curves of one moment, and the kinds that have none because too few answers are known."""

    curves: tuple[Curve, ...]
    general: Curve | None  # for kinds without one of their own; None: too few answers in all
    too_few: Mapping[str, int]  # kind -> answers so far
    fitted_on: str
    least_answers: int
    inputs: tuple[str, ...] = field(default=INPUTS)

    def to_dict(self) -> dict[str, object]:
        """Return the model as published and stored."""
        members: dict[str, object] = json.loads(json.dumps(asdict(self)))
        return members

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ApprovalModel:
        """Return the model that `to_dict` wrote."""
        general = raw.get("general")  # models of earlier versions have none
        curves = tuple(_curve_from(one) for one in raw["curves"])
        return cls(
            curves=curves,
            general=None if general is None else _curve_from(general),
            too_few=dict(raw["too_few"]),
            fitted_on=raw["fitted_on"],
            least_answers=raw["least_answers"],
            inputs=tuple(raw["inputs"]),
        )

    @cached_property
    def sha256(self) -> str:
        """The hash by which a profile names the model that ordered its products."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def odds(self, book: ProductBook, subjects: Subjects, ask: Ask) -> Floats:
        """Return approval probabilities, shape (n_products, n_firms); NaN where there is no curve.

        Where the firm asks for no amount, each product's smallest counts.
        """
        odds = np.full((len(book), len(subjects)), np.nan)
        if not len(book):
            return odds
        logit = logit_pd(subjects.number("profile.pd_12m"))
        sales = subjects.number(SALES)
        by_kind = {curve.kind: curve for curve in self.curves}
        for p, terms in enumerate(book.products):
            curve = by_kind.get(terms.kind, self.general)
            if curve is None:
                continue
            amount = float(ask.amount_fen or terms.amount_min_fen)
            x = inputs(logit, np.full(len(subjects), amount), sales)
            odds[p] = sigmoid(x @ np.array(curve.weights) + curve.intercept)
        return odds


def _curve_from(raw: Mapping[str, Any]) -> Curve:
    return Curve(**{**raw, "weights": tuple(raw["weights"])})


def inputs(logit: Floats, amount_fen: Floats, sales_fen: Floats) -> Floats:
    """Return the inputs of the curves, shape (n, 3), as `INPUTS`; unknown sales are an input, not a guess."""
    unknown = np.isnan(sales_fen)
    sales = np.maximum(np.where(unknown, amount_fen, sales_fen), _LEAST_SALES_FEN)
    ratio = np.where(unknown, 0.0, np.log(np.maximum(amount_fen, 1.0) / sales))
    return np.column_stack([logit, ratio, unknown.astype(np.float64)])


def logit_pd(pd_12m: Floats) -> Floats:
    """Return log-odds of bad."""
    bounded = np.clip(pd_12m, *_PD_BOUNDS)
    logit: Floats = np.log(bounded / (1 - bounded))
    return logit


def sigmoid(z: Floats) -> Floats:
    """Return the logistic function."""
    p: Floats = 1 / (1 + np.exp(-np.clip(z, -40, 40)))
    return p


def expected_calibration_error(p: Floats, approved: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the mean distance of predicted and observed shares over groups of equal size, weighted by size."""
    order = np.argsort(p, kind="stable")
    parts: Sequence[NDArray[np.intp]] = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(p[part].mean() - approved[part].mean()) * len(part) for part in parts) / max(len(p), 1))
