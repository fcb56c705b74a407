"""What an office said under one consent serves another living one of the firm; who may read is by consent, as ever."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.records import coverage, sources, store
from creditlink.records.offices.budget import CallLimits
from creditlink.records.pulls import fetching, pull, reuse
from creditlink.records.sources import Sources
from creditlink.records.tables import FactRow, Pull, PullPart
from tests import factories as make
from tests.records.conftest import FACTS_OF_A_FIRM, QUICK, config_for
from tests.records.offices import Reply


def run(consent, offices, clock=utc_now):
    fetching.run_pull(consent.id, offices, clock)


def parts_of(consent):
    with db.transaction("worker") as session:
        found = session.scalars(
            select(PullPart).join(Pull).where(Pull.consent_id == consent.id).order_by(PullPart.finished_at)
        ).all()
        session.expunge_all()
    return {part.source: part for part in found}


@pytest.fixture
def consent(empty_database, request):
    """The first consent of a firm."""
    with db.transaction("owner") as session:
        made = make.make_consent(session, now=utc_now() - timedelta(minutes=1), **getattr(request, "param", {}))
        session.expunge_all()
    return made


@pytest.fixture
def second(consent):
    """Another consent of the same firm, to another bank."""

    def give(**changes):
        with db.transaction("owner") as session:
            firm = session.get_one(Consent, consent.id).enterprise_id
            made = make.make_consent(
                session,
                now=utc_now() - timedelta(minutes=1),
                enterprise=session.get_one(Enterprise, firm),
                **changes,
            )
            session.expunge_all()
        return made

    return give


def test_a_second_bank_costs_the_offices_nothing(consent, second, offices, desk):
    run(consent, offices)
    first = parts_of(consent)
    desk.asked.clear()
    other = second()
    run(other, offices)
    assert desk.asked == []
    again = parts_of(other)
    assert {part.status for part in again.values()} == {"DELIVERED"}
    for name, part in again.items():
        assert part.reused_pull_id == first[name].pull_id
        assert (part.answered_at, part.digest, part.new_rows) == (first[name].finished_at, first[name].digest, 0)
    with db.transaction("worker") as session:
        assert session.scalar(select(func.count()).select_from(FactRow)) == FACTS_OF_A_FIRM
        records = store.record_sets(
            session, [other.enterprise_id], categories=other.categories, as_of=day_of(utc_now()),
            since=pull.look_back(other, utc_now())[0],
        )  # fmt: skip
        assert records.payroll_months.height == 6
        found = coverage.coverage(session, other, as_of=day_of(utc_now()), now=utc_now())
    assert found["tax"]["status"] == "delivered"


def test_the_evidence_says_that_no_call_was_made(consent, second, offices):
    run(consent, offices)
    other = second()
    run(other, offices)
    with db.transaction("owner") as session:
        of_other = AuditEntry.consent_id == other.id, AuditEntry.action.like("records.%")
        entries = session.scalars(select(AuditEntry).where(*of_other)).all()
        assert [entry.action for entry in entries] == ["records.reuse"] * 3
        for entry in entries:
            assert entry.detail["new_call"] is False
            assert entry.detail["because"] == "fresh"
            assert entry.detail["answered_at"] == parts_of(consent)[entry.detail["source"]].finished_at.isoformat()


def test_what_was_fetched_grows_old_all_the_same(consent, second, offices, desk):
    """Fresh is counted from the office's answer, not from its second use."""
    begin = utc_now()
    run(consent, offices)
    other = second()
    run(other, offices, lambda: begin + timedelta(hours=71))
    desk.asked.clear()
    run(other, offices, lambda: begin + timedelta(hours=71, minutes=30))
    assert desk.asked == []
    with db.transaction("worker") as session:
        state = pull.state_now(session, other, begin + timedelta(hours=72, minutes=1))
    assert state.state == "pending"
    run(other, offices, lambda: begin + timedelta(hours=72, minutes=1))
    assert {part.reused_pull_id for part in parts_of(other).values()} == {None}
    assert desk.asked


@pytest.mark.parametrize(("months", "reused"), [(12, True), (24, True), (36, False)])
def test_what_looks_back_further_is_asked_for(consent, second, offices, months, reused):
    run(consent, offices)
    other = second(history_months=months)
    run(other, offices)
    assert {part.reused_pull_id is not None for part in parts_of(other).values()} == {reused}


@pytest.mark.parametrize(
    "consent",
    [{"categories": ("registration", "tax"), "optional_categories": ("social_security", "electricity")}],
    indirect=True,
)
def test_a_category_that_the_first_did_not_grant_is_asked_for(consent, second, offices):
    run(consent, offices)
    other = second()
    run(other, offices)
    found = {name: part.reused_pull_id is not None for name, part in parts_of(other).items()}
    assert found == {"tax": True, "social_security": False, "electricity": False}


def test_another_firms_answers_never_serve(consent, offices, desk):
    run(consent, offices)
    with db.transaction("owner") as session:
        stranger = make.make_consent(session, now=utc_now() - timedelta(minutes=1))
        session.expunge_all()
    run(stranger, offices)
    assert {part.reused_pull_id for part in parts_of(stranger).values()} == {None}


