"""An address for notices that operators give to a person who has none, such as one who cannot sign in any more.

It takes two of them, and the approver sees the address that the proposer wrote. Where the person has an address of that
kind, only they change it: whoever holds it is told and keeps it. Password links go there from then on; the second
factor stays what it was (record 0073).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.messages import service
from creditlink.messages.kinds import is_address
from creditlink.staff.actor import StaffActor
from creditlink.staff.acts import KINDS, ActKind, propose
from creditlink.staff.tables import StaffAct

KIND = "account.address"


def propose_address(
    session: Session, login: str, channel: str, address: str, *, by: StaffActor, reason: str, now: datetime
) -> StaffAct:
    """Propose an address of a person of a firm; nothing is done yet.

    Raises
    ------
    NotFound
        No person of a firm has the login.
    InvalidRequest
        It is no address of the kind, or no reason is given.
    Conflict
        The person has one of the kind, or the same waits already.
    """
    account = _person(session, login)
    written = address.strip()
    if channel not in ("email", "sms") or not is_address(channel, written):
        raise InvalidRequest(f"address: not one for {channel}")
    _check_none(session, account, channel)
    subject = {"login": account.login, "channel": channel, "address": written}
    return propose(session, KIND, subject, by=by, reason=reason, now=now)


def _do(session: Session, act: StaffAct, proposer: StaffActor, approver: StaffActor, now: datetime) -> None:
    del proposer
    account, channel = _person(session, str(act.subject["login"])), str(act.subject["channel"])
    _check_none(session, account, channel)  # the person may have set one since
    service.set_channel(session, account.id, channel, str(act.subject["address"]), language="zh", now=now)
    # Without the address: evidence is kept for longer than an address is used.
    audit.record(
        session, action="person.address_given", result="done", actor=approver.name, now=now,
        detail={"account": str(account.id), "channel": channel, "act": act.wire_id},
    )  # fmt: skip
    service.tell(session, account.id, "access_changed", now, page="/portal/security", about=f"given {act.wire_id}")


def _person(session: Session, login: str) -> Account:
    account = accounts.by_login(session, login)
    if account is None or account.role != "enterprise":
        raise NotFound
    return account


def _check_none(session: Session, account: Account, channel: str) -> None:
    if channel in service.channels_of(session, account.id):
        raise Conflict("the person has such an address, and changes it themselves", reason="has_address")


KINDS.add(
    KIND, ActKind("登记通知地址", "An address for a person's notices", ("operator",), ("operator",), _do, at_desk=False)
)
