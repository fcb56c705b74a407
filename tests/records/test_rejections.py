"""Rows that did not read: one entry a record, sent back to its source, closed by the source's own correction."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise

import httpx
import polars as pl
import pytest
from click.testing import CliRunner
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.audit.tables import AuditEntry
from creditlink.cli import sources as commands
from creditlink.consents import service as consents
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.records import store
from creditlink.records.connectors.fields import row_id
from creditlink.records.pulls import fetching
from creditlink.records.pulls import pull as pulls
from creditlink.records.pulls.delivery import Delivery, Reject, ResourceResult, RowId
from creditlink.records.rejections import desk, handed, identity
from creditlink.records.tables import Pull, RejectedRow
from creditlink.retention import purge
from tests import factories as make
from tests.oauth import flow
from tests.records.offices import Reply

SCOPES = "operation:read operation:write"


def bad(
    record="R-1", version=0, *, field="headcount", value="n/a", resource="payroll", position="page 1 row 0", sha="a"
):
    row = None if sha is None else RowId(record, version, sha)
    return Reject.of("social_security", resource, position, field, value, "not a whole number", row=row)


def delivery(*rejects, accepted=None, status="DELIVERED", resource="payroll"):
    return Delivery(
        "social_security",
        rejects=list(rejects),
        resources={resource: ResourceResult(status=status)},
        accepted={} if accepted is None else {resource: accepted},
    )


@pytest.fixture
def give(consent):
    """Store a delivery of a new pull of a consent, a day after the one before."""
    day = iter(range(1000))

    def run(one, *, held=None, since=None):
        now = utc_now() + timedelta(seconds=next(day))
        with db.transaction("worker") as session:
            live = consents.live_for_work(session, (held or consent).id, now=now)
            for opened in session.scalars(select(Pull).where(Pull.consent_id == live.id, Pull.status == "OPEN")):
                opened.status, opened.finished_at = "DONE", now
            session.flush()
            pull_id = pulls.open_pull(session, live, ["social_security"], trigger="operator", now=now)
            if since is not None:
                session.get_one(Pull, pull_id).since = since
                session.flush()
            store.save_delivery(session, one, enterprise_id=live.enterprise_id, pull_id=pull_id, now=now)
        return pull_id

    return run


def entries():
    with db.transaction("owner") as session:
        return session.scalars(select(RejectedRow).order_by(RejectedRow.id)).all()


def only():
    (row,) = entries()
    return row


class TestOneEntryARecord:
    def test_the_same_bad_row_met_again_is_the_same_entry(self, give):
        first = give(delivery(bad()))
        second = give(delivery(bad(position="page 7 row 12")))
        row = only()
        assert (row.times, row.state, row.position, row.record_id) == (2, "open", "page 7 row 12", "R-1")
        assert row.recorded_at < row.seen_at
        assert (first != second, row.pull_id) == (True, second)

    def test_a_job_that_runs_again_counts_once(self, give, consent):
        pull_id = give(delivery(bad()))
        with db.transaction("worker") as session:
            consents.live_for_work(session, consent.id, now=utc_now())
            store.save_delivery(
                session, delivery(bad()), enterprise_id=consent.enterprise_id, pull_id=pull_id, now=utc_now()
            )
        assert only().times == 1

    def test_another_version_of_the_record_is_the_same_entry_and_the_newest_is_told(self, give):
        give(delivery(bad(version=0, value="old"), bad(version=1, value="new")))
        assert (only().excerpt, only().row_version, only().times) == ("new", 1, 1)
        give(delivery(bad(version=0, value="old")))
        assert (only().excerpt, only().row_version, only().times) == ("new", 1, 2)

    def test_rows_without_an_id_are_known_by_their_content_wherever_they_stand(self, give):
        give(delivery(bad(None, None, sha="x"), bad(None, None, sha="y", position="page 1 row 1")))
        give(delivery(bad(None, None, sha="x", position="page 2 row 9")))
        assert sorted(row.times for row in entries()) == [1, 2]

    def test_rows_that_nobody_looked_at_are_known_by_place_and_fault(self, give):
        give(delivery(bad(sha=None), bad(sha=None, position="page 1 row 1")))
        give(delivery(bad(sha=None)))
        assert sorted(row.times for row in entries()) == [1, 2]

    def test_two_resources_may_use_one_id(self, give):
        give(delivery(bad(resource="a"), bad(resource="b")))
        assert len(entries()) == 2

    def test_two_firms_have_an_entry_each(self, give):
        with db.transaction("owner") as session:
            other = make.make_consent(session, now=utc_now() - timedelta(minutes=1))
            session.expunge_all()
        give(delivery(bad()))
        give(delivery(bad()), held=other)
        assert [row.times for row in entries()] == [1, 1]

    def test_two_consents_of_a_firm_share_it(self, give, consent):
        with db.transaction("owner") as session:
            other = make.make_consent(
                session, now=utc_now() - timedelta(minutes=1), account=session.get_one(Account, consent.granted_by),
                enterprise=session.get_one(Enterprise, consent.enterprise_id),
            )  # fmt: skip
            session.expunge_all()
        give(delivery(bad()))
        last = give(delivery(bad()), held=other)
        assert (only().times, only().pull_id) == (2, last)

    def test_no_office_floods_the_queue(self, give, monkeypatch):
        monkeypatch.setattr("creditlink.records.rejections.queue.MOST_OF_A_DELIVERY", 3)
        give(delivery(*(bad(f"R-{n}") for n in range(9))))
        assert len(entries()) == 3


class TestCorrection:
    def test_a_later_version_closes_it(self, give):
        give(delivery(bad()))
        give(delivery(bad(), accepted={"R-1": 1}))  # offices serve the wrong version for ever
        assert (only().state, only().note, only().changed_by) == ("corrected", identity.LATER_VERSION, "system")
        give(delivery(bad(), accepted={"R-1": 1}))
        assert (only().state, only().times) == ("corrected", 3)

    def test_the_same_record_accepted_later_closes_it(self, give):
        give(delivery(bad()))
        give(delivery(accepted={"R-1": 0}))
        assert (only().state, only().note) == ("corrected", identity.SAME_RECORD)

    def test_an_older_version_that_reads_does_not(self, give):
        give(delivery(bad(version=2)))
        give(delivery(bad(version=2), accepted={"R-1": 1}))
        assert only().state == "open"

    def test_a_row_that_was_corrected_before_anybody_saw_it_is_kept_as_such(self, give):
        give(delivery(bad(), accepted={"R-1": 1}))
        assert only().state == "corrected"

    def test_a_full_answer_without_the_row_closes_it(self, give):
        give(delivery(bad(None, None)))
        give(delivery())
        assert (only().state, only().note) == ("corrected", identity.NO_LONGER_SENT)

    @pytest.mark.parametrize("status", ["PARTIAL", "NO_RECORD", "DOWN", "TIMEOUT", "DENIED"])
    def test_an_answer_that_is_not_full_does_not(self, give, status):
        give(delivery(bad()))
        give(delivery(status=status))
        assert only().state == "open"

    def test_an_answer_for_fewer_months_does_not(self, give):
        give(delivery(bad()))
        give(delivery(), since=date(2099, 1, 1))
        assert only().state == "open"

    def test_what_another_resource_answers_does_not(self, give):
        give(delivery(bad()))
        give(delivery(resource="other"))
        assert only().state == "open"

    def test_what_was_corrected_and_comes_wrong_again_is_open_again(self, give):
        give(delivery(bad()))
        give(delivery())
        give(delivery(bad(value="again")))
        assert (only().state, only().excerpt, only().note, only().times) == ("open", "again", None, 2)

    @pytest.mark.parametrize(("before", "after"), [("sent", "corrected"), ("dismissed", "dismissed")])
    def test_what_was_sent_is_closed_and_what_was_dismissed_stays_so(self, give, before, after):
        give(delivery(bad()))
        with db.transaction("owner") as session:
            session.execute(text("UPDATE rejected_rows SET state = :s, note = 'why'"), {"s": before})
        give(delivery(bad()))
        assert (only().state, only().times) == (before, 2)
        give(delivery(accepted={"R-1": 0}))
        assert only().state == after

    def test_it_goes_with_the_consent_that_met_it_last(self, give, consent):
        give(delivery(bad()))
        with db.transaction("owner") as session:
            consents.revoke(session, session.merge(consent), actor="account:x", reason="by_the_firm", now=utc_now())
        with db.transaction("worker") as session:
            done = purge.purge_firm(
                session, consent.enterprise_id, issuer="http://127.0.0.1:8000", secret="x" * 40,
                now=utc_now() + timedelta(days=4000),
            )  # fmt: skip
        assert done.rows["rejected_rows"] == 1
        assert entries() == []


@pytest.mark.pure
class TestRowId:
    def test_reads_id_and_version_whatever_else_is_wrong(self):
        assert row_id({"id": "A", "v": "3", "x": "\ud800\0"}, "id", "v").version == 3
        assert row_id({"id": "A", "v": 3}, "id", "v").record_id == "A"

    @pytest.mark.parametrize(
        "fields",
        [
            None,
            7,
            "text",
            [],
            {},
            {"id": None},
            {"id": "a b"},
            {"id": "x" * 41},
            {"id": "编号"},
            {"id": ["A"]},
            {"id": "\ud800"},
        ],
    )
    def test_what_is_no_id_is_none_and_the_row_has_a_hash_still(self, fields):
        found = row_id(fields, "id", "v")
        assert (found.record_id, len(found.sha256)) == (None, 64)

    @pytest.mark.parametrize("version", [True, -1, 1.5, "1.5", "-1", "１", "9" * 99, 10**40, None, []])
    def test_what_is_no_version_is_none(self, version):
        assert row_id({"id": "A", "v": version}, "id", "v").version is None

    def test_rows_nested_without_end_have_a_hash(self):
        deep: list = []
        for _ in range(100_000):
            deep = [deep]
        assert len(row_id({"x": deep}, "id", "v").sha256) == 64

    def test_the_order_of_fields_does_not_matter(self):
        one, two = row_id({"a": 1, "b": 2}, "id", "v"), row_id({"b": 2, "a": 1}, "id", "v")
        assert one == two
        assert one != row_id({"a": 1, "b": 3}, "id", "v")


@pytest.fixture
def caller(app, empty_database, offices):
    """Return what makes a caller of an institution of some kind, with a token for some scope."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def make_caller(kind="operator", scope=SCOPES):
            return flow.caller(empty_database, http, scope, scopes=SCOPES.split(), kind=kind)

        yield make_caller


