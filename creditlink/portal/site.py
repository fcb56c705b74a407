"""What all pages share: the blueprint, language, CSRF, headers, who is signed in, how errors look."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import Babel, get_locale, gettext
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from creditlink.consents.agreement.categories import is_known, label_of
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.agreement.served import ServedCategories
from creditlink.consents.agreement.statement import LANGUAGES, when
from creditlink.decisions.archive import Archive
from creditlink.decisions.classes import DECISION_RECORD
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import LimitExceeded, NotFound, Problem, RecordsUnavailable
from creditlink.kit.postgres import db
from creditlink.kit.postgres.outage import answer_for
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.portal.menu import Link, firm_menu
from creditlink.portal.person.sessions import PATH, PortalSession

blueprint = flask.Blueprint("portal", __name__, url_prefix=PATH, template_folder="templates", static_folder="static")
csrf = CSRFProtect()
FILE_PATHS = re.compile(rf"{PATH}/(uploads|disputes/new|verify|financing/fin_[0-9a-f]{{32}}/documents)")
"""The pages that take files, and so larger bodies: records, evidence, reports to verify, papers of a request."""

_LANG_COOKIE = "creditlink_lang"
_YEAR = 365 * 86400
_DESKS = {"staff": "portal.desk", "lender": "portal.bank.home"}

Arguments = ParamSpec("Arguments")


def settings() -> Settings:
    """Return the application's settings."""
    return runtime.part(Settings)


def fair_use() -> FairUse:
    """Return the application's limits by purpose."""
    return runtime.part(FairUse)


def served() -> ServedCategories:
    """Return the categories that a firm can share here."""
    return runtime.part(ServedCategories)


def browser() -> PortalSession:
    """Return the session of the browser that asks."""
    return cast(PortalSession, flask.session._get_current_object())  # type: ignore[attr-defined]  # a proxy


def configure(app: flask.Flask) -> None:
    """Join languages and CSRF protection to the application; both act on the pages only."""
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)
    # Our own check of the Origin replaces the Referer check.
    app.config.setdefault("WTF_CSRF_SSL_STRICT", False)
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)  # as long as the session
    csrf.init_app(app)
    Babel(
        app,
        default_locale="zh",
        default_timezone="Asia/Shanghai",
        default_translation_directories=str(blueprint.root_path) + "/translations",
        locale_selector=chosen_language,
    )


def chosen_language() -> str:
    """Return `zh` or `en`: asked for in the address, kept in the cookie, or as the browser prefers."""
    asked = flask.request.args.get("lang") or flask.request.cookies.get(_LANG_COOKIE)
    if asked in LANGUAGES:
        return asked
    return flask.request.accept_languages.best_match(LANGUAGES) or "zh"


def lang() -> str:
    """Return the language of this page."""
    locale = get_locale()
    return locale.language if locale else "zh"


@blueprint.before_request
def guard() -> None:
    """Check every form: the token of this session, and that it was sent from our own pages."""
    failure = getattr(flask.session, "failure", None)
    if failure is not None:
        raise failure
    if flask.request.method != "POST":
        return
    origin = flask.request.headers.get("Origin")
    ours = urlsplit(settings().issuer)
    here = {f"{ours.scheme}://{ours.netloc}", flask.request.host_url.rstrip("/")}
    if origin is not None and origin not in here:
        raise CSRFError("the form was sent from another site")
    csrf.protect()


@blueprint.after_request
def harden(response: flask.Response) -> flask.Response:
    """Set the headers of a page: nothing from elsewhere, no framing, no caching."""
    if flask.request.endpoint == "portal.static":
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response
    # Browsers apply form-action to where a form's answer redirects, so the bank's address has to be named.
    onward = flask.g.get("form_target", "")
    # Security keys speak through a script of ours; no other page runs any.
    scripts = "script-src 'self'; " if flask.g.get("has_script") else ""
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; {scripts}style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        "frame-ancestors 'none'; "
        f"form-action 'self'{' ' + onward if onward else ''}"
    )
    # Within our pages the Referer stays, so that browsers send a true Origin; to others nothing goes.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    response.headers["Cache-Control"] = "no-store"
    if flask.request.args.get("lang") in LANGUAGES:
        response.set_cookie(
            _LANG_COOKIE,
            flask.request.args["lang"],
            max_age=_YEAR,
            path=PATH,
            secure=settings().issuer.startswith("https"),
            httponly=True,
            samesite="Lax",
        )
    return response


