"""Approval models as they were fitted: the newest is live, every one stays for the profiles it ordered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.kit.processes import runtime
from creditlink.kit.processes.runtime import Memory
from creditlink.products.tables import FittedApproval


class ApprovalModels(Memory[str, ApprovalModel]):
    """Models of the last profiles, by hash."""

    most = 8


def keep(session: Session, model: ApprovalModel, *, now: datetime) -> None:
    """Store a model and make it the live one; the same model again only becomes the newest."""
    stored = session.get(FittedApproval, model.sha256)
    if stored is None:
        session.add(FittedApproval(sha256=model.sha256, model=model.to_dict(), fitted_at=now))
    else:
        stored.fitted_at = now
    session.flush()


def live(session: Session) -> ApprovalModel | None:
    """Return the model that orders products now; None while nothing was learned."""
    newest = select(FittedApproval.sha256).order_by(FittedApproval.fitted_at.desc(), FittedApproval.sha256).limit(1)
    sha256 = session.scalar(newest)
    return None if sha256 is None else by_hash(session, sha256)


def by_hash(session: Session, sha256: str) -> ApprovalModel:
    """Return the model that a profile names.

    Raises
    ------
    LookupError
        It is not stored.
    """

    def read() -> ApprovalModel:
        stored = session.get(FittedApproval, sha256)
        if stored is None:
            raise LookupError(f"approval model {sha256[:16]}… is not stored")
        return ApprovalModel.from_dict(stored.model)

    return runtime.process().get_or_make(ApprovalModels, ApprovalModels).get(sha256, read)
