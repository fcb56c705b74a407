"""Pulls on the real database, against offices on real sockets."""

import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import event, func, select, text

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.records import coverage, sources, store
from creditlink.records.pulls import fetching, pull
from creditlink.records.sources import Sources
from creditlink.records.tables import FactRow, Pull, PullPart, RejectedRow, SourceHealth
from tests import factories as make
from tests.records.conftest import FACTS_OF_A_FIRM, MONTHS, config_for
from tests.records.offices import Reply


def run(consent, offices, clock=utc_now, **more):
    fetching.run_pull(consent.id, offices, clock, **more)


def statuses(consent):
    with db.transaction("worker") as session:
        rows = session.execute(
            select(PullPart.source, PullPart.status)
            .join(Pull)
            .where(Pull.consent_id == consent.id)
            .order_by(Pull.requested_at)
        )
        return dict(rows.all())


def count(table):
    with db.transaction("worker") as session:
        return session.scalar(select(func.count()).select_from(table))


def state(consent, now=None):
    with db.transaction("worker") as session:
        return pull.state_now(session, consent, now or utc_now())


def covered(consent, now=None):
    now = now or utc_now()
    with db.transaction("worker") as session:
        return coverage.coverage(session, consent, as_of=day_of(now), now=now)


def jobs_named(name):
    with db.transaction("owner") as session:
        rows = session.execute(
            text("SELECT args, scheduled_at FROM procrastinate_jobs WHERE task_name = :name AND status = 'todo'"),
            {"name": name},
        )
        return rows.all()


def failing(*names, reply=None):
    return lambda source, _asked: (reply or Reply(500, b"")) if source in names else None


def change(consent, action, **values):
    with db.transaction("owner") as session:
        action(session, consent, actor="account:test", reason="test", now=utc_now(), **values)


class TestAPull:
    def test_every_granted_source_is_asked_and_its_facts_are_stored(self, consent, offices):
        run(consent, offices)
        assert statuses(consent) == dict.fromkeys(("tax", "social_security", "electricity"), "DELIVERED")
        assert count(FactRow) == FACTS_OF_A_FIRM
        assert state(consent).state == "fresh"
        with db.transaction("worker") as session:
            records = store.record_sets(
                session,
                [consent.enterprise_id],
                categories=consent.categories,
                since=pull.look_back(consent, utc_now())[0],
                as_of=day_of(utc_now()),
            )
        assert records.payroll_months.height == MONTHS
        assert records.invoice_months.height == 2 * MONTHS

    def test_repeated_it_adds_nothing(self, consent, offices):
        run(consent, offices)
        run(consent, offices, clock=lambda: utc_now() + timedelta(days=5))
        assert count(Pull) == 2
        assert count(FactRow) == FACTS_OF_A_FIRM

    def test_nothing_is_asked_while_all_is_fresh(self, consent, offices, desk):
        run(consent, offices)
        asked = len(desk.asked)
        run(consent, offices)
        assert len(desk.asked) == asked
        assert count(Pull) == 1

    def test_a_correction_adds_a_row(self, consent, offices, city):
        run(consent, offices)
        city.corrected = True
        run(consent, offices, clock=lambda: utc_now() + timedelta(days=8))
        assert count(FactRow) == FACTS_OF_A_FIRM + 1

    def test_only_the_granted_sources_are_asked_and_only_for_the_look_back(self, empty_database, offices, desk):
        with db.transaction("owner") as session:
            consent = make.make_consent(
                session,
                now=utc_now() - timedelta(minutes=1),
                categories=("registration", "social_security"),
                optional_categories=("tax", "electricity"),
                history_months=3,
            )
        run(consent, offices)
        assert {a.path for a in desk.asked} == {"/sbj/payroll"}
        since, until = pull.look_back(consent, utc_now())
        assert desk.asked[0].query["from"] == f"{since:%Y-%m}"
        assert desk.asked[0].query["to"] == f"{until:%Y-%m}"
        # What the office sent beyond the range is not covered by the consent: it is kept aside.
        assert count(FactRow) == 3
        assert count(RejectedRow) == MONTHS - 3

    def test_it_leaves_a_trace_for_the_firm(self, consent, offices):
        run(consent, offices)
        with db.transaction("owner") as session:
            entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "records.pull")).all()
        assert {e.detail["source"] for e in entries} == {"tax", "social_security", "electricity"}
        assert all(e.enterprise_id == consent.enterprise_id and len(e.detail["digest"]) == 64 for e in entries)


