"""The tax office is down: upload, profile with it, the office answers, the cross-check contradicts or confirms."""

from __future__ import annotations

import json
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from creditlink.cli.replay import replay_profile
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.clock import add_months, day_of, utc_now
from creditlink.profiles.serving.live import load_live
from creditlink.profiles.tables import Profile
from creditlink.records.pulls.delivery import Fact
from creditlink.records.store import save_facts
from creditlink.records.tables import Pull, PullPart
from tests.oauth import flow
from tests.uploads.conftest import declared, months, stored, sweep

REST = ("social_security", "electricity")


def make(bank, authorization, **body):
    return bank.call("POST", "/v1/profiles", authorization, json=body)


def indicators(bank, authorization, profile):
    rows = bank.call("GET", f"/v1/profiles/{profile['id']}/explanation", authorization).json()["indicators"]
    return {row["name"]: row["value"] for row in rows}


@pytest.fixture
def office_says(empty_database):
    """Have the tax office answer in full, now or on an earlier day, with these declarations of whole months."""

    def answer(authorization, sales_by_month, *, since=date(2020, 1, 1), at=None, late=()):
        from creditlink.consents.tables import Consent

        now = at or utc_now()
        with empty_database.transaction("owner") as session:
            consent = session.get_one(Consent, flow.consent_of(authorization))
            pull = Pull(
                id=uuid4(), consent_id=consent.id, enterprise_id=consent.enterprise_id, trigger="consent",
                status="DONE", since=since, until=day_of(now), requested_at=now, finished_at=now,
            )  # fmt: skip
            session.add(pull)
            session.flush()
            session.add(
                PullPart(
                    pull_id=pull.id, source="tax", status="DELIVERED", attempt=1, rows=1, total=1, new_rows=1,
                    rejected=0, resources={}, error=None, digest=None, began_at=now, finished_at=now,
                )
            )  # fmt: skip
            facts = []
            for month, sales in sales_by_month.items():
                after = add_months(month, 1)
                filed = after.replace(day=28) if month in late else min(after.replace(day=10), day_of(now))
                tax = sales // 100
                facts.append(
                    Fact(
                        "vat_declarations", month, "",
                        {
                            "months": 1, "filing": "monthly", "taxable_sales_fen": sales, "exempt_sales_fen": 0,
                            "output_tax_fen": 0, "input_tax_fen": 0, "payable_fen": tax, "paid_fen": tax,
                            "due_on": after.replace(day=15).isoformat(), "filed_on": filed.isoformat(),
                        },
                        now,
                    )
                )  # fmt: skip
            save_facts(
                session, facts, enterprise_id=consent.enterprise_id, source="tax", pull_id=pull.id,
                now=now + timedelta(seconds=1),
            )  # fmt: skip

    return answer


