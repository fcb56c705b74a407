"""What the developers' pages share: their blueprint, who is signed in, and where they exist at all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Concatenate, ParamSpec

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound, Problem
from creditlink.kit.postgres import db
from creditlink.portal import site
from creditlink.portal.developers.joining import client_of
from creditlink.portal.person.sessions import PATH
from creditlink.portal.site import Quarter, browser, see_other

blueprint = flask.Blueprint("developers", __name__, url_prefix=f"{PATH}/developers")
"""Registered outside of production alone: there, none of these addresses exists."""

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class AtBench:
    """A developer who is signed in, and the client that is theirs."""

    account: Account
    client: Client


def _navigation() -> list[tuple[str, str]]:
    return [
        ("developers.bench", gettext("Overview")),
        ("developers.keys", gettext("Keys")),
        ("developers.firms", gettext("Scripted firms")),
        ("developers.webhook", gettext("Webhooks")),
        ("developers.requests", gettext("Request log")),
        ("developers.examples", gettext("Examples")),
    ]


QUARTER = Quarter("developers.bench", "developers.sign_out", _navigation)


@blueprint.before_request
def guard() -> None:
    """Check every form as on all pages."""
    flask.g.quarter = QUARTER
    site.guard()


blueprint.after_request(site.harden)
blueprint.register_error_handler(Problem, site.show_problem)
blueprint.register_error_handler(HTTPException, site.show_http_error)
blueprint.register_error_handler(Exception, site.show_failure)
blueprint.register_error_handler(500, site.show_failure)


def developer_signed_in(
    view: Callable[Concatenate[Session, AtBench, datetime, Arguments], ResponseReturnValue],
) -> Callable[Arguments, ResponseReturnValue]:
    """Let a view run for a developer who is signed in, in a transaction that sees what is theirs.

    For a firm's people and for staff there is no such page.
    """

    @functools.wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        account_id, now = browser().account_id, utc_now()
        if account_id is None:
            return see_other(flask.url_for("developers.sign_in"))
        with db.transaction(viewer=db.Viewer(account_id=account_id)) as session:
            account = session.get(Account, account_id)
            if account is not None and account.role != "developer":
                raise NotFound
            client = None if account is None or account.status != "active" else client_of(session, account_id, now)
            if account is not None and client is not None:
                flask.g.person = account.display_name
                return view(session, AtBench(account, client), now, *args, **kwargs)
        browser().end()  # the developer was ended: the session ends with it
        return see_other(flask.url_for("developers.sign_in"))

    return guarded


def unless_developer() -> ResponseReturnValue | None:
    """Return the answer to anybody but a developer, for whom no foreign address is called; None: it is one."""

    @developer_signed_in
    def look(_session: Session, _here: AtBench, _now: datetime) -> ResponseReturnValue:
        return ""

    answer = look()
    return None if answer == "" else answer