def allow_form_target(address: str) -> None:
    """Let this page's forms end at the site of `address`, a registered redirect address."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    flask.g.form_target = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def page(template: str, *, status: int = 200, **values: object) -> ResponseReturnValue:
    """Render a page."""
    body = flask.render_template(
        f"portal/{template}",
        person=flask.g.get("person"),
        lang=lang(),
        other_languages=_language_links(),
        environment=settings().environment,
        staff_roles=flask.g.get("staff_roles", frozenset()),
        **_menu(),
        home=_quarter().home,
        sign_out=_quarter().sign_out,
        when=lambda instant, zone=False: when(instant, lang(), zone=zone),
        **values,
    )
    return flask.Response(body, status=status, content_type="text/html; charset=utf-8")


@dataclass(frozen=True)
class Quarter:
    """A part of the pages with its own people: where they begin, where they sign out, what they find there."""

    home: str
    sign_out: str
    navigation: Callable[[], list[tuple[str, str]]] | None = None


_FIRMS, _STAFF = Quarter("portal.home", "portal.sign_out"), Quarter("portal.desk", "portal.staff_sign_out")


def _quarter() -> Quarter:
    found: Quarter = flask.g.get("quarter") or (_STAFF if "staff_roles" in flask.g else _FIRMS)
    return found


def _menu() -> dict[str, object]:
    """Return the main pages of whoever is signed in: a firm's people, or those of a desk by their roles."""
    own, roles = _quarter().navigation, flask.g.get("staff_roles")
    if own is None and roles is None:
        links, name, pages = firm_menu(PATH)
        return {"navigation": links, "menu_section": name, "menu_pages": pages}
    found = own() if own is not None else _staff_pages(roles)
    here = flask.request.endpoint
    links = [Link(flask.url_for(at), label, "page" if at == here else "") for at, label in found]
    return {"navigation": links, "menu_section": "", "menu_pages": []}


def _staff_pages(roles: frozenset[str]) -> list[tuple[str, str]]:
    looking = runtime.part(Archive).classes.of(DECISION_RECORD).readers.keys()
    # Operators have the evidence among their pages; whoever only audits comes to it from here.
    if "operator" in roles:
        operations = [("portal.operator_overview", gettext("Operations"))]
    else:
        operations = [("portal.operator_evidence", gettext("Evidence"))] if roles & {"risk", "auditor"} else []
    decisions = [("portal.decisions", gettext("Decisions")), ("portal.cohorts", gettext("Cohorts"))]
    decisions = decisions if roles & looking else []
    # Who sees the queue: `staff.reviews.access`, which this module cannot import.
    reviews = [("portal.staff_reviews", gettext("Reviews"))] if roles & {"risk", "auditor"} else []
    return [
        ("portal.desk", gettext("My desk")),
        *operations,
        *decisions,
        *reviews,
        ("portal.models", gettext("Models")),
        ("portal.staff_watch", gettext("Watch")),
        ("portal.staff_keys", gettext("Security keys")),
    ]


def _language_links() -> list[tuple[str, str]]:
    arguments = {k: v for k, v in flask.request.args.items() if k != "lang"}
    # A form of ours was answered: beneath it there is a page only outside the pages of people who are signed in.
    is_again = flask.request.method == "GET" or not flask.request.path.startswith(PATH)
    path = flask.request.path if is_again else PATH + "/"
    names = {"zh": "中文", "en": "English"}
    return [(names[code], f"{path}?{urlencode(arguments | {'lang': code})}") for code in LANGUAGES if code != lang()]


def see_other(address: str) -> ResponseReturnValue:
    """Send the browser on with 303: what it posted is not posted again."""
    return flask.Response(status=303, headers={"Location": address})


def safe_next(address: str | None) -> str:
    """Return where to go after sign-in: a page of ours, whatever the address says."""
    home = PATH + "/"
    if not address or not address.startswith(home) or not address.isascii() or not address.isprintable():
        return home
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or "\\" in address or ".." in address or "//" in address:
        return home
    return address


def signed_in(
    view: Callable[Concatenate[Session, Account, datetime, Arguments], ResponseReturnValue],
) -> Callable[Arguments, ResponseReturnValue]:
    """Let a view run for a person who is signed in, with a transaction of theirs, the account and the time."""

    @functools.wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        account_id = browser().account_id
        if account_id is not None:
            now = utc_now()
            with db.transaction(viewer=db.Viewer(account_id=account_id)) as session:
                account = session.get(Account, account_id)
                if account is not None and account.role in _DESKS:  # who works at a desk acts for no firm
                    return see_other(flask.url_for(_DESKS[account.role]))
                if account is not None and account.role == "developer":
                    raise NotFound  # nothing of the firms' is theirs
                if account is not None and account.status == "active":
                    # Not the row: after a refusal has rolled back, the error's page still names the person.
                    flask.g.person = account.display_name
                    return view(session, account, now, *args, **kwargs)
            browser().end()  # the account was closed: its session ends with it
        here = flask.request.full_path.rstrip("?") if flask.request.method == "GET" else PATH + "/"
        return see_other(flask.url_for("portal.sign_in", next=safe_next(here)))

    return guarded