class TestFaults:
    @pytest.mark.parametrize(
        ("reply", "status", "shown"),
        [
            (Reply(500), "DOWN", "source_down"),
            (Reply(504), "TIMEOUT", "timeout"),
            (Reply(401), "DENIED", "denied"),
            (Reply(404, b'<error code="NO_RECORD">none</error>'), "NO_RECORD", "no_record"),
        ],
    )
    def test_one_source_fails_and_the_others_deliver(self, consent, offices, city, reply, status, shown):
        city.spoil = failing("social_security", reply=reply)
        run(consent, offices)
        assert statuses(consent) == {"tax": "DELIVERED", "social_security": status, "electricity": "DELIVERED"}
        found = covered(consent)
        assert found["social_security"]["status"] == shown
        assert found["tax"]["status"] == "delivered"
        assert found["tax"]["months"] == MONTHS
        assert found["public_credit"] == {
            "granted": True,  # by law
            "status": "not_connected",
            "source": None,
            "rows": 0,
            "months": 0,
        }
        assert found["registration"]["status"] == "delivered"
        assert state(consent).state == "fresh"

    def test_all_sources_fail(self, consent, offices, city):
        city.spoil = failing("tax", "social_security", "electricity")
        run(consent, offices)
        found = state(consent)
        assert found.state == "failed"
        assert {s.status for s in found.sources.values()} == {"DOWN"}
        assert found.sources["tax"].error.startswith("zzssb: the office answers 500")

    def test_facts_of_before_stay_usable_and_are_marked_stale(self, consent, offices, city):
        run(consent, offices)
        city.spoil = failing("tax", "social_security", "electricity")
        later = utc_now() + timedelta(days=10)
        run(consent, offices, clock=lambda: later)
        found = state(consent, later)
        assert found.state == "fresh"
        assert all(s.stale and s.status == "DOWN" for s in found.sources.values())
        tax = covered(consent, later)["tax"]
        assert (tax["status"], tax["stale"], tax["rows"]) == ("source_down", True, 4 * MONTHS)

    def test_a_failed_source_is_asked_again_later_by_the_worker(self, consent, offices, city):
        city.spoil = failing("electricity")
        run(consent, offices)
        [job] = jobs_named("records.retry_pull")
        assert job.args == {"consent_id": str(consent.id)}
        assert timedelta(seconds=50) < job.scheduled_at - utc_now() <= timedelta(seconds=60)
        city.spoil = failing()
        run(consent, offices, clock=lambda: utc_now() + timedelta(minutes=1), trigger="retry")
        assert statuses(consent)["electricity"] == "DELIVERED"
        assert count(FactRow) == FACTS_OF_A_FIRM

    def test_the_next_profile_asks_a_failed_source_again(self, consent, offices, city):
        city.spoil = failing("electricity")
        run(consent, offices)
        assert state(consent).state == "fresh"
        soon = utc_now() + timedelta(seconds=20)
        assert state(consent, soon).state == "pending"

    def test_malformed_rows_are_kept_aside_with_their_place(self, consent, offices, city):
        def break_a_row(source, asked):
            if source != "social_security":
                return None
            spoil, city.spoil = city.spoil, failing()
            reply = city.answer(asked)
            city.spoil = spoil
            return Reply(body=reply.body.replace(b"<headcount>10<", b"<headcount>n/a<", 1))

        city.spoil = break_a_row
        run(consent, offices)
        with db.transaction("worker") as session:
            row = session.scalars(select(RejectedRow)).one()
        assert (row.source, row.position, row.field, row.excerpt) == (
            "social_security",
            "page 1 row 0",
            "headcount",
            "n/a",
        )
        assert count(FactRow) == FACTS_OF_A_FIRM - 1
        assert covered(consent)["social_security"]["rejected"] == 1
        city.spoil = failing()
        run(consent, offices, clock=lambda: utc_now() + timedelta(days=8))
        assert count(FactRow) == FACTS_OF_A_FIRM

    @pytest.mark.parametrize(
        ("source", "found", "instead"),
        [
            ("social_security", rb"<headcount>10<", b"<headcount>&#0;<"),
            ("social_security", rb"<dueOn>....-", b"<dueOn>9999-"),
            ("tax", rb'"lrsj": ?"....', b'"lrsj": "0001'),
            ("tax", rb'"lsh": ?"', rb'"lsh": "\u0000'),
            ("tax", rb'"lsh": ?"', rb'"lsh": "\ud800'),
            ("electricity", rb"\r\n[^,]+,0", b"\r\na\x00b,0"),
        ],
    )
    def test_a_row_with_an_impossible_value_is_one_row_kept_aside(self, consent, offices, city, source, found, instead):
        changed = []

        def break_a_row(asked_source, asked):
            if asked_source != source or changed:
                return None
            spoil, city.spoil = city.spoil, failing()
            reply = city.answer(asked)
            city.spoil = spoil
            body, count = re.subn(found, lambda _: instead, reply.body, count=1)
            changed.extend([True] * count)
            return replace(reply, body=body)

        city.spoil = break_a_row
        run(consent, offices)
        assert changed
        assert statuses(consent) == dict.fromkeys(("tax", "social_security", "electricity"), "DELIVERED")
        assert count(RejectedRow) == 1

    def test_a_bug_in_one_connector_does_not_stop_the_others(self, consent, offices, monkeypatch):
        class Broken:
            source = "tax"

            def fetch(self, *_args, **_more):
                raise ZeroDivisionError

        monkeypatch.setitem(offices.connectors, "tax", Broken())
        run(consent, offices)
        assert statuses(consent) == {"tax": "DOWN", "social_security": "DELIVERED", "electricity": "DELIVERED"}

    def test_a_source_that_keeps_failing_is_left_alone_for_a_while(self, consent, desk, city):
        opened = Sources(config_for(desk.url, circuit_failures=2, circuit_reset_seconds=90))
        sources.configure(opened)
        city.spoil = failing("electricity")
        now, asked = utc_now(), []
        opened.circuits["electricity"].report(ok=False, firm="another")  # one firm alone would open it for nobody
        try:
            # The second and third find the circuit open; the fourth comes after it has reset.
            for minutes in (0, 0.5, 1, 3):
                run(consent, opened, clock=lambda minutes=minutes: now + timedelta(minutes=minutes))
                asked.append(len(desk.asked))
        finally:
            opened.close()
            sources.configure(None)
        assert [later - earlier for earlier, later in pairwise(asked)] == [0, 0, 2]
        assert statuses(consent)["electricity"] == "DOWN"

    def test_the_health_of_the_offices_is_told(self, consent, offices, city, client):
        city.spoil = failing("electricity")
        run(consent, offices)
        response = client.get("/v1/sources")
        assert response.status_code == 200
        found = {row["source"]: row for row in response.json["items"]}
        assert (found["electricity"]["state"], found["electricity"]["success_rate"]) == ("down", 0.0)
        assert (found["tax"]["state"], found["tax"]["success_rate"]) == ("up", 1.0)
        assert found["tax"]["p50_seconds"] > 0


