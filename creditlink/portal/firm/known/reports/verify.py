"""Where anybody verifies a credit report: by the address on the paper, or by its file. Nobody has to sign in.

What is told is what a paper can be compared by, and never the report: `reports.looks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.portal.person import throttle
from creditlink.portal.site import blueprint, browser, harden, lang, page, settings
from creditlink.reports import looks, signing
from creditlink.reports.looks import Told
from creditlink.reports.rules import STATES, State
from creditlink.reports.service import VERIFY
from creditlink.reports.signing import ReportRefused, Verified


@dataclass(frozen=True)
class VerifiedShown:
    """What the page shows: of a file whether it is ours, of a report what it is now."""

    told: Told | None = None
    file: Verified | None = None
    refused: str | None = None

    @property
    def state(self) -> State | None:
        """Return what the report is now; None: it is no report, or one that is not on record any more."""
        return None if self.told is None else self.told.state

    @property
    def is_good(self) -> bool:
        """Return whether all that was shown to us is ours and valid."""
        return self.state == "valid" and (self.file is None or self.file.pages in (None, "ours"))


def short(token: str | None = None) -> ResponseReturnValue:
    """Send the address on a paper on to its page."""
    page_of = flask.url_for("portal.verify") if token is None else flask.url_for("portal.verify_report", token=token)
    return _unlisted(harden(flask.make_response(flask.redirect(page_of, 303))))


@blueprint.get("/verify")
def verify() -> ResponseReturnValue:
    """Take a report's file."""
    return page("reports/verify.html", verdict=None)


@blueprint.get("/verify/<token>")
def verify_report(token: str) -> ResponseReturnValue:
    """Tell whether the report behind an address is genuine and valid, and count the look."""
    if (wait := _too_many()) is not None:
        return wait
    told = _look(token)
    if told is None:
        return _show(VerifiedShown(refused=gettext("There is no such report, or it is not on record any more.")), 404)
    return _show(VerifiedShown(told))


@blueprint.post("/verify")
def verify_file() -> ResponseReturnValue:
    """Tell whether a file is a report as we made it, and whether it is still valid. The file is not kept."""
    if (wait := _too_many()) is not None:
        return wait
    sent = flask.request.files.get("file")
    content = b""
    if sent is not None:
        content = sent.stream.read(signing.MOST_BYTES + 1)
        sent.close()
    try:
        found = signing.verify(content, keyring.public_keys(settings().secret_key))
    except ReportRefused as refused:
        return _show(VerifiedShown(refused=_in_words(refused)), 422)
    told = _look(str(found.claims.get("verify", "")).rpartition(VERIFY)[2])
    if told is not None and told.digest != found.digest:  # a token in a claim that is not its own report's
        told = None
    return _show(VerifiedShown(told, found))


def _look(token: str) -> Told | None:
    now = utc_now()
    address = flask.request.remote_addr or ""
    with db.transaction() as session:
        report = looks.hold(session, token)
        if report is None:
            return None
        # Who is signed in looks at its own, and HEAD is a program's: only strangers who read it are counted.
        counted = browser().account_id is None and flask.request.method != "HEAD"
        return looks.look(session, report, address=address if counted else None, secret=settings().secret_key, now=now)


def _too_many() -> ResponseReturnValue | None:
    with db.transaction() as session:
        wait = throttle.look(session, "reports", flask.request.remote_addr, utc_now())
    if wait is None:
        return None
    detail = gettext("Too many tries. Wait a while and try again.")
    shown = flask.make_response(page("problem.html", status=429, title=gettext("Please wait"), detail=detail))
    return throttle.ask_to_wait(shown, wait)


def _show(verdict: VerifiedShown, status: int = 200) -> ResponseReturnValue:
    state = verdict.state
    until = None
    if verdict.file is not None and isinstance(seconds := verdict.file.claims.get("exp"), int):
        until = datetime.fromtimestamp(seconds, UTC)
    shown = page(
        "reports/verify.html",
        status=status,
        verdict=verdict,
        state_text="" if state is None else STATES[state][lang() != "zh"],
        figures=verdict.told and verdict.told.figures,
        until=until,
    )
    return _unlisted(flask.make_response(shown))


def _unlisted(answer: flask.Response) -> flask.Response:
    """Return an answer that no search engine keeps: its address is a secret."""
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _in_words(refused: ReportRefused) -> str:
    words = {
        "too_large": gettext("The file is larger than any report of ours."),
        "not_a_report": gettext("This is no credit report: no signed report is in the file."),
        "signature": gettext(
            "This report is not genuine: the signature does not hold. It was altered, or not made by us."
        ),
        "changed": gettext("This report was altered: its readable part is not what was signed."),
        "format": gettext("The report is of a form that this page does not know."),
    }
    return str(words[refused.reason])
