"""From a contribution back to what it was computed from: the indicator, its facts, their pulls, their offices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import polars as pl
from sqlalchemy.orm import Session

from creditlink.engine.explanation.lineage import FrameReading, IndicatorReading, Span, reading_of
from creditlink.engine.facts.catalogue import CATEGORIES, DataCategory
from creditlink.engine.facts.frames import FRAME_CATEGORY, FRAME_SCHEMAS
from creditlink.engine.facts.relief import RELIEVED
from creditlink.engine.facts.relief_policies import ReliefPolicy, policies_of
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.vocabulary import SUPPLIES, UTILITY
from creditlink.kit.clock import add_months, month_start, start_of_day
from creditlink.kit.errors import InvalidRequest
from creditlink.profiles.lineage import facts
from creditlink.profiles.lineage.facts import OfficeAnswer, ReadFact
from creditlink.profiles.tables import Profile

MOST_FACTS = 500
"""Facts of one answer at most."""


@dataclass(frozen=True)
class LineageQuery:
    """Of which indicator, and a place in the list of its facts."""

    indicator: str
    limit: int
    cursor: str | None = None


@dataclass(frozen=True)
class ReferenceValue:
    """A number of the model's industry table that the indicator is compared with."""

    name: str
    value: float | None  # None: another model made the profile than the one in use, whose table is not at hand


@dataclass(frozen=True)
class Lineage:
    """Where one indicator's value comes from."""

    profile: Profile
    indicator: str
    reading: IndicatorReading
    facts: tuple[ReadFact, ...]  # this page
    total: int  # facts on all pages
    gone: int  # facts of the whole profile that were purged since
    next_cursor: str | None
    answers: tuple[OfficeAnswer, ...]
    registered: tuple[date, date] | None  # the registry's entry: valid from, known on
    reference: tuple[ReferenceValue, ...]
    relief: tuple[ReliefPolicy, ...]  # policies that the due days of these facts were under

    @property
    def share(self) -> tuple[float | None, float, float]:
        """Return the indicator's value, its contribution, and that in points."""
        value, contribution, points = self.profile.explanation["indicators"][self.indicator]
        return value, contribution, points


def lineage_of(
    session: Session, profile: Profile, query: LineageQuery, *, live: LiveModel, consent_id: UUID | None
) -> Lineage:
    """Return where an indicator of a stored profile comes from, as far as the transaction's viewer may see it.

    Parameters
    ----------
    profile : with its explanation, registration and the ids of its facts
    live : the model in use
    consent_id : a bank learns of the pulls of its own consent only; None: of all, as the firm itself may.

    Raises
    ------
    InvalidRequest
        The profile has no such indicator, or the cursor is none of this list.
    """
    name = query.indicator
    if name not in profile.explanation["indicators"] or name not in BY_NAME:
        raise InvalidRequest(errors=[{"pointer": "/indicator", "detail": f"the profile has no indicator {name!r}"}])
    reading = reading_of(name)
    own = profile.asked["uploads"]["fact_ids"] if "uploads" in profile.asked else []
    read = facts.facts_read(
        session,
        profile.enterprise_id,
        profile.fact_ids,
        reading,
        as_of=profile.as_of,
        consent_id=consent_id,
        uploaded=own,
    )
    begin = _begin(query.cursor, len(read))
    end = begin + query.limit
    return Lineage(
        profile=profile,
        indicator=name,
        reading=reading,
        facts=tuple(read[begin:end]),
        total=len(read),
        gone=facts.count_gone(session, profile.enterprise_id, profile.fact_ids, own),
        next_cursor=str(end) if end < len(read) else None,
        answers=tuple(
            facts.answers_before(session, profile.consent_id, sorted({one.source for one in read}), profile.created_at)
        ),
        registered=_registered(session, profile, reading),
        reference=_reference(profile, reading, live),
        relief=_relief(profile, reading),
    )


def _begin(cursor: str | None, total: int) -> int:
    """Return the place that a cursor names: a profile's facts never change, so a place stays one."""
    if cursor is None:
        return 0
    place = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= 9 else 0
    if not 0 < place < total or str(place) != cursor:
        raise InvalidRequest(errors=[{"pointer": "/cursor", "detail": "is not a cursor of this list"}])
    return place


def _registered(session: Session, profile: Profile, reading: IndicatorReading) -> tuple[date, date] | None:
    if not reading.registration:
        return None
    day_after = start_of_day(profile.as_of + timedelta(days=1))
    return facts.registered_since(
        session, profile.enterprise_id, as_of=profile.as_of, known_before=day_after, at=profile.created_at
    )


def _reference(profile: Profile, reading: IndicatorReading, live: LiveModel) -> tuple[ReferenceValue, ...]:
    known: dict[str, float] = {}
    if reading.reference and live.scored(profile.model_id, profile.model_sha256):
        industry = pl.Series([profile.registration["industry"]], dtype=FRAME_SCHEMAS["registration"]["industry"])
        known = {name: float(column[0]) for name, column in live.reference.columns(industry).items()}
    return tuple(ReferenceValue(name.removeprefix("reference:"), known.get(name)) for name in reading.reference)


def _relief(profile: Profile, reading: IndicatorReading) -> tuple[ReliefPolicy, ...]:
    """Return the policies that the profile applied to due days which the indicator reads."""
    due = {one.frame for one in reading.frames if "due_on" in one.columns}
    return tuple(
        policy
        for policy in policies_of(profile.asked.get("relief", []))
        if any(frame in due for payment in policy.payments for frame, _ in RELIEVED[payment])
    )


def frames_json(one: FrameReading, as_of: date) -> list[dict[str, object]]:
    """Return what is read of one frame, in words that a program and a person can follow: of each office by itself."""
    category = FRAME_CATEGORY[one.frame]
    if category != UTILITY:
        return [_frame_json(one, CATEGORIES[category], list(one.kinds) or None, one.spans, as_of)]
    # A company for each supply holds these rows, and a consent grants each by itself.
    read = {supply: {span for span in one.spans or () if span.kind in (None, supply)} for supply in SUPPLIES}
    return [
        _frame_json(one, CATEGORIES[supply], [supply], spans, as_of)
        for supply, spans in read.items()
        if spans or one.spans is None
    ]


def _frame_json(
    one: FrameReading, category: DataCategory, kinds: list[str] | None, spans: Collection[Span] | None, as_of: date
) -> dict[str, object]:
    months = sorted({(span.last, span.first) for span in spans or ()}, reverse=True)
    this = month_start(as_of)
    return {
        "frame": one.frame,
        "category": category.code,
        "office": category.source,
        "office_zh": category.owner_zh,
        "office_en": category.owner_en,
        "columns": list(one.columns),
        "kinds": kinds,
        "months": [
            {"first_month": f"{add_months(this, -last):%Y-%m}", "last_month": f"{add_months(this, -first):%Y-%m}"}
            for last, first in months
        ],
    }