def open_to(session, consent):
    """What `live_consent` leaves in the transaction's settings."""
    db.enter(session, db.Viewer(consent_id=consent.id, institution_id=consent.institution_id))


class TestEnsuringFreshness:
    def test_the_first_ask_queues_one_pull_and_later_ones_join_it(self, consent, offices):
        with db.transaction("api") as session:
            open_to(session, consent)
            first = pull.ensure_fresh(session, consent, utc_now())
        with db.transaction("api") as session:
            open_to(session, consent)
            second = pull.ensure_fresh(session, consent, utc_now())
        assert first.state == second.state == "pending"
        assert first.pull_id == second.pull_id
        assert first.wire_id.startswith("pul_")
        assert {s.status for s in first.sources.values()} == {"READY"}
        # The approval of the consent queued one, this one the other; they take turns.
        assert len(jobs_named("records.pull_consent")) == 2
        run(consent, offices)
        assert state(consent).state == "fresh"
        assert count(Pull) == 1

    def test_a_consent_without_sources_is_fresh_at_once(self, empty_database, offices):
        with db.transaction("owner") as session:
            consent = make.make_consent(
                session,
                now=utc_now() - timedelta(minutes=1),
                categories=("registration",),
                optional_categories=("tax", "social_security", "electricity"),
            )
        with db.transaction("api") as session:
            assert pull.ensure_fresh(session, consent, utc_now()).state == "fresh"
        assert jobs_named("records.pull_consent")[0].args == {"consent_id": str(consent.id)}
        run(consent, offices)
        assert count(Pull) == 0

    def test_old_facts_are_fetched_again(self, consent, offices):
        run(consent, offices)
        later = utc_now() + timedelta(hours=73)
        found = state(consent, later)
        assert found.state == "pending"
        assert found.sources["tax"].status == "READY"


