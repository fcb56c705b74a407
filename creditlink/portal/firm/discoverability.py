"""Whether banks may count the firm among those that their products are for: explained, off until the firm says so."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit.tables import AuditEntry
from creditlink.enterprises.discoverability import ACTION, set_discoverable
from creditlink.enterprises.service import represented_by
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.portal.firm import acts
from creditlink.portal.firm.firms import chosen_with_right, firms_of
from creditlink.portal.person import stepup
from creditlink.portal.site import blueprint, page, see_other, signed_in


@blueprint.get("/counted")
@signed_in
def counted(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Explain what being counted means, and show whether the firm is."""
    firm, right = chosen_with_right(
        session, represented_by(session, account, now), flask.request.args.get("enterprise")
    )
    return _show(session, account, firm, right, now)


@blueprint.post("/counted")
@signed_in
def change_counted(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Let banks count the firm, which its legal representative confirms, or stop that, which anybody for it may do."""
    form = flask.request.form
    firm, right = chosen_with_right(session, represented_by(session, account, now), form.get("enterprise", ""))
    wanted = form.get("discoverable")
    if wanted not in ("on", "off"):
        raise InvalidRequest
    if wanted == "on":
        if right.role != "legal_representative":
            raise NotFound
        missing = stepup.missing(session, account, form, now)
        if missing:
            return _show(session, account, firm, right, now, error=missing.text, status=missing.status)
        if not acts.carry_out(session, account, firm, "count", {"discoverable": True}, now):
            return see_other(flask.url_for("portal.inbox"))
    else:
        set_discoverable(session, firm, False, actor=f"account:{account.id}", now=now)
    return see_other(flask.url_for("portal.counted", enterprise=firm.id))


def _show(
    session: Session,
    account: Account,
    firm: Enterprise,
    right: Representation,
    now: datetime,
    *,
    error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    changed = session.scalar(
        select(AuditEntry.at)
        .where(AuditEntry.chain_id == firm.id, AuditEntry.action == ACTION)
        .order_by(AuditEntry.seq.desc())
        .limit(1)
    )
    return page(
        "firm/counted.html",
        status=status,
        error=error,
        firm=firm,
        firms=firms_of(session, account, now),
        changed_at=changed,
        leads=right.role == "legal_representative",
        ask_code=stepup.needs_code(account, now),
    )
