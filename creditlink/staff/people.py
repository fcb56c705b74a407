"""Members of staff: invited by an operator, active with password and one-time codes, and how that ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from joserfc.jwk import Key
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from creditlink.access.keys import JwtRefused, public_key
from creditlink.access.opaque import hash_of, new_secret
from creditlink.audit import service as audit
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.keyring import Secret
from creditlink.staff import roles as role_rules
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffAct, StaffKey, StaffMember

INVITATION_OPEN = timedelta(days=3)
KIND = "staff"
"""The accounts' role of everybody who works for the platform: such an account acts for no firm."""

_PREFIX = "inv_"
_NO_PASSWORD = "!"  # noqa: S105 (no hash: nothing matches it)


def invite(
    session: Session,
    *,
    login: str,
    display_name: str,
    staff_number: str,
    roles: Collection[str],
    by: StaffActor | None,
    now: datetime,
) -> tuple[StaffMember, str]:
    """Add a person and return the secret of their invitation, which is shown once.

    Raises
    ------
    InvalidRequest
        The login, the number or the roles cannot be used.
    Conflict
        The login or the number is taken: one person has one account.
    """
    held, number = _roles(roles), staff_number.strip()
    if not (1 <= len(number) <= 64 and number.isprintable()):
        raise InvalidRequest(f"staff_number must be 1 to 64 printable characters, got {staff_number!r}")
    if by is None and session.scalar(select(func.count()).select_from(StaffMember)):
        raise Conflict("there is staff already: one of its operators invites", reason="not_first")
    # Two invitations of one number at once take turns at its unique index; the message is for the one that asks later.
    if session.scalar(select(StaffMember.account_id).where(StaffMember.staff_number == number)):
        raise Conflict(f"staff_number {number} has an account: a person has one", reason="duplicate_staff_number")
    account = accounts.create_account(
        session, login=login, display_name=display_name, password=new_secret(_PREFIX), role=KIND, now=now
    )
    account.password_hash = _NO_PASSWORD
    secret = new_secret(_PREFIX)
    member = StaffMember(
        account_id=account.id,
        staff_number=number,
        roles=held,
        status="invited",
        invitation_hash=hash_of(secret),
        invited_until=now + INVITATION_OPEN,
        invited_by=None if by is None else by.account_id,
        created_at=now,
        changed_at=now,
    )
    session.add(member)
    note(session, "invite", by, now, account=account.id, roles=held)
    return member, secret


def invited(session: Session, secret: str, now: datetime) -> tuple[StaffMember, Account]:
    """Return whom an invitation is for.

    Raises
    ------
    NotFound
        It was never given, was taken up, or is too old: the same answer.
    """
    member = session.scalar(
        select(StaffMember).where(StaffMember.invitation_hash == hash_of(secret), StaffMember.invited_until > now)
    )
    if member is None:
        raise NotFound
    return member, session.get_one(Account, member.account_id)