class TestConsent:
    @pytest.mark.parametrize("action", [consents.pause, consents.revoke])
    def test_a_dead_consent_asks_nobody(self, consent, offices, desk, action):
        with db.transaction("api") as session:
            open_to(session, consent)
            pull.ensure_fresh(session, consent, utc_now())
        change(consent, action)
        run(consent, offices)
        assert desk.asked == []
        assert count(FactRow) == 0
        with db.transaction("worker") as session:
            assert session.scalars(select(Pull.status)).one() == "STOPPED"

    def test_what_arrives_after_a_revocation_is_thrown_away(self, consent, offices, city):
        def revoke_meanwhile(source, _asked):
            if source == "social_security":
                city.spoil = failing()
                change(consent, consents.revoke)

        city.spoil = revoke_meanwhile
        run(consent, offices)
        with db.transaction("worker") as session:
            assert session.scalars(select(Pull.status)).one() == "STOPPED"
            stored = session.scalar(
                select(func.count()).select_from(FactRow).where(FactRow.source == "social_security")
            )
        assert stored == 0

    def test_a_resumed_consent_is_pulled_in_full(self, consent, offices, city):
        def pause_meanwhile(source, _asked):
            if source == "social_security":
                city.spoil = failing()
                change(consent, consents.pause)

        city.spoil = pause_meanwhile
        run(consent, offices)
        change(consent, consents.resume)
        run(consent, offices)
        assert count(FactRow) == FACTS_OF_A_FIRM
        assert state(consent).state == "fresh"


def test_a_dead_workers_parts_are_asked_again_and_finished_ones_are_not(consent, offices, desk, city):
    """What a killed worker leaves: one part done, one begun, one untouched."""
    with db.transaction("worker") as session:
        pull.open_pull(session, consent, ["tax", "social_security", "electricity"], trigger="consent", now=utc_now())
        session.execute(text("UPDATE pull_parts SET status = 'PENDING', attempt = 1 WHERE source = 'tax'"))
        session.execute(
            text(
                "UPDATE pull_parts SET status = 'DELIVERED', attempt = 1, finished_at = now()"
                " WHERE source = 'electricity'"
            )
        )
    run(consent, offices)
    assert "electricity" not in {c for a in desk.asked for c in a.path.split("/")}
    assert not any("electricity" in a.path for a in desk.asked)
    with db.transaction("worker") as session:
        attempts = dict(session.execute(select(PullPart.source, PullPart.attempt)).all())
        assert session.scalars(select(Pull.status)).one() == "DONE"
        assert session.scalars(select(SourceHealth.name)).all()
    assert attempts == {"tax": 2, "social_security": 1, "electricity": 1}


class TestAPullThatEndsMeanwhile:
    """Between the two statements that join the open pull, its worker closes it."""

    @pytest.fixture
    def ends_meanwhile(self, consent, empty_database):
        """Close the open pull once, as soon as somebody has tried to open another."""
        engine = empty_database.engine("worker")
        ended = []

        def end(_connection, _cursor, statement, *_rest):
            if statement.startswith("INSERT INTO pulls ") and not ended:
                ended.append(statement)
                with empty_database.transaction("owner") as session:
                    now = ", began_at = now(), finished_at = now()"
                    session.execute(text(f"UPDATE pull_parts SET status = 'DELIVERED', rows = 1{now}"))
                    session.execute(text("UPDATE pulls SET status = 'DONE', finished_at = now()"))

        event.listen(engine, "after_cursor_execute", end)
        yield ended
        event.remove(engine, "after_cursor_execute", end)

    def test_who_waited_for_it_finds_the_records_fresh(self, consent, offices, ends_meanwhile):
        with db.transaction("owner") as session:
            pull.open_pull(
                session, consent, ("tax", "social_security", "electricity"), trigger="consent", now=utc_now()
            )
        with db.transaction("worker") as session:
            found = pull.ensure_fresh(session, consent, utc_now())
        assert ends_meanwhile
        assert found.state == "fresh"
        assert count(Pull) == 1

    def test_a_worker_that_wanted_to_join_it_does_not_ask_twice(self, consent, offices, desk, ends_meanwhile):
        with db.transaction("owner") as session:
            pull.open_pull(
                session, consent, ("tax", "social_security", "electricity"), trigger="consent", now=utc_now()
            )
        run(consent, offices)
        assert ends_meanwhile
        assert count(Pull) == 1
        assert count(FactRow) == 0
