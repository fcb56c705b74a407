"""Taking a consent back: what stops and what stays is said before, and deletion is offered in the same place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.life.rules import ALIVE
from creditlink.consents.tables import Consent
from creditlink.decisions.classes import RetentionClass
from creditlink.decisions.kept import classes_of
from creditlink.enterprises.tables import Account
from creditlink.financing.applications.states import FINAL, LENT
from creditlink.financing.tables import Application
from creditlink.institutions.own import is_own
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import day_of
from creditlink.portal.firm.financing.words import name
from creditlink.portal.firm.home import own_consent
from creditlink.portal.site import blueprint, lang, page, see_other, settings, signed_in

OF_A_CONSENT = ("facts", "profiles", "decision_record", "evidence", "consents", "reviews", "papers")
"""The classes of `config/retention.toml` that hold what comes of one consent."""


@dataclass(frozen=True)
class Fate:
    """What becomes of one kind of data: when the firm withdraws, and when it asks for deletion too."""

    holds: str
    withdrawn: str  # goes | in_time | sealed | stays
    deleted: str
    until: str | None  # the last day, where it is kept by years
    told: str


@blueprint.get("/consents/<consent_id>/withdraw")
@signed_in
def withdrawal(session: Session, account: Account, now: datetime, consent_id: str) -> ResponseReturnValue:
    """Ask once more before a consent ends for good: what stops, what stays until when, and what can be deleted."""
    firm, consent = own_consent(session, account, consent_id, now)
    if consent.state_at(now) not in ALIVE:  # over in the meantime: there is nothing to confirm
        return see_other(flask.url_for("portal.consent", consent_id=consent.wire_id))
    application = session.scalars(select(Application).where(Application.consent_id == consent.id)).one_or_none()
    return page(
        "consents/withdraw.html",
        firm=firm,
        consent=consent,
        institution=name(session.get_one(Institution, consent.institution_id)),
        own=is_own(consent.institution_id),
        stops=_stops(consent),
        fates=[_fate(classes_of(settings()).of(one), now) for one in OF_A_CONSENT],
        loan=application is not None and application.state in LENT,
        asked=application is not None and application.state not in FINAL | LENT,
        request_id=ids.external("fin", application.request_id) if application else None,
    )


def _stops(consent: Consent) -> list[str]:
    """Return what nobody can do any more under a consent, by what it allowed."""
    stops = [
        gettext("Fetching: no office is asked for your data under this consent any more."),
        gettext("Profiles: no new one can be computed, and those that exist can no longer be read."),
        gettext("Explanations, product matches and everything else that belongs to a profile."),
    ]
    if "monitor" in consent.actions:
        stops.append(gettext("Watching: nobody is told of changes in your data any more."))
    stops.append(gettext("Learning: what is sealed no longer teaches a scoring model."))
    return stops


def _fate(one: RetentionClass, now: datetime) -> Fate:
    zh = lang() == "zh"
    return Fate(
        holds=one.holds_zh if zh else one.holds_en,
        withdrawn=one.on_withdrawal,
        deleted=one.on_deletion,
        until=day_of(one.until(now)).isoformat() if one.years is not None else None,
        told=one.told_zh if zh else one.told_en,
    )