class TestWhileTheOfficeIsDown:
    @pytest.fixture
    def down(self, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization, categories=REST, tax="DOWN")
        return authorization

    def test_a_profile_from_the_upload_needs_the_banks_word_and_says_so(
        self, uploader, bank, down, empty_database, settings
    ):
        upload = uploader.upload(declared(uploader.uscc, months(24)))
        assert (upload.state, upload.taken, upload.verdict, upload.content) == ("taken", 24, "uploaded", None)
        refused = make(bank, down)
        assert (refused.status_code, refused.json()["missing"]) == (409, {"tax": "source_down"})
        without = make(bank, down, accept_partial=["tax"]).json()
        assert without["coverage"]["tax"]["rows"] == 0
        assert "uploads" not in without["coverage"]["tax"]
        answer = make(bank, down, accept_uploads=["tax"])
        assert answer.status_code == 201, answer.text
        profile = answer.json()
        tax = profile["coverage"]["tax"]
        assert (tax["status"], tax["source"], tax["rows"], tax["months"]) == ("uploaded", "uploaded", 24, 24)
        assert (tax["uploads"]["state"], tax["uploads"]["office"], tax["uploads"]["office_status"]) == (
            "uploaded", "tax", "source_down",
        )  # fmt: skip
        (file,) = tax["uploads"]["files"]
        assert (file["layout"], file["rows"], file["asks_review"]) == ("declarations", 24, False)
        assert file["file_hmac"] != upload.sha256
        assert "由企业自行上传" in tax["uploads"]["text_zh"]
        assert "uploaded by the firm itself" in tax["uploads"]["text_en"]
        # No better grade than without the office, and a person looks at it.
        assert profile["partial"]["missing"] == {"tax": "uploaded"}
        assert GRADES.index(profile["grade"]) >= GRADES.index("C")
        assert [(one["code"], one["observed"]) for one in profile["human_review"]] == [("H02", "uploaded")]
        # The PD follows from the facts that were used.
        assert indicators(bank, down, without)["sales_12_fen"] is None
        assert indicators(bank, down, profile)["sales_12_fen"] == 12 * 12_345_600
        with empty_database.transaction("owner") as session:
            made = session.scalars(select(Profile).order_by(Profile.created_at.desc())).first()
            assert made.asked["uploads"]["contradicted"] == []
            assert replay_profile(session, made, live=load_live(settings), settings=settings).same
            detail = session.scalar(
                text("SELECT detail FROM audit_entries WHERE action = 'profile.create' ORDER BY seq DESC LIMIT 1")
            )
        assert detail["uploads"] == {"tax": [file["file_hmac"]]}
        assert detail["incomplete"] == {"tax": "uploaded"}

    def test_without_a_file_it_stays_409(self, bank, down):
        assert make(bank, down, accept_uploads=["tax"]).status_code == 409

    def test_where_tax_is_optional_the_upload_still_caps_the_grade(self, uploader, bank, authorized, delivered):
        authorization = authorized(bank, optional_categories=["tax"])
        delivered(authorization, categories=REST, tax="DOWN")
        uploader.upload(declared(uploader.uscc, months(24)))
        assert make(bank, authorization).json()["partial"] is None
        assert make(bank, authorization, accept_uploads=["tax"]).json()["partial"]["missing"] == {"tax": "uploaded"}

    def test_a_token_that_was_narrowed_from_tax_opens_no_upload(self, uploader, bank, down):
        uploader.upload(declared(uploader.uscc, months(24)))
        asked = [{"type": "enterprise_credit_profile", "categories": list(REST)}]
        bank.refresh(down, authorization_details=json.dumps(asked))
        profile = make(bank, down, accept_uploads=["tax"]).json()
        assert profile["partial"]["missing"] == {"tax": "not_requested"}
        assert "uploads" not in profile["coverage"]["tax"]

    def test_revoking_the_consent_closes_the_upload_too(self, uploader, bank, down):
        uploader.upload(declared(uploader.uscc, months(24)))
        flow.change_consent(down, "revoke")
        assert make(bank, down, accept_uploads=["tax"]).status_code == 403

    @pytest.mark.parametrize("wanted", [["electricity"], ["nothing"], "tax", [1], None])
    def test_what_cannot_be_accepted_is_named(self, bank, down, wanted):
        answer = make(bank, down, accept_uploads=wanted)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"].startswith("/accept_uploads")

    def test_what_was_withdrawn_is_used_no_more(self, uploader, bank, down):
        upload = uploader.upload(declared(uploader.uscc, months(24)))
        assert uploader.withdraw(upload).status_code == 303
        assert make(bank, down, accept_uploads=["tax"]).status_code == 409

    def test_of_two_files_the_newer_counts_and_the_older_fills_the_rest(self, uploader, bank, down):
        uploader.upload(declared(uploader.uscc, months(24), sales_fen=10_000_000))
        uploader.upload(declared(uploader.uscc, months(6), sales_fen=20_000_000))
        profile = make(bank, down, accept_uploads=["tax"]).json()
        assert [file["rows"] for file in profile["coverage"]["tax"]["uploads"]["files"]] == [6, 18]
        assert indicators(bank, down, profile)["sales_12_fen"] == 6 * 20_000_000 + 6 * 10_000_000


