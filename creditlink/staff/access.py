"""Who may use a route or a command of staff: `require_role` for routes, `acting` for commands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import flask
import structlog
from sqlalchemy.orm import Session

from creditlink.access import context
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientRole, NotFound, Unauthorized
from creditlink.kit.http.api import document_security
from creditlink.kit.postgres import db, purpose
from creditlink.staff import people, proof
from creditlink.staff.actor import RoleMissing, StaffActor

log = structlog.get_logger()

SCHEME = "Staff"
AUDIENCE = "creditlink-commands"
"""For whom a statement is that a command shows to the database."""

_CHALLENGE = {"WWW-Authenticate": SCHEME}
Arguments = ParamSpec("Arguments")
Answered = TypeVar("Answered")


class NobodyActs(Exception):
    """A command does not know in whose name it acts, or may not act in that name; the message says what to do."""


def require_role(*roles: str) -> Callable[[Callable[Arguments, Answered]], Callable[Arguments, Answered]]:
    """Let a route run for a member of staff with one of `roles`, who signed this very request (`Authorization: Staff`).

    In the route `current_staff()` is the person. The statement proves method and address, once. Who holds none of the
    roles gets 403 `insufficient-role`.
    """

    def decorate(view: Callable[Arguments, Answered]) -> Callable[Arguments, Answered]:
        @functools.wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answered:
            flask.g.staff = _signed_request(roles)
            return view(*args, **kwargs)

        return document_security(guarded, f"role:{'|'.join(roles)}")

    return decorate


def current_staff() -> StaffActor:
    """Return who signed the current request; only within a route under `require_role`."""
    return cast(StaffActor, flask.g.staff)


@contextmanager
def staff_transaction() -> Iterator[Session]:
    """Open the transaction of who signed the request; it sees every firm's rows, as the routes of staff must.

    Raises
    ------
    InsufficientRole
        They turn out to lack a role on the way.
    """
    try:
        with db.transaction(viewer=db.Viewer(actor="operator")) as session:
            yield session
    except RoleMissing as error:
        raise InsufficientRole(str(error)) from None


def request_act(method: str, url: str) -> str:
    """Return what a statement must say to be good for one request."""
    return f"{method} {url}"


def _signed_request(roles: tuple[str, ...]) -> StaffActor:
    sent = flask.request
    scheme, _, document = sent.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != SCHEME.lower() or not document:
        raise Unauthorized("a statement signed by a member of staff is needed", headers=_CHALLENGE)
    issuer = context.current().settings.issuer
    act = request_act(sent.method, issuer + sent.full_path.rstrip("?"))
    try:
        with db.transaction() as session:
            actor = proof.actor_of(session, document.strip(), audience=issuer, act=act, now=utc_now())
        actor.acting_as(*roles)
    except proof.ProofInvalid as error:
        log.info("staff_proof_refused", reason=str(error))
        raise Unauthorized("the statement proves no active member of staff", headers=_CHALLENGE) from None
    except RoleMissing as error:
        raise InsufficientRole(str(error)) from None
    return actor


def acting(
    session: Session, login: str | None, *roles: str, act: str, now: datetime, key_file: Path | None = None
) -> StaffActor | None:
    """Return in whose name a command acts: proven by a key; in a sandbox's database a name is enough.

    None: nobody was named, in a sandbox's database, where commands without a name act as its operator.

    Parameters
    ----------
    login : whom `--as` names.
    roles : of which the person must hold one.
    act : the command, as it is signed.
    key_file : their private key, where there is one.

    Raises
    ------
    NobodyActs
        Nobody is named, the name is unknown, the key proves nothing, or the role is missing.
    """
    is_sandbox = purpose.mark_of(session.connection()) == "sandbox"
    if login is None:
        if is_sandbox:
            return None
        raise NobodyActs("in whose name? Sign in with creditlink login, or name yourself with --as")
    try:
        if key_file is not None and key_file.exists():
            key = proof.read_key(key_file.read_text(encoding="utf-8"))
            document = proof.sign(key, login.strip().lower(), audience=AUDIENCE, act=act, now=now)
            actor = proof.actor_of(session, document, audience=AUDIENCE, act=act, now=now)
        elif is_sandbox:
            member = people.of_login(session, login)
            if member.status != "active":
                raise NobodyActs(f"{login.strip()} is {member.status}")
            actor = people.actor_named(session, member, proof="sandbox")
        else:
            raise NobodyActs(f"there is no key of {login.strip()} here: creditlink login, or creditlink staff new-key")
        actor.acting_as(*roles)
    except NotFound:
        raise NobodyActs(f"{login.strip()!r} is no member of staff: creditlink staff list") from None
    except proof.ProofInvalid as error:
        raise NobodyActs(f"the key of {login.strip()} proves nothing: {error}") from None
    except (RoleMissing, OSError, UnicodeDecodeError) as error:
        raise NobodyActs(str(error)) from None
    return actor
