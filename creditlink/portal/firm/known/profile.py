"""The firm's own credit profile: its grade, why, what would raise it, and what would open a product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.consents.agreement.categories import label_of
from creditlink.consents.agreement.limits import OWN
from creditlink.engine.profile.live_model import LiveModel
from creditlink.enterprises.relations import words
from creditlink.enterprises.relations.graph import guarantee_circles, steps_beside, ways_to_revoked
from creditlink.enterprises.relations.reading import around_mine
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import day_of
from creditlink.kit.errors import NotFound
from creditlink.kit.processes import runtime
from creditlink.overlays.application import overlay_of
from creditlink.portal.firm.firms import chosen, firms_of
from creditlink.portal.firm.known import reviews
from creditlink.portal.firm.known.better import better_of
from creditlink.portal.firm.known.scale import bands, history, odds, out_of
from creditlink.portal.firm.records.disputes.register import entries_of
from creditlink.portal.site import blueprint, lang, page, signed_in
from creditlink.profiles.disclosures import evidence
from creditlink.profiles.reliance.contested.service import contested_of
from creditlink.profiles.reliance.endings.service import endings_of
from creditlink.profiles.tables import Profile
from creditlink.records.coverage import CategoryCoverage

EARLIER = 30


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
    """Show a profile of the firm, the newest unless one is named, whoever asked for it, and the others in lines.

    It is the firm's own: it stays readable when the consent behind it is over, until its data life is.
    """
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.args.get("enterprise"))
    if firm is None:
        return page("firm/profile.html", firms=firms, firm=None, newest=None)
    related, registered = _related(session, firm, now), entries_of(session, firm, now)
    rows = _profiles_of(session, firm)
    if not rows:
        return page("firm/profile.html", firms=firms, firm=firm, newest=None, related=related, registered=registered)
    newest, institution = _named(rows, flask.request.args.get("profile"))
    _note_look(session, account, newest, now)
    scale = runtime.part(LiveModel).rules.scale
    chances = None if newest.pd_12m is None else (*out_of(newest.pd_12m), odds(newest.pd_12m))
    return page(
        "firm/profile.html",
        firms=firms,
        firm=firm,
        newest=newest,
        institution=institution,
        earlier=[one for one in rows if one[0] is not newest],
        is_own=is_own(newest.institution_id),
        summary=newest.summary,
        sources=_sources(newest.coverage),
        widest=max((abs(row["points_contribution"]) for row in newest.summary["dimensions"]), default=1.0) or 1.0,
        better=better_of(session, newest),
        bands=bands(scale),
        doubling=scale.points_to_double,
        chances=chances,
        drawing=history([(row.created_at, row.points) for row, _ in reversed(rows)], gettext("Points")),
        sole_trader=newest.registration["entity_type"] == "sole_trader",
        related=related,
        registered=registered,
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


def _named(rows: Sequence[tuple[Profile, str]], named: str | None) -> tuple[Profile, str]:
    if named is None:
        return rows[0]
    wanted = ids.internal("prf", named)
    for row in rows:
        if row[0].id == wanted:
            return row
    raise NotFound


def _note_look(session: Session, account: Account, seen: Profile, now: datetime) -> None:
    """Leave evidence that somebody of the firm looked at what was made for the firm itself."""
    if not is_own(seen.institution_id):
        return
    audit.record(
        session,
        action="own.profile",
        result="disclosed",
        actor=f"account:{account.id}",
        now=now,
        enterprise_id=seen.enterprise_id,
        institution_id=seen.institution_id,
        client_id=seen.client_id,
        consent_id=seen.consent_id,
        purpose=OWN,
        detail={
            "profile": ids.external("prf", seen.id),
            **evidence.delivered(seen.coverage),
            "contents": {ids.external("prf", seen.id): seen.content_sha256},
        },
    )


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
