"""People of an institution: invited by the operator or their own administrator, active with password and codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from creditlink.access.opaque import hash_of, new_secret
from creditlink.audit import service as audit
from creditlink.desk.people import roles as role_rules
from creditlink.desk.people.roles import DeskActor
from creditlink.desk.tables import DeskPerson
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Institution
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.keyring import Secret
from creditlink.staff.authenticators import end_all

INVITATION_OPEN = timedelta(days=3)
KIND = "lender"
"""The accounts' role of everybody who works for an institution: such an account acts for no firm."""

_PREFIX = "inv_"
_NO_PASSWORD = "!"  # noqa: S105 (no hash: nothing matches it)
_LONGEST_NAME = 64


def invite_first(
    session: Session,
    institution: Institution,
    *,
    login: str,
    display_name: str,
    roles: Collection[str],
    actor: str,
    now: datetime,
) -> str:
    """Invite a person in the operator's name, as the database's owner; return the secret, which is shown once.

    Raises
    ------
    InvalidRequest
        The login or the roles cannot be used.
    Conflict
        The login is taken.
    """
    held, secret = _roles(roles), new_secret(_PREFIX)
    account = accounts.create_account(
        session, login=login, display_name=_display_name(display_name), password=new_secret(_PREFIX), role=KIND,
        now=now,
    )  # fmt: skip
    account.password_hash = _NO_PASSWORD
    session.add(
        DeskPerson(
            account_id=account.id, institution_id=institution.id, roles=held, status="invited",
            invitation_hash=hash_of(secret), invited_until=now + INVITATION_OPEN, created_at=now, changed_at=now,
        )
    )  # fmt: skip
    _note(session, "invite", actor, institution.id, now, account=account.id, roles=held)
    return secret


def invite(
    session: Session, by: DeskActor, *, login: str, display_name: str, roles: Collection[str], now: datetime
) -> str:
    """Invite a colleague in an administrator's name; the database itself checks that they are one.

    Raises
    ------
    InvalidRequest
        The login or the roles cannot be used.
    Conflict
        The login is taken.
    """
    held, secret, name = _roles(roles), new_secret(_PREFIX), login.strip().lower()
    if not (3 <= len(name) <= 128 and name.isprintable() and " " not in name):
        raise InvalidRequest(f"login must be 3 to 128 characters without spaces, got {login!r}")
    if accounts.by_login(session, name) is not None:
        raise Conflict(f"login {name} is taken", reason="duplicate_login")
    made = uuid4()
    session.execute(
        select(
            func.creditlink_invite_lender(
                made, name, _display_name(display_name), held, hash_of(secret), now + INVITATION_OPEN, now
            )
        )
    )
    _note(session, "invite", by.name, by.institution_id, now, account=made, roles=held)
    return secret


def invited(session: Session, secret: str, now: datetime) -> tuple[DeskPerson, Account, Institution]:
    """Return whom an invitation is for.

    Raises
    ------
    NotFound
        It was never given, was taken up, or is too old: the same answer.
    """
    row = session.execute(
        select(DeskPerson, Account, Institution)
        .join(Account, Account.id == DeskPerson.account_id)
        .join(Institution, Institution.id == DeskPerson.institution_id)
        .where(DeskPerson.invitation_hash == hash_of(secret), DeskPerson.invited_until > now)
    ).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1], row[2]


def take_up(
    session: Session, secret: str, *, password: str, totp_secret: str, step: int, key: Secret, now: datetime
) -> None:
    """Make an invited person active, with a password and the secret of their one-time codes, both of their choosing.

    Raises
    ------
    NotFound
        The invitation is not open (any more): of two at once the first has it.
    InvalidRequest
        The password is too short or too long.
    """
    person, account, _ = invited(session, secret, now)
    hashed = accounts.checked_hash(password)
    taken = session.scalar(
        update(DeskPerson)
        .where(DeskPerson.account_id == person.account_id, DeskPerson.invitation_hash == hash_of(secret))
        .values(status="active", invitation_hash=None, invited_until=None, changed_at=now)
        .returning(DeskPerson.account_id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise NotFound
    account.password_hash = hashed
    accounts.enroll_totp(account, totp_secret, key=key)
    account.totp_last_step = step
    _note(session, "take_up", f"lender:{account.id}", person.institution_id, now, account=account.id)


def colleagues(session: Session, institution_id: UUID) -> Sequence[tuple[DeskPerson, Account]]:
    """Return the people of an institution, by login."""
    rows = session.execute(
        select(DeskPerson, Account)
        .join(Account, Account.id == DeskPerson.account_id)
        .where(DeskPerson.institution_id == institution_id)
        .order_by(Account.login)
    )
    return [(row[0], row[1]) for row in rows]


def change(
    session: Session, by: DeskActor, login: str, *, to: str | None, roles: Collection[str] | None, now: datetime
) -> None:
    """Suspend, resume or end a colleague's access, or give them other roles; their sessions end with it.

    Raises
    ------
    NotFound
        Nobody of the institution has this login.
    InvalidRequest
        The roles are unknown.
    Conflict
        It is oneself, or the status does not allow it.
    """
    account = accounts.by_login(session, login)
    person = None
    if account is not None:
        person = session.scalar(
            select(DeskPerson)
            .where(DeskPerson.account_id == account.id, DeskPerson.institution_id == by.institution_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    if person is None:
        raise NotFound
    if person.account_id == by.account_id:
        raise Conflict("another administrator changes you", reason="oneself")
    if to is not None and to not in role_rules.MOVES[person.status]:
        raise Conflict(f"{login} is {person.status}, not to become {to}", reason="status")
    if roles is not None:
        person.roles = _roles(roles)
    if to is not None:
        person.status, person.invitation_hash, person.invited_until = to, None, None
        if to != "active":
            end_all(session, person.account_id, now)
    person.changed_at = now
    _note(
        session, f"become_{to}" if to else "roles", by.name, by.institution_id, now, account=person.account_id,
        roles=person.roles,
    )  # fmt: skip


def note_key(session: Session, by: DeskActor, step: str, thumbprint: str, now: datetime) -> None:
    """Record in the evidence that a person's security key was added or removed."""
    _note(session, step, by.name, by.institution_id, now, account=by.account_id, credential=thumbprint)


def _note(
    session: Session, step: str, actor: str, institution_id: UUID, now: datetime, *, account: UUID, **detail: object
) -> None:
    audit.record(
        session, action=f"desk.{step}", result="done", actor=actor, now=now, institution_id=institution_id,
        detail={"account": str(account), **detail},
    )  # fmt: skip


def _roles(roles: Collection[str]) -> list[str]:
    try:
        return role_rules.checked(roles)
    except role_rules.DeskRolesRefused as error:
        raise InvalidRequest(str(error)) from None


def _display_name(name: str) -> str:
    text = " ".join(name.split())
    if not (1 <= len(text) <= _LONGEST_NAME and text.isprintable()):
        raise InvalidRequest(f"name must have 1 to {_LONGEST_NAME} printable characters, got {name[:80]!r}")
    return text
