"""What the desk's pages share: the blueprint beside the other pages, who is let in, how refusals of the API look."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Concatenate, ParamSpec

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk.people.people import KIND
from creditlink.desk.people.roles import DeskActor
from creditlink.desk.tables import DeskPerson
from creditlink.desk.wire.software import ApiRefused
from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.portal.site import Quarter, browser, lang, page, see_other

blueprint = flask.Blueprint("bank", __name__, url_prefix="/desk", template_folder="templates")
"""Within the portal's blueprint: its sessions, form tokens, headers and languages are those of every page."""

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class LenderHere:
    """Who is signed in, and for which institution."""

    account: Account
    actor: DeskActor
    institution_name: str
    institution_kind: str


def at_desk(
    *roles: str,
) -> Callable[
    [Callable[Concatenate[LenderHere, datetime, Arguments], ResponseReturnValue]],
    Callable[Arguments, ResponseReturnValue],
]:
    """Let a view run for an active person of an active institution who holds one of `roles`; none named: whoever.

    The view has no transaction: what it shows, it reads from the API.
    """

    def decorate(
        view: Callable[Concatenate[LenderHere, datetime, Arguments], ResponseReturnValue],
    ) -> Callable[Arguments, ResponseReturnValue]:
        @functools.wraps(view)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
            now = utc_now()
            here, suspended = _who(now)
            if here is None:
                return see_other(flask.url_for("portal.bank.sign_in"))
            flask.g.person = here.account.display_name
            flask.g.quarter = Quarter(HOME, SIGN_OUT, list)
            if suspended:
                title = gettext("Your institution is suspended")
                return page("problem.html", status=403, title=title, detail=gettext("Ask the operator of CreditLink."))
            flask.g.quarter = Quarter(HOME, SIGN_OUT, lambda: navigation(here.actor))
            if roles and not here.actor.roles & set(roles):
                raise NotFound  # a page that a role may not see is not there for it
            return view(here, now, *args, **kwargs)

        return guarded

    return decorate


HOME = "portal.bank.home"
SIGN_OUT = "portal.bank.sign_out"
_MENU = (
    ("portal.bank.firms", "lender"),
    ("portal.bank.applications", "lender"),
    ("portal.bank.objections", "lender"),
    ("portal.bank.products", "product_editor"),
    ("portal.bank.overlay", "product_editor"),
    ("portal.bank.software", "desk_admin"),
    ("portal.bank.people", "desk_admin"),
    ("portal.bank.keys", None),
)


def navigation(actor: DeskActor) -> list[tuple[str, str]]:
    """Return the pages of the roles that somebody holds, each with its label."""
    labels = {
        "portal.bank.firms": gettext("Firms"),
        "portal.bank.applications": gettext("Applications"),
        "portal.bank.objections": gettext("Objections"),
        "portal.bank.products": gettext("Products"),
        "portal.bank.overlay": gettext("Overlay"),
        "portal.bank.software": gettext("Software and use"),
        "portal.bank.people": gettext("Colleagues"),
        "portal.bank.keys": gettext("Security keys"),
    }
    return [(page, labels[page]) for page, role in _MENU if role is None or role in actor.roles]


def _who(now: datetime) -> tuple[LenderHere | None, bool]:
    """Return who asks, and whether their institution is suspended; a session of the desk that is no more is ended."""
    account_id = browser().account_id
    if account_id is None:
        return None, False
    with db.transaction(viewer=db.Viewer(account_id=account_id)) as session:
        account, person = session.get(Account, account_id), session.get(DeskPerson, account_id)
        if account is None or person is None or account.status != "active" or person.status != "active":
            if account is None or account.role == KIND:  # a link to the desk signs nobody else out
                browser().end()
            return None, False
        institution = session.get_one(Institution, person.institution_id)
    began, strong_at = browser().created_at, browser().strong_at
    # A session from before roles changed, or from before a suspension, is nobody's.
    if strong_at is None or (began is not None and began < person.changed_at):
        browser().end()
        return None, False
    actor = DeskActor(
        account.id, account.login, account.display_name, frozenset(person.roles), institution.id, institution.code
    )
    name = institution.name_zh if lang() == "zh" else institution.name_en
    return LenderHere(account, actor, name, institution.kind), institution.status != "active"


def show(template: str, *, status: int = 200, **values: object) -> ResponseReturnValue:
    """Render one of the desk's pages; instants of the API come as texts."""
    return page(f"bank/{template}", status=status, instant=datetime.fromisoformat, **values)


@blueprint.errorhandler(ApiRefused)
def show_refusal(refused: ApiRefused) -> ResponseReturnValue:
    """Show what the API refused, and nothing else."""
    status = refused.status if refused.status in (403, 404, 409, 412, 422, 429, 503) else 403
    return show("refused.html", status=status, title=gettext("This is not possible"), refused=in_words(refused))


def in_words(refused: ApiRefused) -> str:
    """Return a refusal as the lender reads it."""
    texts = {
        "revoked": gettext("The firm withdrew its consent. Nothing of it is shown any more."),
        "paused": gettext("The firm paused its consent. Nothing of it is shown until it resumes."),
        "expired": gettext("The consent has expired. Ask the firm again."),
        "exhausted": gettext("The consent is used up. Ask the firm again."),
        "invalid_client": gettext(
            "The access of your institution's desk is suspended. Ask the operator of CreditLink."
        ),
        "invalid_grant": gettext("The consent is over, or paused. Nothing of it is shown any more."),
        "own_work": gettext("Whoever wrote it cannot check it: a colleague does."),
    }
    if refused.status == 401 and refused.code not in texts:
        return str(texts["invalid_grant"])
    if refused.status == 404:
        return str(gettext("It does not exist, has ended, or belongs to somebody else."))
    if refused.errors:
        return "; ".join(f"{one.get('pointer', '')} {one.get('detail', '')}".strip() for one in refused.errors)
    return str(texts.get(refused.code, refused.detail))
