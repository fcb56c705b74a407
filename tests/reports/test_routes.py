"""A bank has a report made of a profile, under a consent for reports, and reads it until that is over."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import select, text

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification
from creditlink.reports import service, signing
from creditlink.reports.tables import CreditReport, ReportContent
from tests import factories as make
from tests.oauth import flow
from tests.reports.conftest import WANTED


def keys(app):
    return keyring.public_keys(app.extensions["settings"].secret_key)


def change(database, authorization, to):
    with database.transaction("owner") as session:
        consent = session.get_one(Consent, flow.consent_of(authorization))
        to(session, consent, actor="account:x", reason="by_the_firm", now=utc_now())


class TestMade:
    def test_says_what_the_profile_says_and_is_signed(self, http, bank, profiled):
        authorization, profile = profiled()
        answer = bank.call("POST", "/v1/reports", authorization, json=WANTED | {"profile_id": profile["id"]})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        said = made["report"]
        assert answer.headers["Location"] == f"/v1/reports/{made['id']}"
        assert made["digest"] == hashlib.sha256(made["jws"].encode()).hexdigest()
        for name in ("grade", "points", "pd_12m", "state"):
            assert said["profile"][name] == profile[name]
        assert [one["code"] for one in said["profile"]["reasons"]] == [one["code"] for one in profile["reasons"]]
        assert said["model"] == profile["model"]
        assert said["bundle"] == profile["bundle"]
        assert {one["category"]: one["status"] for one in said["coverage"]} == {
            name: one["status"] for name, one in profile["coverage"].items()
        }
        assert 12 <= len(said["months"]) <= 24
        assert any(row["sales"] for row in said["months"])
        assert said["recipient"] == WANTED["recipient"]
        assert made["state"] == "valid"
        document = keyring.verify(made["jws"], http.get("/v1/receipt-keys").json(), typ=signing.TYPE)
        assert document.claims == said

    def test_months_are_the_facts_that_the_profile_read(self, empty_database, reported):
        _, made = reported()
        from creditlink.records.tables import FactRow

        month = made["report"]["months"][-1]
        with empty_database.transaction("owner") as session:
            rows = session.scalars(select(FactRow).where(FactRow.frame == "payroll_months")).all()
        heads = {f"{row.period:%Y-%m}": row.values["headcount"] for row in rows}
        known = [row for row in made["report"]["months"] if row["headcount"] is not None]
        assert month["month"] in heads
        assert {row["month"]: row["headcount"] for row in known} == {m: heads[m] for m in (r["month"] for r in known)}

    def test_lasts_no_longer_than_what_it_is_made_of(self, bank, profiled):
        authorization, profile = profiled()
        wanted = WANTED | {"profile_id": profile["id"], "valid_days": 60}
        made = bank.call("POST", "/v1/reports", authorization, json=wanted).json()
        assert made["valid_until"] <= profile["validity"]["valid_until"]
        with_day = bank.call("GET", f"/v1/reports/{made['id']}", authorization).json()
        assert with_day["valid_until"] == made["valid_until"]

    def test_what_is_left_out_is_not_in_it_and_is_said(self, reported):
        _, made = reported(leave_out=["sales", "reasons", "registered", "waterfall"])
        said = made["report"]
        assert all("sales" not in row and "headcount" in row for row in said["months"])
        assert not {"reasons", "strengths", "waterfall"} & set(said["profile"])
        assert not {"address", "legal_representative"} & set(said["firm"])
        assert [one["section"] for one in said["left_out"]] == ["registered", "reasons", "waterfall", "sales"]

    def test_the_pdf_is_sealed_and_says_the_same(self, http, bank, reported):
        authorization, made = reported()
        answer = bank.call("GET", f"/v1/reports/{made['id']}", authorization, headers={"Accept": "application/pdf"})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/pdf"
        found = signing.verify(answer.content, http.get("/v1/receipt-keys").json())
        assert (found.kind, found.pages, found.digest) == ("pdf", "ours", made["digest"])
        assert found.claims == made["report"]

    def test_a_key_gives_the_same_report_again(self, bank, profiled):
        authorization, profile = profiled()
        wanted, key = WANTED | {"profile_id": profile["id"]}, {"Idempotency-Key": "report-0001"}
        first = bank.call("POST", "/v1/reports", authorization, json=wanted, headers=key).json()
        again = bank.call("POST", "/v1/reports", authorization, json=wanted, headers=key)
        assert (again.status_code, again.json()["id"]) == (201, first["id"])
        other = bank.call("POST", "/v1/reports", authorization, json=wanted | {"purpose": "else"}, headers=key)
        assert other.status_code == 422

    def test_is_in_the_firms_log(self, empty_database, bank, reported):
        authorization, made = reported()
        bank.call("GET", f"/v1/reports/{made['id']}", authorization)
        with empty_database.transaction("owner") as session:
            lines = session.scalars(
                select(AuditEntry).where(AuditEntry.action.like("report.%")).order_by(AuditEntry.seq)
            ).all()
            assert [line.action for line in lines] == ["report.create", "report.sign", "report.read"]
            assert lines[0].detail["fields"] == ["report"]
            assert lines[1].detail["digest"] == made["digest"]
            assert WANTED["recipient"] not in str([line.detail for line in lines])

    def test_what_it_says_is_sealed_at_rest(self, empty_database, reported):
        _, made = reported()
        token = made["verify"].rpartition("/")[2]
        with empty_database.transaction("owner") as session:
            row, content = session.scalars(select(CreditReport)).one(), session.scalars(select(ReportContent)).one()
        at_rest = repr(vars(row)).encode() + content.sealed
        for secret in (token, made["jws"], WANTED["recipient"]):
            assert secret.encode() not in at_rest


class TestRevoked:
    def test_by_the_firm_and_its_bank_is_told_and_reads_it_no_more(self, empty_database, bank, firm, reported):
        authorization, made = reported()
        with empty_database.transaction("owner") as session:
            session.execute(text("UPDATE clients SET webhook_url = 'https://bank.example/hook'"))
            make.make_representation(session, firm.enterprise, firm.account)
        viewer = db.Viewer(enterprise_id=firm.enterprise.id, account_id=firm.account.id)
        for _ in range(2):
            with empty_database.transaction("api", viewer=viewer) as session:
                service.revoke(session, firm.enterprise, made["id"], firm.account, utc_now())
        answer = bank.call("GET", f"/v1/reports/{made['id']}", authorization)
        assert (answer.status_code, answer.json()["reason"]) == (409, "revoked")
        with empty_database.transaction("owner") as session:
            told = session.scalars(select(Notification).where(Notification.type == "report.revoked")).all()
            assert [made["id"] in one.body for one in told] == [True]

    def test_by_nobody_else(self, empty_database, bank, firm, reported):
        authorization, _ = reported()
        for viewer in (
            db.Viewer(), db.Viewer(enterprise_id=firm.enterprise.id),  # nobody who acts for it
            db.Viewer(consent_id=flow.consent_of(authorization)),
        ):  # fmt: skip
            with empty_database.transaction("api", viewer=viewer) as session:
                done = session.execute(
                    text("UPDATE credit_reports SET revoked_at = now(), revoked_by = 'x' RETURNING id")
                )
                assert done.all() == []


class TestRefused:
    @pytest.mark.parametrize("to", [consents.revoke, consents.pause])
    def test_when_the_consent_is_over(self, empty_database, bank, reported, to):
        authorization, made = reported()
        change(empty_database, authorization, to)
        for method, path in (("GET", f"/v1/reports/{made['id']}"), ("POST", "/v1/reports")):
            body = {"json": WANTED | {"profile_id": made["profile_id"]}} if method == "POST" else {}
            answer = bank.call(method, path, authorization, **body)
            assert answer.status_code in (401, 403), answer.text
            assert made["digest"] not in answer.text

    def test_under_a_consent_for_something_else(self, bank, profiled):
        authorization, profile = profiled(
            purpose="underwriting", actions=["profile", "match"], data_life_days=30, pulls_per_month=2
        )
        answer = bank.call("POST", "/v1/reports", authorization, json=WANTED | {"profile_id": profile["id"]})
        assert answer.status_code == 403
        assert answer.json()["reason"] == "action_not_granted:report"

    def test_without_the_scope(self, bank, profiled):
        authorization, profile = profiled(scope=flow.SCOPE)
        answer = bank.call("POST", "/v1/reports", authorization, json=WANTED | {"profile_id": profile["id"]})
        assert answer.status_code == 403
        assert "insufficient" in answer.text

    def test_of_another_banks_consent(self, empty_database, http, reported, app, firm, bank):
        from creditlink.access.scopes import SCOPES

        _, made = reported()
        with empty_database.transaction("owner") as session:
            institution = make.make_institution(session)
        other = flow.register_bank(empty_database, http, institution=institution, scopes=sorted(SCOPES))
        asked = flow.details()
        authorization = other.push(asked, scope=f"{flow.SCOPE} report:create report:read")
        callback = flow.decide(app, firm, flow.open_page(other, authorization))
        other.exchange(other.code_from(callback, authorization), authorization)
        answer = other.call("GET", f"/v1/reports/{made['id']}", authorization)
        assert answer.status_code == 403
        assert made["digest"] not in answer.text

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"recipient": ""}, "recipient"),
            ({"recipient": "x" * 61}, "recipient"),
            ({"recipient": "银行\u202e行银"}, "recipient"),
            ({"purpose": "\u200b"}, "purpose"),
            ({"valid_days": 91}, "valid_days"),
            ({"valid_days": 0}, "valid_days"),
            ({"language": "fr"}, "language"),
            ({"leave_out": ["grade"]}, "leave_out"),
            ({"profile_id": None}, "profile_id"),
        ],
    )
    def test_what_it_cannot_be(self, bank, profiled, values, field):
        authorization, profile = profiled()
        answer = bank.call("POST", "/v1/reports", authorization, json=WANTED | {"profile_id": profile["id"]} | values)
        assert answer.status_code == 422, answer.text
        assert field in answer.text

    def test_unknown_profiles_and_reports(self, bank, profiled):
        authorization, _ = profiled()
        wanted = WANTED | {"profile_id": "prf_" + "0" * 32}
        assert bank.call("POST", "/v1/reports", authorization, json=wanted).status_code == 404
        assert bank.call("GET", "/v1/reports/rpt_" + "0" * 32, authorization).status_code == 404

    def test_more_than_a_day_brings(self, bank, profiled, settings):
        authorization, profile = profiled()
        wanted = WANTED | {"profile_id": profile["id"]}
        answers = [bank.call("POST", "/v1/reports", authorization, json=wanted).status_code for _ in range(21)]
        assert answers == [201] * 20 + [412]
