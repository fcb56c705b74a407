"""A profile made over HTTP, and many more like it: other firms, with indicators drawn as a test says."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import insert, select

from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids
from creditlink.kit.clock import start_of_day
from creditlink.kit.postgres import db
from creditlink.lifecycle import history
from creditlink.lifecycle.tables import PurposeStanding
from creditlink.profiles.tables import Profile
from creditlink.watch.rules import settings as watch_settings
from creditlink.watch.rules.reference import reference_of
from creditlink.watch.rules.settings import FILE, parse
from tests import factories as make
from tests.decisions.conftest import kept
from tests.oauth.conftest import approve, make_bank
from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = [
    "approve", "authorized", "bank", "city", "created", "delivered", "firm", "http", "kept", "make_bank", "products",
    "rich_firm",
]  # fmt: skip

FALL_BACK = "scorecard-2026f"


@pytest.fixture
def in_use(settings, monkeypatch):
    """The register as a sandbox takes it over: the champion live for a year, the scorecard in the shadow.

    A reference of fewer firms than the rules want, as a test does not have that many.
    """
    rules = parse(settings.read_toml(FILE))
    # Firms that are all alike are not the city's: they are held against their own first days.
    monkeypatch.setattr(
        "creditlink.watch.tasks.reference_for", lambda model, _: replace(reference_of(model), phases={}, days=())
    )
    monkeypatch.setattr(watch_settings, "parse", lambda _: replace(rules, baseline_firms=200))

    def take_over(now, *, since=timedelta(days=365)):
        with db.transaction("owner") as session:
            entries = history.read_entries(settings.models_dir)
            history.take_over(session, settings.models_dir, entries, actor="operator", serve=settings.model, now=now)
            for row in session.scalars(select(PurposeStanding).where(PurposeStanding.status == "live")):
                row.since_at = now - since

    return take_over


@pytest.fixture
def many(created):
    """Return a function that adds profiles of other firms on a day, and says how many."""
    _, first = created()
    firms = []

    def add(count, day, *, shift=0.0, seed=0, points_shift=0, of_one_firm=False):
        """Indicators move by `shift` of their size, points by `points_shift`."""
        rng = np.random.default_rng(seed)
        with db.transaction("owner") as session:
            known = session.scalars(select(Enterprise).limit(1)).one()
            template = session.get_one(Profile, ids.internal("prf", first["id"]))
            values = template.columns()
            one = {name: getattr(known, name) for name in (column.name for column in Enterprise.__table__.columns)}
            new = [one | {"id": uuid4(), "uscc": make.make_uscc()} for _ in range(count - len(firms))]
            if new:
                session.execute(insert(Enterprise), new)
                firms.extend(one["id"] for one in new)
            chosen = firms[:1] * count if of_one_firm else firms[:count]
            rows = []
            for number, enterprise_id in enumerate(chosen):
                explanation = copy.deepcopy(values["explanation"])
                for place, one in enumerate(explanation["indicators"].values()):
                    if one[0] is not None:
                        size = abs(one[0]) or 1.0
                        one[0] += size * (float(rng.normal()) + (shift if place % 2 else 0.0))
                points = 620 + float(rng.normal(0, 40)) + points_shift
                rows.append(
                    values
                    | {
                        "id": uuid4(), "enterprise_id": enterprise_id, "as_of": day, "explanation": explanation,
                        "points": round(points), "created_at": start_of_day(day) + timedelta(hours=10, seconds=number),
                    }
                )  # fmt: skip
            session.execute(insert(Profile), rows)
        return count

    add.first = first
    return add
