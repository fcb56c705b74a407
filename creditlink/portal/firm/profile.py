"""The firm's own credit profile: how it stands, why, what would raise its grade, and what would open a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.engine.profile.live_model import LiveModel
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import runtime
from creditlink.portal.firm.firms import chosen, firms_of
from creditlink.portal.site import blueprint, lang, page, settings, signed_in
from creditlink.products.service import book_of
from creditlink.profiles import wire
from creditlink.profiles.tables import Profile
from creditlink.records.coverage import CategoryCoverage

EARLIER = 10
_NEAR = 3


@dataclass(frozen=True)
class SourceShown:
    """One kind of data: whether it was there for the profile, and if not, why."""

    label: str
    status: str
    is_there: bool
    months: int
    last_month: str


@blueprint.get("/profile")
@signed_in
def profile(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the newest profile that was made of the firm, whoever had it made, and the earlier ones in a line each.

    It is the firm's own: it stays readable when the consent behind it is over, until its data life is.
    """
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.args.get("enterprise"))
    if firm is None:
        return page("profile.html", firms=firms, firm=None, newest=None)
    rows = _made(session, firm)
    if not rows:
        return page("profile.html", firms=firms, firm=firm, newest=None)
    newest, institution = rows[0]
    return page(
        "profile.html",
        firms=firms,
        firm=firm,
        newest=newest,
        institution=institution,
        earlier=rows[1:],
        summary=newest.summary,
        sources=_sources(newest.coverage),
        widest=max((abs(row["points_contribution"]) for row in newest.summary["dimensions"]), default=1.0) or 1.0,
        **_better(session, newest),
    )


def _made(session: Session, firm: Enterprise) -> list[tuple[Profile, str]]:
    name = Institution.name_zh if lang() == "zh" else Institution.name_en
    query = (
        select(Profile, name)
        .join(Institution, Institution.id == Profile.institution_id)
        .where(Profile.enterprise_id == firm.id)
        .order_by(Profile.created_at.desc(), Profile.id.desc())
        .limit(EARLIER + 1)
        .options(undefer(Profile.explanation), undefer(Profile.registration), undefer(Profile.asked))
    )
    return [(row, told) for row, told in session.execute(query)]


def _sources(coverage: Mapping[str, CategoryCoverage]) -> list[SourceShown]:
    """Return what the profile was made from, and what was missing and why, in the catalogue's order."""
    words = {
        "delivered": gettext("there"),
        "partial": gettext("there in part: the source delivered only some of it"),
        "not_granted": gettext("missing: you did not share it"),
        "not_requested": gettext("missing: the lender did not ask for it this time"),
        "not_connected": gettext("missing: no office is connected for it yet"),
        "pending": gettext("missing: the source had not answered yet"),
        "no_record": gettext("missing: the source has no record of your firm"),
        "denied": gettext("missing: the source refused"),
        "timeout": gettext("missing: the source did not answer in time"),
        "source_down": gettext("missing: the source was down"),
    }
    return [
        SourceShown(
            label=CATEGORIES[name].text(lang())[0],
            status=str(words.get(entry["status"], entry["status"])),
            is_there=entry["status"] in ("delivered", "partial"),
            months=int(entry.get("months") or 0),
            last_month=str(entry.get("last_month", "")),
        )
        for name, entry in coverage.items()
    ]


def _better(session: Session, made: Profile) -> dict[str, Any]:
    """Return what would raise the grade and open the nearest products; nothing where another model is in use by now."""
    live = runtime.part(LiveModel)
    if made.summary.get("partial"):
        return {"improvements": None, "near": []}
    if made.state != "scored" or (made.model_id, made.model_sha256) != (live.model_id, live.sha256):
        return {"improvements": None, "near": []}
    book = book_of(session, settings(), made.asked["products"])
    codes = [match["product"] for match in made.products["near_misses"][:_NEAR]]
    return {
        "improvements": wire.improvements(made, live),
        "near": [found for code in codes if (found := wire.unlocked(made, code, book, live))["opens"]],
    }
