"""A new key for the server: two operators, a file that gets one key more, and evidence of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.custody.columns import PURPOSES
from creditlink.kit.errors import InvalidRequest
from creditlink.kit.keyring import ServerKey, keys_of
from creditlink.kit.keyring.keyfile import add_key, new_key
from creditlink.kit.keyring.ring import CIPHERS, SIGNATURES
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.staff.actor import StaffActor
from creditlink.staff.acts import KINDS, ActKind, propose
from creditlink.staff.tables import StaffAct

KIND = "keys.rotate"
LEAD_HOURS = 24
"""How long a key is usually announced before it is used: every process must have been started with it by then."""


def wanted(*, lead_hours: int, signs: str, seals: str) -> dict[str, object]:
    """Return the key that is wanted, as two people agree on it; no secret is in it."""
    return {"lead_hours": lead_hours, "signs": signs, "seals": seals}


def propose_rotation(
    session: Session, subject: Mapping[str, object], *, by: StaffActor, reason: str, now: datetime
) -> StaffAct:
    """Propose a new key; nothing is done yet. Errors are those of `staff.acts.propose`."""
    return propose(session, KIND, subject, by=by, reason=reason, now=now)


def rotate(
    session: Session, settings: Settings, subject: Mapping[str, object], *, actor: str, now: datetime, act: str | None
) -> ServerKey:
    """Add a key to the file, with evidence; it signs and seals once its lead is over.

    The evidence is written first: a key that it does not tell of never comes to be. Where the transaction fails
    afterwards, a key too many is announced, which does no harm.

    Raises
    ------
    InvalidRequest
        There is no such signature or cipher, or the file cannot be used.
    """
    hours, signs, seals = subject["lead_hours"], subject["signs"], subject["seals"]
    if signs not in SIGNATURES or seals not in CIPHERS or not isinstance(hours, int) or hours < 0:
        raise InvalidRequest("a key needs lead_hours of 0 or more, a signature and a cipher that we know")
    made = new_key(now, signs_from=now + timedelta(hours=hours), signs=str(signs), seals=str(seals), purposes=PURPOSES)
    audit.record(
        session, action="keys.rotate", result="done", actor=actor, now=now,
        detail={**subject, "signs_from": made.signs_from.isoformat(), **({"act": act} if act else {})},
    )  # fmt: skip
    try:
        keys = add_key(settings.keys_path, keys_of(settings.secret_key).first.secret, made, settings.key_wrapping)
    except (ValueError, OSError) as error:
        raise InvalidRequest(f"{settings.keys_path}: {error}") from None
    return keys.keys[-1]


def _do(session: Session, act: StaffAct, proposer: StaffActor, approver: StaffActor, now: datetime) -> None:
    del proposer
    rotate(session, runtime.process().of(Settings), act.subject, actor=approver.name, now=now, act=act.wire_id)


# The file is on the operators' machine, and no process that serves pages may write it.
KINDS.add(KIND, ActKind("更换服务器密钥", "A new key of the server", ("operator",), ("operator",), _do, at_desk=False))
