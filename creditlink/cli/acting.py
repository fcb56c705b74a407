"""In whose name a command acts: `--as LOGIN`, proven by the key that `creditlink login` or an operator registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy.orm import Session

from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings, load_settings
from creditlink.staff import access
from creditlink.staff.actor import RoleMissing, StaffActor

Command = TypeVar("Command", bound=Callable[..., object])

NOBODY = "operator"
"""The name in evidence of a command without one, in a sandbox's database."""


_HELP = "In whose name; default: who signed in with creditlink login. A sandbox takes the name alone."


def named(command: Command) -> Command:
    """Give a command the option `--as`, as the parameter `who`; `--by` is its older name."""
    return click.option("--as", "--by", "who", metavar="LOGIN", help=_HELP)(command)


def named_as(command: Command) -> Command:
    """Give a command the option `--as` alone: its own `--by` names somebody of the firm."""
    return click.option("--as", "who", metavar="LOGIN", help=_HELP)(command)


def actor_for(
    session: Session, who: str | None, *roles: str, now: datetime, act: str | None = None
) -> StaffActor | None:
    """Return in whose name this command acts; None: a sandbox's command without a name.

    Raises
    ------
    click.ClickException
        Nobody is named, nothing proves the name, or the person lacks the role; the command ends with one line.
    """
    context = click.get_current_context(silent=True)
    command = act or (context.command_path if context else "creditlink")
    folder = keys_folder()
    login = who or signed_in_as(folder)
    try:
        key_file = None if login is None else key_path(folder, login)
        return access.acting(session, login, *roles, act=command, now=now, key_file=key_file)
    except access.NobodyActs as refused:
        raise click.ClickException(str(refused)) from None


def person_for(session: Session, who: str | None, *roles: str, now: datetime) -> StaffActor:
    """Return in whose name this command acts, where even a sandbox needs a name.

    Raises
    ------
    click.ClickException
        As for `actor_for`, or nobody is named.
    """
    actor = actor_for(session, who, *roles, now=now)
    if actor is None:
        raise click.ClickException("in whose name? Name a member of staff with --as: creditlink staff list")
    return actor


def name_of(actor: StaffActor | None) -> str:
    """Return the actor in evidence."""
    return NOBODY if actor is None else actor.name


@contextmanager
def operators_transaction(*, nothing: str) -> Iterator[tuple[Session, datetime]]:
    """Open a transaction of the owner for a command of the operator; a refusal ends it with one line.

    Parameters
    ----------
    nothing : what is said where there is no such row.
    """
    _, database = start("owner")
    try:
        with database.transaction("owner", viewer=db.Viewer(actor="operator")) as session:
            yield session, utc_now()
    except NotFound:
        raise click.ClickException(nothing) from None
    except InvalidRequest as refused:
        told = [f"{one['pointer']}: {one['detail']}" for one in refused.errors]
        raise click.ClickException("; ".join(told) or str(refused)) from None
    except (Conflict, RoleMissing) as refused:
        raise click.ClickException(str(refused)) from None


def keys_folder() -> Path:
    """Return where this machine keeps the keys of people who sign in."""
    try:
        settings = runtime.process().of(Settings)
    except LookupError:
        settings = load_settings()
    return settings.var_dir / "staff"


def key_path(folder: Path, login: str) -> Path:
    """Return the file of a person's private key; a login never names a path."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in login.strip().lower()).lstrip(".")
    return folder / f"{safe or '_'}.jwk"


def signed_in_as(folder: Path) -> str | None:
    """Return who signed in last on this machine, if anybody is."""
    try:
        return (folder / "signed-in").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
