"""The firm's own credit profile: its grade, why, what would raise it, and what would open a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.consents.agreement.categories import label_of
from creditlink.engine.profile.live_model import LiveModel
from creditlink.enterprises.relations import words
from creditlink.enterprises.relations.graph import guarantee_circles, steps_beside, ways_to_revoked
from creditlink.enterprises.relations.reading import around_mine
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of
from creditlink.kit.processes import runtime
from creditlink.overlays.application import overlay_of
from creditlink.portal.firm.firms import chosen, firms_of
from creditlink.portal.firm.known import reviews
from creditlink.portal.site import blueprint, lang, page, settings, signed_in
from creditlink.products.service import book_of
from creditlink.profiles import wire
from creditlink.profiles.reliance.contested.service import contested_of
from creditlink.profiles.reliance.endings.service import endings_of
from creditlink.profiles.tables import Profile
from creditlink.records.coverage import CategoryCoverage

EARLIER = 10
_NEAR = 3


@dataclass(frozen=True)
class SourceShown:
    """One kind of data: whether the profile had it, and if not, why."""

    label: str
    status: str
    is_there: bool
    months: int
    last_month: str


@dataclass(frozen=True)
class RelatedShown:
    """What ties a firm to others: ways to revoked firms, firms beside it (name, tie, over whom), circles' sizes."""

    ways: list[str]
    ties: list[tuple[str, str, str]]
    circles: list[int]


@blueprint.get("/profile")
@signed_in
def profile(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the firm's newest profile, whoever asked for it, and the earlier ones in a line each.

    It is the firm's own: it stays readable when the consent behind it is over, until its data life is.
    """
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.args.get("enterprise"))
    if firm is None:
        return page("firm/profile.html", firms=firms, firm=None, newest=None)
    related = _related(session, firm, now)
    rows = _profiles_of(session, firm)
    if not rows:
        return page("firm/profile.html", firms=firms, firm=firm, newest=None, related=related)
    newest, institution = rows[0]
    improvements, near = _better(session, newest)
    return page(
        "firm/profile.html",
        firms=firms,
        firm=firm,
        newest=newest,
        institution=institution,
        earlier=rows[1:],
        summary=newest.summary,
        sources=_sources(newest.coverage),
        widest=max((abs(row["points_contribution"]) for row in newest.summary["dimensions"]), default=1.0) or 1.0,
        improvements=improvements,
        near=near,
        related=related,
        overlay=overlay_of(session, newest),  # only where its lender lets the firm see it
        review=reviews.shown_of(session, newest, now),
        contested=contested_of(session, [newest]).get(newest.id, []),
        ended=endings_of(session, [newest.id]).get(newest.id),
    )


def _related(session: Session, firm: Enterprise, now: datetime) -> RelatedShown:
    """Return what ties the firm to others: what the register publishes, and its own guarantees."""
    around = around_mine(session, firm.id, day=day_of(now), known_at=now)
    own = 0 if lang() == "zh" else 1
    sentence = words.sentence_zh if lang() == "zh" else words.sentence_en
    return RelatedShown(
        ways=[sentence(way) for way in ways_to_revoked(around)],
        ties=[
            (step.firm.name, words.KINDS[step.kind][own], words.through_of(step) or "") for step in steps_beside(around)
        ],
        circles=[len(circle) for circle in guarantee_circles(around)],
    )


def _profiles_of(session: Session, firm: Enterprise) -> list[tuple[Profile, str]]:
    label = Institution.name_zh if lang() == "zh" else Institution.name_en
    query = (
        select(Profile, label)
        .join(Institution, Institution.id == Profile.institution_id)
        .where(Profile.enterprise_id == firm.id)
        .order_by(Profile.created_at.desc(), Profile.id.desc())
        .limit(EARLIER + 1)
        .options(undefer(Profile.explanation), undefer(Profile.registration), undefer(Profile.asked))
    )
    return [(row, name) for row, name in session.execute(query)]


def _sources(coverage: Mapping[str, CategoryCoverage]) -> list[SourceShown]:
    """Return what data the profile had, and what was missing and why, in the catalogue's order."""
    words = {
        "delivered": gettext("there"),
        "partial": gettext("partly available: the source delivered only some of it"),
        "not_granted": gettext("missing: you did not share it"),
        "not_requested": gettext("missing: the lender did not ask for it this time"),
        "not_connected": gettext("missing: no source is connected yet"),
        "pending": gettext("missing: the source had not answered yet"),
        "no_record": gettext("missing: the source has no record of your firm"),
        "denied": gettext("missing: the source refused"),
        "timeout": gettext("missing: the source did not answer in time"),
        "source_down": gettext("missing: the source was down"),
        "uploaded": gettext("uploaded by your firm, not confirmed by the tax office"),
    }
    rows = []
    for name, entry in coverage.items():
        status, months = str(entry["status"]), entry.get("months")
        rows.append(
            SourceShown(
                label=label_of(name, lang()),
                status=str(words.get(status, status)),
                is_there=status in ("delivered", "partial", "uploaded"),
                months=months if isinstance(months, int) else 0,
                last_month=str(entry.get("last_month", "")),
            )
        )
    return rows


def _better(session: Session, profile: Profile) -> tuple[Mapping[str, object] | None, list[Mapping[str, object]]]:
    """Return what would raise the grade and open the nearest products; nothing where the model has changed since."""
    live = runtime.part(LiveModel)
    if profile.summary.get("partial"):
        return None, []
    if profile.state != "scored" or not live.scored(profile.model_id, profile.model_sha256):
        return None, []
    book = book_of(session, settings(), profile.asked["products"])
    codes = [match["product"] for match in profile.products["near_misses"][:_NEAR]]
    near = [wire.unlocked(profile, code, book, live) for code in codes]
    return wire.improvements(profile, live), [one for one in near if one["opens"]]