PATH = "/v1/sources/social_security/rejections"


class TestTheOperator:
    def test_pages_through_the_queue(self, caller, give, consent):
        give(delivery(*(bad(f"R-{n}") for n in range(5))))
        ask, found, cursor = caller(), [], ""
        for _ in range(3):
            page = ask("GET", f"{PATH}?limit=2{cursor}").json()
            found += [item["record_id"] for item in page["items"]]
            cursor = f"&cursor={page['next_cursor']}"
        assert page["next_cursor"] is None
        assert sorted(found) == [f"R-{n}" for n in range(5)]
        assert len(set(found)) == 5
        with db.transaction("owner") as session:
            uscc = session.scalar(text("SELECT uscc FROM enterprises WHERE id = :e"), {"e": consent.enterprise_id})
            counted = session.scalars(
                select(AuditEntry.detail).where(AuditEntry.action == "rejections.read").order_by(AuditEntry.seq)
            ).all()
        assert page["items"][0]["uscc"] == uscc
        assert [detail["count"] for detail in counted] == [2, 2, 1]

    def test_asks_for_a_state_or_a_resource(self, caller, give):
        give(delivery(bad("A"), bad("B", resource="other"), accepted={"A": 1}))
        ask = caller()
        assert [i["record_id"] for i in ask("GET", f"{PATH}?state=corrected").json()["items"]] == ["A"]
        assert [i["record_id"] for i in ask("GET", f"{PATH}?resource=other").json()["items"]] == ["B"]
        assert ask("GET", f"{PATH}?state=lost").status_code == 422

    def test_moves_an_entry_and_the_firms_chain_tells_of_it(self, caller, give, consent):
        give(delivery(bad()))
        ask = caller()
        (item,) = ask("GET", PATH).json()["items"]
        path = f"{PATH}/{item['id']}"
        sent = ask("POST", path, json={"state": "sent"})
        assert (sent.status_code, sent.json()["state"]) == (200, "sent")
        done = ask("POST", path, json={"state": "dismissed", "note": "测试数据"}).json()
        assert (done["state"], done["note"]) == ("dismissed", "测试数据")
        assert done["changed_by"].startswith("institution:")
        with db.transaction("owner") as session:
            acts = session.scalars(
                select(AuditEntry.action)
                .where(AuditEntry.chain_id == consent.enterprise_id, AuditEntry.action.like("rejection.%"))
                .order_by(AuditEntry.seq)
            ).all()
        assert acts == ["rejection.sent", "rejection.dismissed"]

    @pytest.mark.parametrize(
        ("before", "body", "status"),
        [
            ("open", {"state": "dismissed"}, 422),
            ("open", {"state": "dismissed", "note": "  "}, 422),
            ("open", {"state": "dismissed", "note": "\u0000"}, 422),
            ("open", {"state": "dismissed", "note": "x" * 401}, 422),
            ("open", {"state": "corrected"}, 422),
            ("open", {"state": "gone"}, 422),
            ("open", {}, 422),
            ("open", {"state": "open"}, 409),
            ("sent", {"state": "sent"}, 409),
            ("corrected", {"state": "open"}, 409),
            ("corrected", {"state": "dismissed", "note": "why"}, 409),
            ("dismissed", {"state": "open"}, 200),
            ("sent", {"state": "open"}, 200),
        ],
    )
    def test_each_move_is_allowed_or_says_why_not(self, caller, give, before, body, status):
        give(delivery(bad()))
        with db.transaction("owner") as session:
            session.execute(text("UPDATE rejected_rows SET state = :s, note = 'before'"), {"s": before})
        ask = caller()
        (item,) = ask("GET", PATH).json()["items"]
        answer = ask("POST", f"{PATH}/{item['id']}", json=body)
        assert answer.status_code == status, answer.text
        if status != 200:
            assert (only().state, only().note) == (before, "before")

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/sources/nowhere/rejections",
            "/v1/sources/nowhere/rejections/rej_" + "0" * 31 + "1",
            f"{PATH}/rej_" + "0" * 31 + "7",
            f"{PATH}/rej_" + "f" * 32,
            f"{PATH}/1",
        ],
    )
    def test_what_is_not_there_is_not_found(self, caller, path):
        method = "GET" if path.endswith("rejections") else "POST"
        more = {} if method == "GET" else {"json": {"state": "sent"}}
        assert caller()(method, path, **more).status_code == 404

    def test_an_entry_of_another_source_is_not_found(self, caller, give):
        give(delivery(bad()))
        ask = caller()
        (item,) = ask("GET", PATH).json()["items"]
        answer = ask("POST", f"/v1/sources/tax/rejections/{item['id']}", json={"state": "sent"})
        assert (answer.status_code, only().state) == (404, "open")

    @pytest.mark.parametrize("cursor", ["x", "rej_", "rej_" + "f" * 32, "1"])
    def test_a_cursor_of_no_list_is_refused(self, caller, cursor):
        assert caller()("GET", f"{PATH}?cursor={cursor}").status_code == 422

    def test_a_lender_sees_nothing(self, caller, give):
        give(delivery(bad()))
        ask = caller(kind="bank")
        assert ask("GET", PATH).status_code in (403, 404)

    def test_without_the_scope_nothing_is_moved(self, caller, give):
        give(delivery(bad()))
        ask = caller(scope="operation:read")
        (item,) = ask("GET", PATH).json()["items"]
        assert ask("POST", f"{PATH}/{item['id']}", json={"state": "sent"}).status_code == 403
        assert only().state == "open"

    def test_everybody_sees_how_many_wait(self, client, offices, give):
        give(delivery(bad("A"), bad("B"), bad("C"), accepted={"C": 1}))
        items = {i["source"]: i["rejections"] for i in client.get("/v1/sources").json["items"]}
        assert items["social_security"] == {"open": 2, "sent": 0, "corrected": 1, "dismissed": 0}
        assert items["tax"] == {"open": 0, "sent": 0, "corrected": 0, "dismissed": 0}


