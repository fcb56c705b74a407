"""Sign-in of natural persons: passwords (argon2id) and one-time codes (TOTP, RFC 6238)."""

from __future__ import annotations

import hmac
from datetime import datetime
from uuid import uuid4

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import InvalidToken
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Account
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.keyring import Secret, box, fingerprint

SHORTEST_PASSWORD = 12
LONGEST_NAME = 64
_LONGEST_PASSWORD = 256  # hashing is slow on purpose: an endless password would be a way to stop us
_STEP = 30
SEALED = "creditlink totp secrets"
_ISSUER = "CreditLink"
ROLES = ("enterprise", "staff", "lender")  # and `developer`, whom only a sandbox's own function adds

# Source: RFC 9106 section 4, second recommended option (64 MiB, 3 passes).
_hasher = PasswordHasher()
# Verified against when the login is unknown, so that the answer takes as long; written down, so that no start has to
# make it.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$ijAx3WLTmDuS/Yvc7lXxEA$FnfnzokWvSGyjBCKA+gm6dTkOPDobVK0wUsNg1X107E"


def hash_password(password: str) -> str:
    """Return the argon2id hash that is stored."""
    return _hasher.hash(password)


def checked_hash(password: str) -> str:
    """Return the hash of a password that may be used.

    Raises
    ------
    InvalidRequest
        It is too short or too long.
    """
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise InvalidRequest(f"password must have {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters")
    return hash_password(password)


def create_account(
    session: Session, *, login: str, display_name: str, password: str, now: datetime, role: str = "enterprise"
) -> Account:
    """Add a person's sign-in; it acts for no firm yet.

    Raises
    ------
    InvalidRequest
        The login, password or role cannot be used.
    Conflict
        The login is taken.
    """
    name = login.strip().lower()
    if not (3 <= len(name) <= 128 and name.isprintable() and " " not in name):
        raise InvalidRequest(f"login must be 3 to 128 characters without spaces, got {login!r}")
    if role not in ROLES:
        raise InvalidRequest(f"role must be one of {', '.join(ROLES)}, got {role!r}")
    if by_login(session, name) is not None:
        raise Conflict(f"login {name} is taken", reason="duplicate_login")
    hashed = checked_hash(password)
    account = Account(
        login=name,
        display_name=display_name,
        password_hash=hashed,
        role=role,
        status="active",
        created_at=now,
        metadata_={},
    )
    session.add(account)
    session.flush()
    return account


def add_person(session: Session, *, login: str, display_name: str, password: str, now: datetime) -> Account:
    """Add the sign-in of a firm's person, in a request: the database's own function makes it, of this kind alone.

    Raises
    ------
    InvalidRequest
        The login, name or password cannot be used; `errors` names which.
    Conflict
        The login is taken.
    """
    login, name = login.strip().lower(), " ".join(display_name.split())
    if not (3 <= len(login) <= 128 and login.isprintable() and " " not in login):
        raise InvalidRequest(errors=[{"pointer": "/login", "detail": "must be 3 to 128 characters without spaces"}])
    if not (1 <= len(name) <= LONGEST_NAME and name.isprintable()):
        raise InvalidRequest(errors=[{"pointer": "/name", "detail": f"must be 1 to {LONGEST_NAME} characters"}])
    hashed, made = checked_hash(password), uuid4()
    if not session.scalar(select(func.creditlink_add_person(made, login, name, hashed, now))):
        raise Conflict("the login is taken", reason="duplicate_login")
    return session.get_one(Account, made)


def by_login(session: Session, login: str) -> Account | None:
    """Return the account with this login; letter case does not matter."""
    if "\0" in login:  # no login holds one, and PostgreSQL cannot store it
        return None
    return session.scalar(select(Account).where(Account.login == login.strip().lower()))


def password_matches(account: Account | None, password: str) -> bool:
    """Return whether the password is right; without an account it takes as long and is wrong."""
    stored = account.password_hash if account is not None else _NOBODY
    try:
        _hasher.verify(stored, password[:_LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return account is not None and account.status == "active"


def refresh_hash(account: Account, password: str) -> None:
    """Hash the password again if the cost of hashing has been raised since."""
    if _hasher.check_needs_rehash(account.password_hash):
        account.password_hash = hash_password(password)


def password_mark(account: Account, *, key: Secret) -> str:
    """Return a mark of the password as it is now: whoever was let in by another one holds another mark."""
    return fingerprint(key, "creditlink password marks", f"{account.id} {account.password_hash}")


def new_totp_secret() -> str:
    """Return a fresh base32 secret for an authenticator app."""
    return pyotp.random_base32()


def totp_uri(secret: str, account: Account) -> str:
    """Return the address that authenticator apps read."""
    return provisioning_uri(secret, account.login)


def provisioning_uri(secret: str, name: str) -> str:
    """Return the address that authenticator apps read, under any name."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=_ISSUER)


def enroll_totp(account: Account, secret: str, *, key: Secret) -> None:
    """Store the secret encrypted: a copy of the database alone yields no codes."""
    account.totp_secret = box(key, SEALED).encrypt(secret.encode()).decode()
    account.totp_last_step = None


def totp_secret(account: Account, *, key: Secret) -> str | None:
    """Return the account's secret, None if none is enrolled or the server's key has changed."""
    if account.totp_secret is None:
        return None
    try:
        return box(key, SEALED).decrypt(account.totp_secret.encode()).decode()
    except InvalidToken:
        return None


def code_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step that `code` belongs to, one step of drift either way; None: it is wrong."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    step = int(now.timestamp()) // _STEP
    totp = pyotp.TOTP(secret)
    matching = [s for s in (step, step - 1, step + 1) if hmac.compare_digest(totp.generate_otp(s), digits)]
    return matching[0] if matching else None


def spend_totp(session: Session, account: Account, code: str, *, key: Secret, now: datetime) -> bool:
    """Return whether the one-time code is right, and use it up: a second try with it fails, in any process."""
    secret = totp_secret(account, key=key)
    step = code_step(secret, code, now) if secret else None
    if step is None:
        return False
    spent = session.scalar(
        update(Account)
        .where(Account.id == account.id, or_(Account.totp_last_step.is_(None), Account.totp_last_step < step))
        .values(totp_last_step=step)
        .returning(Account.id)
        .execution_options(synchronize_session=False)
    )
    return spent is not None