def test_what_the_firm_took_back_serves_nobody(consent, second, offices, desk):
    run(consent, offices)
    with db.transaction("owner") as session:
        consents.revoke(session, consent, actor="account:test", reason="test", now=utc_now())
    other = second()
    run(other, offices)
    assert {part.reused_pull_id for part in parts_of(other).values()} == {None}


@pytest.mark.parametrize("consent", [{"data_life_days": 1}], indirect=True)
def test_nor_does_what_is_beyond_its_data_life(consent, second, offices):
    begin = utc_now()
    run(consent, offices)
    other = second()
    run(other, offices, lambda: begin + timedelta(hours=25))
    assert {part.reused_pull_id for part in parts_of(other).values()} == {None}


def test_what_failed_or_was_incomplete_is_asked_again(consent, second, offices, city, desk):
    city.spoil = lambda source, _asked: Reply(500) if source == "tax" else None
    run(consent, offices)
    city.spoil = lambda _source, _asked: None
    other = second()
    run(other, offices)
    found = parts_of(other)
    assert (found["tax"].reused_pull_id, found["tax"].status) == (None, "DELIVERED")
    assert found["electricity"].reused_pull_id is not None


@pytest.fixture
def patient(desk):
    """This process's sources, which wait for an office as long as a pull within its answer takes."""
    opened = Sources(config_for(desk.url, limits=replace(QUICK, read_seconds=60, total_seconds=90, firm_seconds=120)))
    sources.configure(opened)
    yield opened
    opened.close()
    sources.configure(None)


def test_two_banks_at_once_ask_once(consent, second, patient, desk, city):
    """A pull that finds the office being asked for its firm waits for that answer."""
    other = second()
    met = []

    def meanwhile(source, _asked):
        if source == "social_security" and not met:
            met.append(source)
            run(other, patient)
        return

    city.spoil = meanwhile
    run(consent, patient)
    assert met
    assert parts_of(other)["social_security"].status == "READY"
    run(other, patient)
    assert parts_of(other)["social_security"].reused_pull_id is not None
    assert len([one for one in desk.asked if "payroll" in one.path]) == 1


def test_health_counts_the_offices_answers_and_not_their_second_use(consent, second, offices):
    run(consent, offices)
    run(second(), offices)
    with db.transaction("worker") as session:
        rows = session.execute(
            text("SELECT source, answers FROM creditlink_source_health(now() - interval '1 hour')")
        ).all()
    assert dict(rows) == {"tax": 1, "social_security": 1, "electricity": 1, None: 3}


def answered(consent, source, now, **values):
    """Store an answer of a source that no office of this test speaks for."""
    with db.transaction("owner") as session:
        since, until = pull.look_back(consent, now)
        made = Pull(
            consent_id=consent.id, enterprise_id=consent.enterprise_id, trigger="consent", status="DONE", since=since,
            until=until, requested_at=now, finished_at=now,
        )  # fmt: skip
        session.add(made)
        session.flush()
        session.add(
            PullPart(
                pull_id=made.id, source=source, attempt=1, rows=1, new_rows=1, rejected=0, resources={},
                **{"status": "DELIVERED", "finished_at": now} | values,
            )
        )  # fmt: skip


@pytest.mark.parametrize(("category", "serves"), [("public_credit", True), ("contract", False)])
def test_what_is_public_by_law_needs_no_grant_of_either(consent, second, category, serves):
    now = utc_now()
    answered(consent, category, now)
    other = second()
    wanted = reuse.WantedCall(
        other.id, other.enterprise_id, category, (category,), pull.look_back(other, now)[0], timedelta(hours=1), None
    )
    with db.transaction("worker") as session:
        assert (reuse.find(session, wanted, now + timedelta(minutes=1)) is not None) == serves
        assert reuse.find(session, wanted, now + timedelta(hours=1)) is None


class TestEqualCalls:
    @pytest.fixture
    def offices(self, desk):
        config = config_for(desk.url)
        tax = replace(config.sources["tax"], calls=CallLimits(equal_per_day=2), fresh=timedelta(seconds=30))
        opened = Sources(replace(config, sources=dict(config.sources) | {"tax": tax}))
        sources.configure(opened)
        yield opened
        opened.close()
        sources.configure(None)

    def test_the_third_equal_call_of_a_day_is_the_last_answer_again(self, consent, offices, desk):
        noon = utc_now().replace(hour=4, minute=0) + timedelta(days=1)  # in Shanghai: all of it is one day
        answers = []
        for minutes in (0, 1, 2, 3):
            run(consent, offices, lambda m=minutes: noon + timedelta(minutes=m))
            answers.append(len([one for one in desk.asked if "zzssb" in one.path]))
        assert answers == [1, 2, 2, 2]
        newest = parts_of(consent)["tax"]
        assert (newest.status, newest.answered_at) == ("DELIVERED", noon + timedelta(minutes=1))
        with db.transaction("worker") as session:
            state = pull.state_now(session, consent, noon + timedelta(minutes=3, seconds=1))
        # Whoever asks is not kept waiting for what the office will not say today; that it is old, is said.
        assert state.state == "fresh"
        assert state.sources["tax"].stale
        run(consent, offices, lambda: noon + timedelta(days=1))
        assert len([one for one in desk.asked if "zzssb" in one.path]) == 3