class TestRowSecurity:
    def test_the_api_sees_and_moves_none_but_as_the_operator(self, give):
        give(delivery(bad()))
        with db.transaction("api") as session:
            assert session.scalar(text("SELECT count(*) FROM rejected_rows")) == 0
            assert session.execute(text("UPDATE rejected_rows SET note = 'x'")).rowcount == 0
        with db.transaction("api", viewer=db.Viewer(actor="operator")) as session:
            assert session.scalar(text("SELECT count(*) FROM rejected_rows")) == 1

    @pytest.mark.parametrize("column", ["excerpt", "enterprise_id", "record_id", "times", "pull_id"])
    def test_the_operator_changes_no_more_than_the_state(self, give, column):
        give(delivery(bad()))
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            db.transaction("api", viewer=db.Viewer(actor="operator")) as session,
        ):
            session.execute(text(f"UPDATE rejected_rows SET {column} = {column}"))

    def test_a_worker_touches_rows_of_its_consents_firm_only(self, give):
        give(delivery(bad()))
        with db.transaction("owner") as session:
            other = make.make_consent(session, now=utc_now() - timedelta(minutes=1))
            session.expunge_all()
        with db.transaction("worker") as session:
            consents.live_for_work(session, other.id, now=utc_now())
            assert session.execute(text("UPDATE rejected_rows SET note = 'x'")).rowcount == 0


