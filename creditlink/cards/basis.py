"""What a card can say of a firm today: the register, its newest own profile and its records, under its own consent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.cards.rules.facts import FRAMES, INDICATORS, CardBasis, RecordedRow
from creditlink.cards.rules.settings import CardSettings
from creditlink.consents.service import live_consent
from creditlink.consents.tables import Consent
from creditlink.engine.features.compute import compute
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import add_months, day_of
from creditlink.profiles.service import newest_under
from creditlink.profiles.tables import Profile
from creditlink.records.coverage import coverage
from creditlink.records.pulls import pull
from creditlink.records.store import read_inputs

_IN_FULL = ("delivered", "no_record")
"""Answers that leave nothing open; that there is no record of the firm is one of them."""
_GRADE_MONTHS = 12
"""How old the tax office's newest standing may be, as for the indicator of the same name."""


def registered(firm: Enterprise, now: datetime) -> CardBasis:
    """Return what the register alone says."""
    return CardBasis(
        today=day_of(now),
        name=firm.name,
        uscc=firm.uscc,
        region=firm.region,
        industry=firm.industry,
        entity_type=firm.entity_type,
        status=firm.status,
        established_on=firm.established_on,
    )


def basis_of(session: Session, firm: Enterprise, access: Access, settings: CardSettings, *, now: datetime) -> CardBasis:
    """Return everything that a card of this firm is made from today.

    Raises
    ------
    ConsentRefused
        The firm's consent to itself is not in force.
    """
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now)
    since, today = pull.look_back(consent, now)
    inputs = read_inputs(session, [firm.id], categories=consent.categories, since=since, as_of=today)
    answers = coverage(session, consent, as_of=today, now=now, inputs=inputs)
    answered = {
        name: day_of(datetime.fromisoformat(str(entry["fresh_at"])))
        for name, entry in answers.items()
        if entry["granted"] and entry["status"] in _IN_FULL and not entry.get("stale") and entry.get("fresh_at")
    }
    row = compute(inputs.records, today).row(0, named=True)
    known = registered(firm, now)
    scored = _scored(session, consent, settings, now)
    if scored is not None:
        known = replace(known, grade=scored.grade, points=scored.points, scored_on=scored.as_of)
    return replace(
        known,
        indicators={name: row[name] for name in INDICATORS},
        answered=answered,
        newest=_newest({name: inputs.records.frame(name) for name in FRAMES}, answered, today),
    )


def _scored(session: Session, consent: Consent, settings: CardSettings, now: datetime) -> Profile | None:
    """Return the firm's newest own profile, where it has a score and is not too old."""
    newest = newest_under(session, consent.id)
    if newest is None or newest.grade is None or newest.created_at + timedelta(days=settings.profile_days) <= now:
        return None
    return newest


def _newest(frames: Mapping[str, pl.DataFrame], answered: Mapping[str, date], today: date) -> dict[str, RecordedRow]:
    """Return the newest row of each frame whose office answered in full, unless it is too old to be told."""
    found = {}
    for name, frame in frames.items():
        known = frame.filter(pl.col("known_on") <= today).sort("period", "known_on")
        if "tax" not in answered or not known.height:
            continue
        row = known.row(-1, named=True)
        if row["period"] > add_months(today, -_GRADE_MONTHS - 1):
            found[name] = RecordedRow(row, row["known_on"])
    return found