def take_up(
    session: Session, secret: str, *, password: str, totp_secret: str, step: int, key: Secret, now: datetime
) -> Account:
    """Make an invited person active, with a password and the secret of their one-time codes, both of their choosing.

    Raises
    ------
    NotFound
        The invitation is not open (any more): of two at once the first has it.
    InvalidRequest
        The password is too short or too long.
    """
    member, account = invited(session, secret, now)
    hashed = accounts.checked_hash(password)
    taken = session.scalar(
        update(StaffMember)
        .where(StaffMember.account_id == member.account_id, StaffMember.invitation_hash == hash_of(secret))
        .values(status="active", invitation_hash=None, invited_until=None, changed_at=now)
        .returning(StaffMember.account_id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise NotFound
    account.password_hash = hashed
    accounts.enroll_totp(account, totp_secret, key=key)
    account.totp_last_step = step
    by = StaffActor(account.id, account.login, account.display_name, frozenset(member.roles), "invitation")
    note(session, "take_up", by, now, account=account.id)
    return account


def move(session: Session, login: str, to: str, *, by: StaffActor, reason: str, now: datetime) -> StaffMember:
    """Lock, suspend, resume or end a person's access; what they proposed and did not finish ends with it.

    Raises
    ------
    NotFound
        There is no such person.
    InvalidRequest
        No reason is given.
    Conflict
        The status does not allow it, it is oneself, or nobody would be left who can let others in.
    """
    member = of_login(session, login, lock=True)
    if not reason.strip():
        raise InvalidRequest("reason must say why, got an empty text")
    if to not in role_rules.MOVES[member.status]:
        allowed = ", ".join(role_rules.MOVES[member.status]) or "nothing"
        raise Conflict(f"{login} is {member.status}, which allows {allowed}, not {to}", reason="status")
    if member.account_id == by.account_id and to != "locked":
        raise Conflict(f"{login} cannot make themselves {to}: another operator does", reason="oneself")
    if to != "active":
        _keep_an_operator(session, member)
    member.status, member.changed_at = to, now
    member.invitation_hash = member.invited_until = None
    session.get_one(Account, member.account_id).status = to
    if to != "active":
        end_signing(session, member.account_id, now)
    note(session, f"become_{to}", by, now, account=member.account_id, reason=reason)
    return member


def recover(session: Session, login: str, *, by: StaffActor, reason: str, now: datetime) -> str:
    """Invite a person again who lost password or codes: both are void, and so are keys and sessions.

    Raises
    ------
    NotFound
        There is no such person.
    Conflict
        Their employment has ended, or it is oneself.
    """
    member = of_login(session, login, lock=True)
    if member.status == "ended":
        raise Conflict(f"{login}'s employment has ended", reason="status")
    if member.account_id == by.account_id:
        raise Conflict("another operator recovers you", reason="oneself")
    account = session.get_one(Account, member.account_id)
    secret = new_secret(_PREFIX)
    account.password_hash, account.totp_secret, account.status = _NO_PASSWORD, None, "active"
    member.status, member.changed_at = "invited", now
    member.invitation_hash, member.invited_until = hash_of(secret), now + INVITATION_OPEN
    end_signing(session, member.account_id, now)
    note(session, "recover", by, now, account=member.account_id, reason=reason)
    return secret


def set_roles(
    session: Session, login: str, roles: Collection[str], *, by: StaffActor, reason: str, now: datetime
) -> StaffMember:
    """Give a person other roles.

    Raises
    ------
    InvalidRequest
        The roles do not go together.
    Conflict
        It is oneself, or nobody would be left who can let others in.
    """
    member, held = of_login(session, login, lock=True), _roles(roles)
    if member.account_id == by.account_id:
        raise Conflict("another operator changes your roles", reason="oneself")
    if "operator" not in held:
        _keep_an_operator(session, member)
    member.roles, member.changed_at = held, now
    note(session, "roles", by, now, account=member.account_id, roles=held, reason=reason)
    return member


def register_key(
    session: Session,
    account_id: UUID,
    jwk: Mapping[str, object],
    *,
    name: str,
    by: StaffActor | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> StaffKey:
    """Let an Ed25519 key sign in a person's name.

    Raises
    ------
    InvalidRequest
        It is no public Ed25519 key.
    Conflict
        The key is registered: nobody shares one.
    """
    try:
        key = public_key(jwk)
    except JwtRefused as error:
        raise InvalidRequest(f"key: {error}") from None
    if key.key_type != "OKP":
        raise InvalidRequest(f"key must be Ed25519, got {key.key_type}")
    thumbprint = key.thumbprint()
    if session.scalar(select(StaffKey.id).where(StaffKey.thumbprint == thumbprint)):
        raise Conflict("the key is registered already: make a new one", reason="duplicate_key")
    held = StaffKey(
        account_id=account_id, kind="key", name=name[:64], thumbprint=thumbprint, jwk=public_members(key),
        created_at=now, expires_at=expires_at,
    )  # fmt: skip
    session.add(held)
    note(session, "key", by, now, account=account_id, thumbprint=thumbprint)
    return held


def public_members(key: Key) -> dict[str, object]:
    """Return what makes an Ed25519 key, without whatever else its sender wrote into it."""
    whole = key.as_dict(private=False)
    return {name: whole[name] for name in ("kty", "crv", "x")}


def end_signing(session: Session, account_id: UUID, now: datetime) -> None:
    """End a person's keys and what they proposed; sessions of pages end because the account is no longer active."""
    session.execute(
        update(StaffKey)
        .where(StaffKey.account_id == account_id, StaffKey.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(StaffAct)
        .where(StaffAct.proposed_by == account_id, StaffAct.ended_at.is_(None))
        .values(ended_at=now, ended_by=account_id, end_reason="taken_back")
        .execution_options(synchronize_session=False)
    )


def of_login(session: Session, login: str, *, lock: bool = False) -> StaffMember:
    """Return the member of staff with a login.

    Raises
    ------
    NotFound
        There is none.
    """
    account = accounts.by_login(session, login)
    member = None
    if account is not None:
        member = session.get(StaffMember, account.id, with_for_update=lock or None, populate_existing=lock)
    if member is None:
        raise NotFound
    return member


def actor_named(session: Session, member: StaffMember, *, proof: str) -> StaffActor:
    """Return a member of staff as somebody who acts."""
    account = session.get_one(Account, member.account_id)
    return StaffActor(account.id, account.login, account.display_name, frozenset(member.roles), proof)


def note(session: Session, act: str, by: StaffActor | None, now: datetime, **detail: object) -> None:
    """Record in the evidence what was done about staff, by whom and in which role."""
    told = {name: str(value) if isinstance(value, UUID) else value for name, value in detail.items()}
    who = {} if by is None else {"role": by.acting_as("operator", *sorted(by.roles)), "proof": by.proof}
    audit.record(
        session, action=f"staff.{act}", result="done", actor="operator" if by is None else by.name, now=now,
        detail=told | who,
    )  # fmt: skip


def _roles(roles: Collection[str]) -> list[str]:
    try:
        return role_rules.checked(roles)
    except role_rules.RolesRefused as error:
        raise InvalidRequest(str(error)) from None


def _keep_an_operator(session: Session, leaving: StaffMember) -> None:
    """Refuse to leave the platform without an operator; two who end each other at once take turns at these rows."""
    others = session.scalars(
        select(StaffMember)
        .where(StaffMember.status == "active", StaffMember.roles.contains(["operator"]))
        .order_by(StaffMember.account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    is_one = any(other.account_id == leaving.account_id for other in others)
    if is_one and len(others) == 1:
        raise Conflict("nobody would be left who can let others in: invite another operator first", reason="last")
