"""Learning approval odds from what lenders answered: cases kept without the firm, curves with their calibration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from creditlink.engine.matching.offers.approval import (
    GENERAL,
    ApprovalModel,
    Curve,
    expected_calibration_error,
    inputs,
    logit_pd,
)
from creditlink.financing.tables import Application, ApprovalCase, FinancingRequest
from creditlink.kit.clock import day_of
from creditlink.products.approval_store import keep
from creditlink.products.tables import Product
from creditlink.profiles.tables import Profile

LEAST_ANSWERS = 80
LEAST_OF_EACH = 20
FOLDS = 5
_POOLING = 0.5
"""How freely a kind departs from all others: with the ridge's C of 10, its shift has a standard deviation of 1.6."""
_DIGITS = 3  # significant ones kept of a firm's numbers: enough to learn from, too few to know the firm again


def remember(
    session: Session, application: Application, profile: Profile | None, *, approved: bool, now: datetime
) -> bool:
    """Keep a lender's first answer as a case, if a scored profile stood behind it; return whether it was kept.

    The case names no firm, consent or institution: it outlives the profile's data life, which the firm's data must not.
    """
    if profile is None or profile.pd_12m is None:
        return False
    sales = profile.explanation["indicators"].get("sales_12_fen", (None,))[0]
    add_case(session, application, pd_12m=profile.pd_12m, sales_12_fen=sales, approved=approved, now=now)
    return True


def add_case(
    session: Session,
    application: Application,
    *,
    pd_12m: float,
    sales_12_fen: float | None,
    approved: bool,
    now: datetime,
) -> None:
    """Keep one answer with the numbers the lender had before it, rounded."""
    amount = session.get_one(FinancingRequest, application.request_id).amount_fen
    kind = session.scalars(
        select(Product.terms["kind"].as_string()).where(
            Product.code == application.product_code, Product.version == application.product_version
        )
    ).first()
    if kind is None:
        return
    case = case_of(
        kind=kind, pd_12m=pd_12m, amount_fen=amount, sales_12_fen=sales_12_fen, approved=approved, answered_at=now
    )
    # The API's role may add cases and read none, so nothing may be returned: not even the new row's number.
    values = {
        column.name: getattr(case, column.name) for column in ApprovalCase.__table__.columns if column.name != "id"
    }
    session.execute(insert(ApprovalCase).inline().values(values))


def case_of(
    *, kind: str, pd_12m: float, amount_fen: int, sales_12_fen: float | None, approved: bool, answered_at: datetime
) -> ApprovalCase:
    """Return one answer as it is kept: rounded, and with no more of the day than its month."""
    return ApprovalCase(
        product_kind=kind,
        pd_12m=_rounded(pd_12m),
        amount_fen=int(_rounded(float(amount_fen))),
        sales_12_fen=None if sales_12_fen is None else int(_rounded(sales_12_fen)),
        approved=approved,
        answered_on=day_of(answered_at).replace(day=1),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def learn(session: Session, *, now: datetime) -> ApprovalModel:
    """Fit the curves to every case and make them the live ones."""
    model = fit(
        session.scalars(select(ApprovalCase).order_by(ApprovalCase.id)).all(), fitted_on=day_of(now).isoformat()
    )
    keep(session, model, now=now)
    return model


def fit(cases: Sequence[ApprovalCase], *, fitted_on: str) -> ApprovalModel:
    """Return a curve for each kind with enough answers of both sorts, and one for all others together.

    One logistic regression: slopes are shared, each kind has a shift of its own that is drawn towards none (partial
    pooling), so that kinds with few answers and with many are on one scale and can be ordered beside each other. Kinds
    without a curve of their own are named with their count. With too few answers in all there is no curve.

    Calibration is that of five-fold cross-validation: each answer is predicted by a fit that did not see it.

    Source: Gelman & Hill (2007), Data Analysis Using Regression and Multilevel Models, chapter 12.
    """
    kinds = sorted({case.product_kind for case in cases})
    answers = {kind: sum(case.product_kind == kind for case in cases) for kind in kinds}
    y = np.array([case.approved for case in cases], dtype=bool)
    if not _enough(y):
        return ApprovalModel((), None, answers, fitted_on, LEAST_ANSWERS)
    known = inputs(
        logit_pd(np.array([case.pd_12m for case in cases])),
        np.array([float(case.amount_fen) for case in cases]),
        np.array([np.nan if case.sales_12_fen is None else case.sales_12_fen for case in cases]),
    )
    of_kind = np.array([[case.product_kind == kind for kind in kinds] for case in cases])
    x = np.hstack([known, _POOLING * of_kind])
    # Few rows and few inputs: exact steps are a hundred times quicker than a general search, and always the same.
    # Imported by whoever fits: an API process never does, and needs none of scikit-learn.
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    logistic = LogisticRegression(C=10.0, max_iter=1000, solver="newton-cholesky")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    unseen = cross_val_predict(logistic, x, y, cv=folds, method="predict_proba")[:, 1]
    logistic.fit(x, y)
    first, second, third, *shifts = (float(w) for w in logistic.coef_[0])
    base = float(logistic.intercept_[0])

    def curve(kind: str, intercept: float, rows: NDArray[np.bool_]) -> Curve:
        return _curve(kind, intercept, (first, second, third), unseen[rows], y[rows])

    own = [k for k in range(len(kinds)) if _enough(y[of_kind[:, k]])]
    return ApprovalModel(
        tuple(curve(kinds[k], base + _POOLING * shifts[k], of_kind[:, k]) for k in own),
        curve(GENERAL, base, np.ones(len(y), dtype=bool)),
        {kind: count for k, (kind, count) in enumerate(answers.items()) if k not in own},
        fitted_on,
        LEAST_ANSWERS,
    )


def _enough(approved: NDArray[np.bool_]) -> bool:
    yes = int(approved.sum())
    return len(approved) >= LEAST_ANSWERS and min(yes, len(approved) - yes) >= LEAST_OF_EACH


def _curve(
    kind: str,
    intercept: float,
    weights: tuple[float, float, float],
    unseen: NDArray[np.float64],
    approved: NDArray[np.bool_],
) -> Curve:
    from sklearn.metrics import roc_auc_score

    return Curve(
        kind=kind,
        intercept=intercept,
        weights=weights,
        answers=len(approved),
        approvals=int(approved.sum()),
        auc=round(float(roc_auc_score(approved, unseen)), 4),
        brier=round(float(np.mean((unseen - approved) ** 2)), 4),
        ece=round(expected_calibration_error(unseen, approved), 4),
    )