class TestWhenTheOfficeHasAnswered:
    def test_it_confirms(self, uploader, bank, authorized, delivered, office_says):
        authorization = authorized(bank)
        delivered(authorization, categories=REST)
        upload = uploader.upload(declared(uploader.uscc, months(12), sales_fen=10_000_000))
        office_says(authorization, dict.fromkeys(months(12), 10_000_000))
        sweep()
        assert stored(upload.wire_id).verdict == "confirmed"
        profile = make(bank, authorization, accept_uploads=["tax"]).json()
        tax = profile["coverage"]["tax"]
        assert (tax["status"], tax["source"], tax["rows"]) == ("delivered", "tax", 12)
        assert (tax["uploads"]["state"], tax["uploads"]["rows"]) == ("confirmed", 0)
        assert profile["partial"] is None
        assert profile["human_review"] == []
        assert "confirms it" in uploader.see(upload)

    def test_it_contradicts_and_everybody_is_told(
        self, uploader, bank, authorized, delivered, office_says, empty_database, settings
    ):
        authorization = authorized(bank)
        delivered(authorization, categories=REST, tax="DOWN")
        upload = uploader.upload(declared(uploader.uscc, months(12), sales_fen=90_000_000))
        before = make(bank, authorization, accept_uploads=["tax"]).json()
        assert before["coverage"]["tax"]["uploads"]["state"] == "uploaded"
        office_says(authorization, dict.fromkeys(months(12), 10_000_000), late=months(1))
        sweep()
        row = stored(upload.wire_id)
        assert (row.verdict, row.asks_review) == ("contradicted", True)
        plain = make(bank, authorization).json()
        assert "uploads" not in plain["coverage"]["tax"]
        assert plain["human_review"] == []
        profile = make(bank, authorization, accept_uploads=["tax"]).json()
        tax = profile["coverage"]["tax"]
        assert (tax["status"], tax["uploads"]["state"], tax["uploads"]["rows"]) == ("delivered", "contradicted", 0)
        assert "不一致" in tax["uploads"]["text_zh"]
        (review,) = profile["human_review"]
        assert (review["code"], review["category"]) == ("H03", "tax")
        assert "12 periods" in review["text_en"]
        # The office wins: neither PD nor points nor any indicator is other than without the upload.
        assert {k: profile[k] for k in ("pd_12m", "points", "grade", "reasons")} == {
            k: plain[k] for k in ("pd_12m", "points", "grade", "reasons")
        }
        seen = uploader.see(upload)
        assert "contradicts it" in seen
        assert "¥900,000.00 / ¥100,000.00" in seen
        assert "核对不一致" in uploader.see(upload, "zh")
        with empty_database.transaction("owner") as session:
            for made in session.scalars(select(Profile)):
                assert replay_profile(session, made, live=load_live(settings), settings=settings).same
            actions = session.scalars(
                text("SELECT action || ' ' || result FROM audit_entries WHERE action LIKE 'upload.%' ORDER BY seq")
            ).all()
        assert actions == ["upload.received done", "upload.read taken", "upload.checked contradicted"]

    def test_a_contradiction_is_not_washed_by_deleting_the_file(
        self, uploader, bank, authorized, delivered, office_says
    ):
        authorization = authorized(bank)
        delivered(authorization, categories=REST)
        upload = uploader.upload(declared(uploader.uscc, months(12), sales_fen=90_000_000))
        office_says(authorization, dict.fromkeys(months(12), 10_000_000))
        sweep()
        uploader.withdraw(upload)
        uploader.upload(declared(uploader.uscc, months(12), sales_fen=10_000_000))
        profile = make(bank, authorization, accept_uploads=["tax"]).json()
        assert [one["code"] for one in profile["human_review"]] == ["H03"]
        assert [one["verdict"] for one in profile["coverage"]["tax"]["uploads"]["files"]] == [
            "confirmed", "contradicted",
        ]  # fmt: skip

    def test_what_the_office_left_empty_is_not_filled(self, uploader, bank, authorized, delivered, office_says):
        """Months of which the office says nothing, although it had answered after they were due: not filed."""
        authorization = authorized(bank)
        delivered(authorization, categories=REST)
        office_says(authorization, dict.fromkeys(months(6, back=6), 10_000_000), at=utc_now() - timedelta(days=3))
        delivered(authorization, categories=(), tax="DOWN")
        upload = uploader.upload(declared(uploader.uscc, months(12), sales_fen=10_000_000))
        row = stored(upload.wire_id)
        assert (row.verdict, row.asks_review) == ("contradicted", True)
        profile = make(bank, authorization, accept_uploads=["tax"], accept_partial=["tax"]).json()
        assert profile["coverage"]["tax"]["uploads"]["rows"] == 0
        assert "H03" in [one["code"] for one in profile["human_review"]]

    def test_an_answer_that_is_old_leaves_the_newest_months_to_the_firm(
        self, uploader, bank, authorized, delivered, office_says
    ):
        authorization = authorized(bank)
        delivered(authorization, categories=REST)
        known = months(12, back=4)
        office_says(authorization, dict.fromkeys(known, 10_000_000), at=utc_now() - timedelta(days=110))
        delivered(authorization, categories=(), tax="DOWN")
        uploader.upload(declared(uploader.uscc, months(14), sales_fen=10_000_000))
        profile = make(bank, authorization, accept_uploads=["tax"]).json()
        tax = profile["coverage"]["tax"]
        assert (tax["status"], tax["rows"], tax["uploads"]["state"]) == ("uploaded", 16, "confirmed")
        assert tax["uploads"]["rows"] == 4

    def test_known_lateness_is_not_washed(self, uploader, bank, authorized, delivered, office_says):
        authorization = authorized(bank)
        delivered(authorization, categories=REST)
        office_says(authorization, dict.fromkeys(months(12), 10_000_000), late=months(12))
        delivered(authorization, categories=(), tax="DOWN")
        upload = uploader.upload(declared(uploader.uscc, months(12), sales_fen=10_000_000))
        assert stored(upload.wire_id).asks_review  # it says that it filed in time
        profile = make(bank, authorization, accept_uploads=["tax"], accept_partial=["tax"]).json()
        assert profile["coverage"]["tax"]["uploads"]["rows"] == 0
        # Last month's declaration is late once the 15th is over.
        late = 12 if day_of(utc_now()).day > 15 else 11
        assert indicators(bank, authorization, profile)["tax_late_filings_12"] == late
