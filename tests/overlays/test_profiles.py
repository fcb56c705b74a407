"""A profile with a bank's overlay beside it: exact, replayed, purged, and seen by that bank alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import undefer

from creditlink.audit.tables import AuditEntry
from creditlink.cli.replay import replay_profile
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.overlays.application import overlay_of
from creditlink.overlays.tables import OverlayColumns, OverlayResult
from creditlink.profiles.tables import Profile
from creditlink.retention import purge
from tests.oauth import flow

SECRET_DAYS = 7.125
"""A value that stands nowhere else."""


def profile(bank, authorization, **body):
    return bank.reader.call("POST", "/v1/profiles", authorization, json=body)


@pytest.fixture
def made(ours, authorized, delivered):
    """A profile of the firm with our live overlay and our columns."""
    ours.go_live()
    authorization = authorized(ours.reader)
    delivered(authorization)
    columns = {"own_late_days": SECRET_DAYS, "own_watch": False}
    answer = profile(ours, authorization, overlay=True, overlay_columns=columns)
    assert answer.status_code == 201, answer.text
    return authorization, answer.json()


class TestOverlay:
    def test_stands_beside_the_base_with_parts_that_add_up_to_the_bit(self, made, ours):
        authorization, body = made
        overlay = body["overlay"]
        assert overlay["base"]["points"] == body["points"]
        parts = [one["points_contribution"] for one in overlay["contributions"]]
        assert overlay["base"]["points_exact"] + sum(parts) == overlay["points_exact"]
        assert overlay["points_added"] == sum(parts) != 0
        assert overlay["columns"] == {"own_late_days": SECRET_DAYS, "own_watch": 0.0}
        assert overlay["sources"] == {"own_late_days": "request", "own_watch": "request"}
        assert overlay["decision"] in ("accept", "refer", "decline")
        again = ours.reader.call("GET", f"/v1/profiles/{body['id']}", authorization).json()
        listed = ours.reader.call("GET", "/v1/profiles", authorization).json()["items"][0]
        assert again["overlay"] == listed["overlay"] == overlay

    def test_the_base_is_the_same_as_without(self, made, ours):
        authorization, body = made
        plain = profile(ours, authorization).json()
        assert plain["overlay"] is None
        names = ("points", "grade", "pd_12m", "reasons", "dimensions", "interval")
        assert {name: plain[name] for name in names} == {name: body[name] for name in names}

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"overlay": 2}, 409),
            ({"overlay": "true"}, 422),
            ({"overlay": 0}, 422),
            ({"overlay": 1.0}, 422),
            ({"overlay": [1]}, 422),
            ({"overlay": True, "overlay_columns": {"none_such": 1}}, 422),
            ({"overlay": True, "overlay_columns": {"own_late_days": -1}}, 422),
            ({"overlay": True, "overlay_columns": {"own_late_days": "７"}}, 422),
            ({"overlay": True, "overlay_columns": {"own_late_days": 1e16}}, 422),
            ({"overlay": True, "overlay_columns": {"own_watch": 2}}, 422),
            ({"overlay": False, "overlay_columns": {"own_watch": 1}}, 422),
            ({"overlay_columns": {"own_watch": 1}}, 422),
            ({"overlay": True, "overlay_columns": {str(n): 1 for n in range(31)}}, 422),
        ],
    )
    def test_a_wrong_request_computes_nothing_and_spends_no_use(self, made, ours, empty_database, body, status):
        authorization, _ = made
        answer = profile(ours, authorization, **body)
        assert answer.status_code == status, answer.text
        with empty_database.transaction("owner") as session:
            assert session.scalar(text("SELECT count(*) FROM profiles")) == 1

    def test_without_a_live_version_it_is_refused(self, theirs, authorized, delivered):
        authorization = authorized(theirs.reader)
        delivered(authorization)
        answer = profile(theirs, authorization, overlay=True)
        assert (answer.status_code, answer.json()["reason"]) == (409, "no_live_overlay")

    def test_a_repeated_request_gives_the_same_overlay(self, made, ours):
        authorization, _ = made
        ask = {
            "json": {"overlay": 1, "overlay_columns": {"own_watch": True}},
            "headers": {"Idempotency-Key": "abcdefgh-9"},
        }
        answers = [ours.reader.call("POST", "/v1/profiles", authorization, **ask).json() for _ in range(2)]
        assert answers[0]["overlay"] == answers[1]["overlay"]
        assert answers[0]["overlay"]["decision"] == "decline"


class TestFile:
    def csv(self, bank, lines, **more):
        content = lines if isinstance(lines, bytes) else lines.encode()
        headers = {"Content-Type": more.get("kind", "text/csv")}
        return bank.writer.call("PUT", "/columns", content=content, headers=headers)

    def test_is_used_for_the_firm_it_names_and_the_request_goes_first(self, made, ours):
        authorization, body = made
        firm = body["enterprise_id"]
        done = self.csv(ours, f"enterprise_id,own_late_days,own_watch\n{firm},45,是\n")
        assert (done.status_code, done.json()) == (200, {"firms": 1, "columns": ["own_late_days", "own_watch"]})
        overlay = profile(ours, authorization, overlay=True).json()["overlay"]
        assert overlay["columns"] == {"own_late_days": 45.0, "own_watch": 1.0}
        assert (overlay["sources"]["own_watch"], overlay["decision"]) == ("file", "decline")
        sent = profile(ours, authorization, overlay=True, overlay_columns={"own_watch": False}).json()["overlay"]
        assert sent["sources"] == {"own_late_days": "file", "own_watch": "request"}

    def test_in_any_encoding_that_people_use_and_the_last_file_holds(self, made, ours, empty_database):
        _, body = made
        lines = f"enterprise_id;own_watch\r{body['enterprise_id']};否\r"
        for content in (lines.encode("gb18030"), lines.encode("utf-8-sig"), lines.encode("utf-16")):
            assert self.csv(ours, content).status_code == 200
        with empty_database.transaction("owner") as session:
            assert [row.values for row in session.scalars(select(OverlayColumns))] == [{"own_watch": 0.0}]

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("", "lacks the column"),
            ("enterprise_id,gender\n", "is none of"),
            ("enterprise_id,own_watch,own_watch\n", "twice"),
            ("enterprise_id,own_watch\nFIRM,1\nFIRM,0\n", "earlier line"),
            ("enterprise_id,own_watch\n91440600000000000X,1\n", "no id of a firm"),
            ("enterprise_id,own_watch\nFIRM,maybe\n", "1 or 0"),
            ("enterprise_id,own_late_days\nFIRM,１\n", "must be a number"),
            ("enterprise_id,own_late_days\nFIRM,nan\n", "at most"),
            ("enterprise_id,own_late_days\nFIRM,1\x00\n", "line"),
            ("enterprise_id,own_late_days\nFIRM,1,2\n", "fields"),
        ],
    )
    def test_one_wrong_line_and_nothing_is_taken(self, made, ours, empty_database, lines, said):
        _, body = made
        answer = self.csv(ours, lines.replace("FIRM", body["enterprise_id"]))
        assert answer.status_code == 422, answer.text
        assert any(said in one["detail"] for one in answer.json()["errors"]), answer.text
        with empty_database.transaction("owner") as session:
            assert session.scalar(text("SELECT count(*) FROM overlay_columns")) == 0

    def test_json_is_no_file(self, made, ours):
        assert self.csv(ours, "{}", kind="application/json").status_code == 415


class TestTwoBanks:
    def test_neither_sees_the_others_overlay_of_one_firm(
        self, made, ours, theirs, authorized, delivered, empty_database
    ):
        """By the API, by raw SQL as the API's role in the other's place, and in the evidence."""
        mine, body = made
        theirs.go_live(name_en="Bank B overlay", shown_to_firm=False)
        other = authorized(theirs.reader)
        delivered(other)
        told = profile(theirs, other, overlay=True, overlay_columns={"own_watch": True}).json()
        assert told["overlay"]["decision"] == "decline"
        assert str(SECRET_DAYS) not in json.dumps(told)
        for path in ("", "/explanation"):
            assert theirs.reader.call("GET", f"/v1/profiles/{body['id']}{path}", other).status_code == 404
        rows = "SELECT institution_id FROM {} WHERE institution_id <> :other"
        with empty_database.transaction("api") as session:
            db.enter(session, db.Viewer(institution_id=theirs.institution.id, consent_id=flow.consent_of(other)))
            for table in ("overlays", "overlay_steps", "overlay_columns", "overlay_results"):
                seen = session.execute(text(rows.format(table)), {"other": theirs.institution.id}).all()
                assert seen == [], table
            assert session.scalar(text("SELECT count(*) FROM overlay_results")) == 1
            evidence = session.scalars(select(AuditEntry.detail).where(AuditEntry.action.like("overlay.%"))).all()
            assert body["id"] not in json.dumps(evidence)
        # Their consent with our institution, and ours with their institution, open nothing.
        for institution, authorization in ((ours, other), (theirs, mine)):
            with empty_database.transaction("api") as session:
                viewer = db.Viewer(institution_id=institution.institution.id, consent_id=flow.consent_of(authorization))
                db.enter(session, viewer)
                assert session.scalar(text("SELECT count(*) FROM overlay_results")) == 0

    def test_nobody_writes_a_result_or_columns_for_another(self, made, theirs, empty_database):
        with empty_database.transaction("owner") as session:
            stored = session.scalars(select(OverlayResult)).one()

        def attack(statement):
            with empty_database.transaction("api") as session:
                db.enter(session, db.Viewer(institution_id=theirs.institution.id))
                session.execute(text(statement))

        for statement in (
            f"INSERT INTO overlay_columns VALUES ('{stored.institution_id}', 'ent_x', '{{}}', now(), 'x')",
            "UPDATE overlay_results SET shown_to_firm = true",
            "DELETE FROM overlay_results",
        ):
            with pytest.raises(ProgrammingError, match=r"row-level security|permission denied"):
                attack(statement)

    def test_the_evidence_names_the_result_under_the_banks_key_and_no_value(self, made, ours, empty_database):
        _, body = made
        with empty_database.transaction("owner") as session:
            entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "overlay.apply")).one()
            assert entry.detail["result_hmac"] == body["overlay"]["result_hmac"]
            assert entry.detail["profile"] == body["id"]
            everything = json.dumps([one.detail for one in session.scalars(select(AuditEntry))])
            stored = session.scalars(select(OverlayResult)).one()
        assert str(SECRET_DAYS) not in everything
        assert stored.result_sha256 not in everything

    @pytest.mark.parametrize("shown", [False, True])
    def test_the_firm_sees_it_only_where_the_bank_says_so(
        self, ours, authorized, delivered, firm, empty_database, shown
    ):
        ours.go_live(shown_to_firm=shown)
        authorization = authorized(ours.reader)
        delivered(authorization)
        assert profile(ours, authorization, overlay=True).status_code == 201
        with empty_database.transaction("api") as session:
            db.enter(session, db.Viewer(enterprise_id=firm.enterprise.id, account_id=firm.account.id))
            assert session.scalar(text("SELECT count(*) FROM profiles")) == 1
            assert session.scalar(text("SELECT count(*) FROM overlay_results")) == int(shown)


class TestRecord:
    def stored(self, session, body):
        wanted = select(Profile).where(Profile.id == ids.internal("prf", body["id"]))
        return session.scalars(
            wanted.options(*(undefer(getattr(Profile, c.key)) for c in Profile.__table__.columns))
        ).one()

    def test_a_replay_gives_the_overlay_again_after_its_version_was_retired(
        self, made, ours, app, settings, empty_database
    ):
        _, body = made
        ours.go_live(name_en="The next one")
        live = runtime.of_app(app).of(LiveModel)
        with empty_database.transaction("owner") as session:
            found = replay_profile(session, self.stored(session, body), live=live, settings=settings)
        assert (found.same, found.differences) == (True, ())

    def test_a_changed_result_is_found_by_the_replay(self, made, app, settings, empty_database):
        _, body = made
        live = runtime.of_app(app).of(LiveModel)
        with empty_database.transaction("owner") as session:
            session.execute(text("ALTER TABLE overlay_results DISABLE TRIGGER unchanged"))
            session.execute(text("UPDATE overlay_results SET result = jsonb_set(result, '{points}', '999')"))
            session.execute(text("ALTER TABLE overlay_results ENABLE TRIGGER unchanged"))
        with empty_database.transaction("owner") as session:
            found = replay_profile(session, self.stored(session, body), live=live, settings=settings)
        assert (found.same, found.differences) == (False, ("overlay",))

    def test_a_result_is_not_changed(self, made, empty_database):
        with pytest.raises(IntegrityError), empty_database.transaction("owner") as session:
            session.execute(text("UPDATE overlay_results SET shown_to_firm = true"))

    def test_it_goes_with_its_profile_and_the_certificate_says_so(self, made, firm, settings, empty_database):
        _, body = made
        with empty_database.transaction("worker") as session:
            done = purge.purge_firm(
                session, firm.enterprise.id, issuer=settings.issuer, secret=settings.secret_key,
                now=utc_now() + timedelta(days=400),
            )  # fmt: skip
        assert (done.rows["profiles"], done.rows["overlay_results"]) == (1, 1)
        with empty_database.transaction("owner") as session:
            assert session.get(OverlayResult, ids.internal("prf", body["id"])) is None

    def test_the_one_function_that_reads_it(self, made, empty_database):
        _, body = made
        with empty_database.transaction("owner") as session:
            found = overlay_of(session, self.stored(session, body))
        assert found is not None
        assert found.result["decision"] == body["overlay"]["decision"]
