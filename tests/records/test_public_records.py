"""Public credit: asked for under every consent, kept with its legal basis, and never in anybody's way."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from creditlink.audit.tables import AuditEntry
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.records import coverage
from creditlink.records.connectors.offices.public_credit import PublicCreditConnector
from creditlink.records.pulls import fetching, pull
from creditlink.records.pulls.delivery import Delivery, Fact, ResourceResult
from creditlink.records.sources import Circuit, SourceConfig
from creditlink.records.tables import FactRow, PullPart, RejectedRow
from tests import factories as make
from tests.records import samples
from tests.records.conftest import config_for
from tests.records.test_opened_categories import event

NOW = utc_now()
LISTED = add_months(month_start(NOW.date()), -70)


class PublicCreditPlatform:
    """A platform that answers at once: one listing of years ago, or nothing while it is down."""

    source = "public_credit"

    def __init__(self) -> None:
        self.is_up = True
        self.asked: list[tuple[date, date]] = []
        self.also: list[Fact] = []

    def fetch(self, uscc: str, *, since: date, until: date, proceed) -> Delivery:
        self.asked.append((since, until))
        if not self.is_up:
            return Delivery.failed(self.source, "DOWN", "the platform answers 503")
        facts = [event(LISTED), *self.also]
        return Delivery(self.source, facts, resources={"events": ResourceResult(rows=len(facts), total=len(facts))})

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def platform(offices):
    """The process's sources with the public credit platform among them."""
    source = SourceConfig("public_credit", ("public_credit",), "http://127.0.0.1:1", timedelta(hours=24), {})
    offices.config = replace(offices.config, sources={**offices.config.sources, "public_credit": source})
    offices.frames["public_credit"] = PublicCreditConnector.frames
    offices.connectors["public_credit"] = PublicCreditPlatform()
    offices.circuits["public_credit"] = Circuit("public_credit", failures=50, reset_seconds=60)
    return offices.connectors["public_credit"]


@pytest.fixture
def consent(empty_database):
    """A live consent to the tax records alone."""
    with db.transaction("owner") as session:
        return make.make_consent(session, wanted=("tax",), now=NOW - timedelta(minutes=1))


def parts(consent) -> dict[str, str]:
    with db.transaction("worker") as session:
        newest = select(PullPart.source, PullPart.status).order_by(PullPart.finished_at)
        return {row.source: row.status for row in session.execute(newest)}


def judged(consent, at):
    with db.transaction("api", viewer=db.Viewer(institution_id=consent.institution_id)) as session:
        db.enter(session, db.Viewer(consent_id=consent.id))
        return pull.ensure_fresh(session, consent, at, categories=consent.categories)


def waiting_jobs() -> int:
    with db.transaction("owner") as session:
        return session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'records.pull_consent'"))


def test_is_asked_for_whatever_is_granted_and_beyond_the_look_back(platform, offices, consent):
    fetching.run_pull(consent.id, offices, utc_now)
    assert parts(consent) == {"tax": "DELIVERED", "public_credit": "DELIVERED"}
    [(since, until)] = platform.asked  # the month of today is one of the 120
    assert (since, until) == (add_months(month_start(day_of(NOW)), -119), day_of(NOW))
    with db.transaction("worker") as session:
        rows = session.execute(select(FactRow.category, FactRow.period).where(FactRow.source == "public_credit"))
        assert [tuple(row) for row in rows] == [("public_credit", LISTED)]
        found = coverage.coverage(session, consent, as_of=day_of(NOW), now=utc_now())
    assert (found["public_credit"]["status"], found["public_credit"]["rows"]) == ("delivered", 1)
    assert found["public_credit"]["granted"]
    assert found["electricity"]["status"] == "not_granted"


def test_the_evidence_names_the_law_and_not_a_grant(platform, offices, consent):
    fetching.run_pull(consent.id, offices, utc_now)
    with db.transaction("owner") as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "records.pull")).all()
    told = {entry.detail["source"]: entry.detail for entry in entries}
    assert told["public_credit"]["categories"] == ["public_credit"]
    assert "Dishonest Judgment Debtors" in told["public_credit"]["by_law"]["public_credit"]
    assert "by_law" not in told["tax"]


def test_while_it_is_down_the_others_go_on_and_nobody_waits_for_it_again(platform, offices, consent):
    platform.is_up = False
    fetching.run_pull(consent.id, offices, utc_now)
    assert parts(consent) == {"tax": "DELIVERED", "public_credit": "DOWN"}
    before = waiting_jobs()
    # Its failure is no longer good for anything, and it is asked again; the profile goes on meanwhile.
    later = utc_now() + offices.config.retry_soon + timedelta(seconds=1)
    state = judged(consent, later)
    assert state.state == "fresh"
    assert (state.sources["public_credit"].status, state.sources["public_credit"].whole) == ("DOWN", False)
    assert waiting_jobs() == before + 1
    assert coverage.not_delivered(state, {"tax", "public_credit"}) == {}
    platform.is_up = True
    fetching.run_pull(consent.id, offices, lambda: later)
    assert parts(consent)["public_credit"] == "DELIVERED"


def test_it_stands_for_nothing_that_was_granted(platform, offices, consent, city):
    """With every granted source down, public records alone are no ground for a profile."""
    from tests.records.test_pull import failing

    city.spoil = failing("tax")
    fetching.run_pull(consent.id, offices, utc_now)
    assert parts(consent) == {"tax": "DOWN", "public_credit": "DELIVERED"}
    assert judged(consent, utc_now()).state == "failed"


def test_it_is_waited_for_until_it_has_answered_once(platform, offices, consent):
    state = judged(consent, utc_now())
    assert state.state == "pending"
    assert set(state.sources) == {"tax", "public_credit"}


@pytest.mark.parametrize("stray", [samples.meter(LISTED, "gas"), samples.payroll(LISTED)])
def test_a_source_cannot_bring_in_what_it_is_not_for(platform, offices, consent, stray):
    platform.also = [stray]
    fetching.run_pull(consent.id, offices, utc_now)
    assert parts(consent) == {"tax": "DELIVERED", "public_credit": "PARTIAL"}
    with db.transaction("owner") as session:
        held = session.execute(select(FactRow.source, FactRow.category).distinct()).all()
        [row] = session.scalars(select(RejectedRow))
        part = session.scalars(select(PullPart).where(PullPart.source == "public_credit")).one()
    assert {tuple(one) for one in held} == {("tax", "tax"), ("public_credit", "public_credit")}
    assert (part.rows, part.rejected, part.error) == (2, 1, "(connector): 1 facts of the connector were refused")
    assert (row.source, row.field, row.excerpt) == ("public_credit", "frame", stray.frame)
    assert row.reason == f"of category {stray.category}, but the source is configured for public_credit"


def test_without_the_platform_the_coverage_says_that_none_is_connected(offices, consent):
    assert "public_credit" not in config_for("http://127.0.0.1:1").sources
    with db.transaction("worker") as session:
        found = coverage.coverage(session, consent, as_of=day_of(NOW), now=NOW)
    assert (found["public_credit"]["granted"], found["public_credit"]["status"]) == (True, "not_connected")