class TestCommands:
    @pytest.fixture
    def run(self, empty_database, monkeypatch):
        monkeypatch.setattr(commands, "start", lambda _role: (None, empty_database))

        def invoke(*arguments):
            result = CliRunner().invoke(commands.sources, ["rejections", *arguments])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            return result

        return invoke

    def test_export_writes_what_the_office_needs_and_notes_that_it_was_told(self, give, run, tmp_path):
        give(delivery(bad("R-1"), bad("R-2", value="=HYPERLINK(1)")))
        out = tmp_path / "back.csv"
        done = run("export", "social_security", "--out", str(out), "--mark-sent")
        assert done.exit_code == 0, done.output
        assert json.loads(done.output)["sent"] == 2
        written = out.read_bytes()
        assert written.startswith(b"\xef\xbb\xbf")
        frame = pl.read_csv(out)
        assert set(frame["记录号"]) == {"R-1", "R-2"}
        assert set(frame["值（节选）"]) == {"n/a", "'=HYPERLINK(1)"}
        assert {row.state for row in entries()} == {"sent"}
        again = run("export", "social_security", "--out", str(out))
        assert again.exit_code == 1
        assert out.read_bytes() == written

    def test_nothing_is_noted_where_the_file_cannot_be_written(self, give, run, tmp_path):
        give(delivery(bad()))
        failed = run("export", "social_security", "--out", str(tmp_path / "no" / "back.csv"), "--mark-sent")
        assert failed.exit_code == 1
        assert only().state == "open"

    def test_an_export_of_nothing_has_its_columns(self, run, tmp_path):
        out = tmp_path / "back.csv"
        assert run("export", "tax", "--out", str(out)).exit_code == 0
        assert out.read_text("utf-8-sig").strip().split(",") == list(handed.COLUMNS)

    def test_dismiss_takes_all_or_none(self, give, run):
        give(delivery(bad("R-1"), bad("R-2")))
        named = [item["id"] for item in json.loads(run("list", "social_security").output)]
        assert len(named) == 2
        unknown = "rej_" + "0" * 30 + "ff"
        assert run("dismiss", *named, unknown, "--reason", "测试").exit_code == 1
        assert {row.state for row in entries()} == {"open"}
        assert run("dismiss", *named, "--reason", " ").exit_code == 1
        assert run("dismiss", *named, "--reason", "测试").exit_code == 0
        assert {(row.state, row.note, row.changed_by) for row in entries()} == {("dismissed", "测试", "operator")}
        assert run("dismiss", named[0], "--reason", "测试").exit_code == 1

    def test_list_is_newest_first(self, give, run):
        give(delivery(*(bad(f"R-{n}") for n in range(4))))
        ids = [desk.number_of(item["id"]) for item in json.loads(run("list", "social_security").output)]
        assert all(one > two for one, two in pairwise(ids))


def test_the_rows_of_the_three_dialects_say_which_record_they_are_of(consent, offices, city):
    """A bad row of each office, met twice by real pulls, then corrected: one entry each, closed by itself."""
    found = {
        "social_security": (b"<headcount>10<", b"<headcount>n/a<"),
        "electricity": (b",100.5,", b",n/a,"),
        "tax": (b'"ysxse": "1000.00"', b'"ysxse": "n/a"'),
    }
    broken = True

    def spoil(source, asked):
        city.spoil = lambda *_: None
        reply = city.answer(asked)
        city.spoil = spoil
        if not broken:
            return reply
        return Reply(status=reply.status, headers=reply.headers, body=reply.body.replace(*found[source], 1))

    city.spoil = spoil
    for days in (0, 8):
        fetching.run_pull(consent.id, offices, lambda days=days: utc_now() + timedelta(days=days))
    met = {row.source: row for row in entries()}
    assert set(met) == set(found)
    assert len(entries()) == len(found)
    assert {row.times for row in met.values()} == {2}
    assert all(row.record_id for row in met.values())
    broken = False
    fetching.run_pull(consent.id, offices, lambda: utc_now() + timedelta(days=16))
    assert {(row.source, row.state) for row in entries()} == {(source, "corrected") for source in found}