@blueprint.errorhandler(Problem)
def show_problem(problem: Problem) -> ResponseReturnValue:
    """Show what was refused, in words."""
    return page("problem.html", status=problem.status, title=gettext("This is not possible"), detail=_in_words(problem))


@blueprint.errorhandler(HTTPException)
def show_http_error(error: HTTPException) -> ResponseReturnValue:
    """Show what Flask refused: a stale form, a wrong method, a page that does not exist."""
    if isinstance(error, CSRFError):
        detail = gettext("The form is no longer valid. Open the page again and repeat what you wanted to do.")
        return page("problem.html", status=400, title=gettext("Please try again"), detail=detail)
    status = error.code or 500
    titles = {
        404: gettext("This page does not exist"),
        413: gettext("That was too much data"),
        429: gettext("Too many requests. Wait a moment and try again."),
    }
    lost = gettext("The address may be mistyped, or the page belongs to somebody else. Nothing was changed.")
    title, detail = titles.get(status, gettext("This is not possible")), lost if status == 404 else ""
    return page("problem.html", status=status, title=title, detail=detail)


@blueprint.errorhandler(Exception)
@blueprint.errorhandler(500)
def show_failure(error: Exception) -> ResponseReturnValue:
    """Show that the service cannot answer now, or that it failed, with the number to quote; without the database."""
    problem = answer_for(error)
    flask.g.person = None  # a signed-in person's page would need the session stored
    if isinstance(browser(), PortalSession):
        browser().modified = False
    if problem.status == 503:
        title, detail = gettext("The service cannot answer right now"), gettext("Wait a moment and try again.")
    else:
        title = gettext("Something failed on our side")
        detail = gettext("Try again. If it happens again, tell us the number below.")
    reference = structlog.contextvars.get_contextvars().get("request_id")
    shown = flask.make_response(
        page("problem.html", status=problem.status, title=title, detail=detail, reference=reference)
    )
    shown.headers.update(problem.headers)
    return shown


def busy_pages(app: flask.Flask) -> dict[str, bytes]:
    """Return, by language, the page for a browser that cannot be served, rendered before that happens."""
    pages = {}
    for language in LANGUAGES:
        with app.test_request_context(f"{PATH}/?lang={language}"):
            title, detail = gettext("The service cannot answer right now"), gettext("Wait a moment and try again.")
            shown = flask.make_response(page("problem.html", status=503, title=title, detail=detail))
            pages[language] = shown.get_data()
    return pages


def _in_words(problem: Problem) -> str:
    texts = {
        "expired": gettext("The consent has expired."),
        "revoked": gettext("The consent was withdrawn already."),
        "paused": gettext("The consent is paused."),
        "decided": gettext("The request has already been decided."),
        "too_late": gettext("The time to answer this request has passed. Ask the bank to send it again."),
        "other_firm": gettext("The request is for a different firm from the one you chose."),
        "not_representative": gettext("You are not registered to act for this firm."),
        "signed_already": gettext("You have signed. Somebody else of the firm must sign too."),
    }
    if problem.extra.get("reason") == "beyond_agent_limits":
        return _beyond(str(problem.extra.get("beyond", "")))
    if isinstance(problem, LimitExceeded):
        return str(gettext("As many as allowed were made in this period. The next one brings new ones."))
    if isinstance(problem, RecordsUnavailable):
        return str(gettext("No source has given anything yet. They are asked again later."))
    if isinstance(problem, NotFound):
        return str(gettext("It does not exist, has ended, or belongs to somebody else."))
    return str(texts.get(str(problem.extra.get("reason", "")), problem.detail or ""))


def _beyond(limit: str) -> str:
    """Return which of an agent's limits a decision would exceed, in words."""
    kind, _, category = limit.partition(":")
    if kind == "purpose":
        text = gettext("Your firm did not appoint you to decide for this purpose.")
    elif kind == "longest_days":
        text = gettext("The consent would run longer than your firm appointed you to decide.")
    elif kind == "largest_loan":
        text = gettext("The loan is larger than your firm appointed you to accept.")
    else:
        name = label_of(category, lang()) if is_known(category) else category
        text = gettext("Your firm did not appoint you to share this kind of data: %(name)s.", name=name)
    return f"{text} " + str(gettext("Ask the legal representative."))
