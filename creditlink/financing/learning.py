"""Learning approval odds from what lenders answered: cases kept without the firm, curves with their calibration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from creditlink.clock import day_of
from creditlink.financing.tables import Application, ApprovalCase, FinancingRequest
from creditlink.products.approval import (
    ApprovalModel,
    Curve,
    expected_calibration_error,
    inputs,
    logit_pd,
)
from creditlink.products.approval_store import keep
from creditlink.products.tables import Product
from creditlink.profiles.tables import Profile

LEAST_ANSWERS = 80
LEAST_OF_EACH = 20
FOLDS = 5
_DIGITS = 3  # significant ones kept of a firm's numbers: enough to learn from, too few to know the firm again


def remember(session: Session, held: Application, profile: Profile | None, *, approved: bool, now: datetime) -> bool:
    """Keep a lender's first answer as a case, if a scored profile stood behind it; return whether it was kept.

    The case names no firm, consent or institution: it outlives the profile's data life, which the firm's data must not.
    """
    if profile is None or profile.pd_12m is None:
        return False
    sales = profile.explanation["indicators"].get("sales_12_fen", (None,))[0]
    add_case(session, held, pd_12m=profile.pd_12m, sales_12_fen=sales, approved=approved, now=now)
    return True


def add_case(
    session: Session, held: Application, *, pd_12m: float, sales_12_fen: float | None, approved: bool, now: datetime
) -> None:
    """Keep one answer with the numbers the lender had before it, rounded."""
    amount = session.get_one(FinancingRequest, held.request_id).amount_fen
    kind = session.scalars(
        select(Product.terms["kind"].as_string()).where(
            Product.code == held.product_code, Product.version == held.product_version
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
    """Return a curve for each kind with enough answers of both sorts; the others are named with their count.

    Calibration is that of five-fold cross-validation: each answer is predicted by a curve that did not see it.
    """
    groups: dict[str, list[ApprovalCase]] = {}
    for case in cases:
        groups.setdefault(case.product_kind, []).append(case)
    curves, too_few = [], {}
    for kind in sorted(groups):
        held = groups[kind]
        yes = sum(case.approved for case in held)
        if len(held) < LEAST_ANSWERS or min(yes, len(held) - yes) < LEAST_OF_EACH:
            too_few[kind] = len(held)
        else:
            curves.append(_curve(kind, held))
    return ApprovalModel(tuple(curves), too_few, fitted_on, LEAST_ANSWERS)


def _curve(kind: str, cases: Sequence[ApprovalCase]) -> Curve:
    x = inputs(
        logit_pd(np.array([case.pd_12m for case in cases])),
        np.array([float(case.amount_fen) for case in cases]),
        np.array([np.nan if case.sales_12_fen is None else case.sales_12_fen for case in cases]),
    )
    y = np.array([case.approved for case in cases], dtype=bool)
    # Few rows and three inputs: exact steps are a hundred times quicker than a general search, and always the same.
    logistic = LogisticRegression(C=10.0, max_iter=1000, solver="newton-cholesky")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    unseen = cross_val_predict(logistic, x, y, cv=folds, method="predict_proba")[:, 1]
    logistic.fit(x, y)
    first, second, third = (float(w) for w in logistic.coef_[0])
    return Curve(
        kind=kind,
        intercept=float(logistic.intercept_[0]),
        weights=(first, second, third),
        answers=len(cases),
        approvals=int(y.sum()),
        auc=round(float(roc_auc_score(y, unseen)), 4),
        brier=round(float(np.mean((unseen - y) ** 2)), 4),
        ece=round(expected_calibration_error(unseen, y), 4),
    )
