"""The firm's page: who may upload what, twice, at once, too large; what is shown; what deleting does."""

from __future__ import annotations

import html
import re
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from creditlink.kit import keyring
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.profiles.reliance.rules import ProfileRules
from creditlink.records.tables import FactRow
from creditlink.retention import certificates, purge
from creditlink.uploads import service, tasks
from creditlink.uploads.tables import Upload, UploadCheck, UploadedFact
from tests import factories as make
from tests.portal.conftest import Person
from tests.uploads import exports
from tests.uploads.conftest import PAGE, declared, months, stored, sweep
from tests.uploads.exports import DECLARATION_HEADER, declaration


def rows(table):
    with db.transaction("owner") as session:
        return session.scalar(select(func.count()).select_from(table))


def purge_now(firm, now=None):
    with db.transaction("worker") as session:
        return purge.purge_firm(
            session, firm.enterprise.id, issuer="x", secret="test-" + "k" * 40, now=now or utc_now()
        )


class TestSending:
    def test_the_page_shows_how_far_a_file_has_come_without_a_script(self, uploader):
        answer = uploader.send(declared(uploader.uscc, months(3)))
        page = uploader.person.get(answer.headers["Location"])
        assert '<meta http-equiv="refresh"' in page.text
        assert "<script" not in page.text
        wire_id = answer.headers["Location"].split("/")[-1].split("?")[0]
        tasks.read_file(str(stored(wire_id).id))
        page = uploader.person.get(answer.headers["Location"])
        assert 'http-equiv="refresh"' not in page.text
        assert "3 of 3 taken" in page.text
        assert stored(wire_id).sha256 in page.text
        assert "共3行，采用3行" in uploader.see(stored(wire_id), "zh")

    def test_where_the_office_says_otherwise_its_own_row_can_be_disputed(self, uploader):
        upload, (month,) = uploader.upload(declared(uploader.uscc, months(1, back=2))), months(1, back=2)
        now, firm = utc_now(), uploader.firm.enterprise.id
        with db.transaction("owner") as session:
            session.execute(delete(UploadCheck))
            said = {"outcome": "differs", "differences": {"taxable_sales_fen": [12_345_600, 9_900_000]}}
            for place, frame in enumerate(("vat_declarations", "invoice_months")):
                session.add(UploadCheck(
                    upload_id=upload.id, enterprise_id=firm, category="tax", frame=frame, period=month, months=1,
                    subkey=("", "output")[place], asks_review=False, checked_at=now,
                    **said if place == 0 else {"outcome": "absent", "differences": {}},
                ))  # fmt: skip
            session.add(FactRow(
                enterprise_id=firm, category="tax", frame="vat_declarations", period=month, subkey="V-1", values={},
                version=1, complete=True, known_at=now, content_hash=b"x" * 32, source="tax", recorded_at=now,
            ))  # fmt: skip
        shown = uploader.see(upload)
        assert "¥123,456.00 / ¥99,000.00" in shown
        (link,) = re.findall(r'href="(/portal/disputes/new\?record=[^"]+)"', shown)
        assert "It should say" in uploader.person.get(html.unescape(link) + "&lang=en").text

    def test_rows_that_are_wrong_are_named(self, uploader):
        bad = declaration(uploader.uscc, months(1, back=1)[0], 应纳税额合计="<b>many</b>")
        good = declaration(uploader.uscc, months(2, back=1)[0])
        upload = uploader.upload(exports.csv(DECLARATION_HEADER, [good, bad]).encode())
        page = uploader.see(upload)
        assert "&lt;b&gt;many&lt;/b&gt;" in page
        assert "<b>many" not in page
        assert (upload.taken, upload.wrong) == (1, 1)
        assert "不是金额" in uploader.see(upload, "zh")

    def test_a_file_that_is_not_taken_says_why(self, uploader):
        upload = uploader.upload(declared("91440606MA4QQQ1234", months(3)))
        assert (upload.state, upload.refusal, upload.content) == ("refused", "another_firm", None)
        assert "another firm" in uploader.see(upload)
        assert "其他企业" in uploader.see(upload, "zh")
        assert rows(UploadedFact) == 0

    @pytest.mark.parametrize(
        ("content", "unaltered", "status"), [(b"", "yes", 422), (b"x", "", 422), (b"x", "no", 422)]
    )
    def test_nothing_and_nothing_promised(self, uploader, content, unaltered, status):
        assert uploader.send(content, unaltered=unaltered).status_code == status
        assert rows(Upload) == 0

    def test_the_same_file_twice_and_again_after_it_was_deleted(self, uploader):
        content = declared(uploader.uscc, months(3))
        upload = uploader.upload(content)
        answer = uploader.send(content, name="other.xlsx")
        assert answer.status_code == 409
        assert "very file before" in answer.text
        uploader.withdraw(upload)
        assert uploader.send(content).status_code == 303

    def test_the_same_file_from_two_browsers_at_once_is_one(self, uploader, empty_database):
        content, came_to = declared(uploader.uscc, months(3)), []

        def send():
            try:
                with db.transaction(viewer=db.Viewer(account_id=uploader.firm.account.id)) as session:
                    db.enter(session, db.Viewer(enterprise_id=uploader.firm.enterprise.id))
                    service.receive(
                        session, uploader.firm.enterprise, uploader.firm.account, content,
                        rules=runtime.of_app(uploader.person.client.application).of(ProfileRules).uploads,
                        now=utc_now(),
                    )  # fmt: skip
                came_to.append("taken")
            except service.AlreadyUploaded:
                came_to.append("there")

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(came_to) == ["taken", "there", "there", "there"]
        assert rows(Upload) == 1

    def test_only_so_many_a_day(self, uploader, app):
        found = runtime.of_app(app).of(ProfileRules)
        runtime.of_app(app).put(replace(found, uploads=replace(found.uploads, files_a_day=1)))
        uploader.send(declared(uploader.uscc, months(3)))
        answer = uploader.send(declared(uploader.uscc, months(4)))
        assert (answer.status_code, "enough for today" in answer.text) == (409, True)

    def test_a_body_that_is_too_large_and_one_that_is_just_not(self, uploader, app):
        most = runtime.of_app(app).of(Settings).max_upload_bytes
        assert uploader.send(bytes(most)).status_code == 413
        assert uploader.send(b"," * (most - 2000)).status_code == 303
        # Any other page keeps the small limit.
        uploader.person.get(f"{PAGE}?lang=en")
        assert uploader.person.client.post("/portal/counted", data=b"x" * 300_000).status_code == 413


class TestWho:
    def test_nobody_without_signing_in_or_for_another_firm(self, uploader, app):
        assert app.test_client().get(PAGE).status_code == 303
        with db.transaction("owner") as session:
            other = make.make_enterprise(session)
        assert uploader.send(b"x", enterprise=str(other.id)).status_code == 404
        assert rows(Upload) == 0

    def test_a_form_of_another_site_is_refused(self, uploader):
        uploader.person.get(PAGE)
        assert uploader.person.client.post(PAGE, data={"enterprise": "x"}).status_code == 400

    @pytest.mark.parametrize(
        ("limits", "status"), [(None, 303), ({"categories": ["tax"]}, 303), ({"categories": ["gas"]}, 403)]
    )
    def test_an_agent_within_its_limits(self, uploader, app, limits, status):
        with db.transaction("owner") as session:
            account = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, uploader.firm.enterprise, account, role="agent", limits=limits)
        uploader.person = Person(app.test_client(), account)
        uploader.person.sign_in()
        assert uploader.send(declared(uploader.uscc, months(3))).status_code == status

    def test_another_firms_upload_is_not_found(self, uploader, app):
        upload = uploader.upload(declared(uploader.uscc, months(3)))
        with db.transaction("owner") as session:
            account = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, make.make_enterprise(session), account)
        stranger = Person(app.test_client(), account)
        stranger.sign_in()
        assert stranger.get(f"{PAGE}/{upload.wire_id}").status_code == 404
        stranger.get(PAGE)
        with db.transaction("owner") as session:
            firm = session.scalar(text("SELECT enterprise_id FROM representations ORDER BY created_at DESC LIMIT 1"))
        assert stranger.post(f"{PAGE}/{upload.wire_id}/withdraw", enterprise=str(firm)).status_code == 404
        assert stored(upload.wire_id).state == "taken"

    def test_a_bank_sees_rows_only_under_a_consent_for_tax(self, uploader, bank, authorized):
        from tests.oauth import flow

        uploader.upload(declared(uploader.uscc, months(3)))

        def seen(authorization):
            with db.transaction("owner") as session:
                row = session.execute(
                    text("SELECT id, institution_id FROM consents WHERE id = :id"),
                    {"id": flow.consent_of(authorization)},
                ).one()
            with db.transaction(
                "api", viewer=db.Viewer(consent_id=row.id, institution_id=row.institution_id)
            ) as session:
                return [session.scalar(text(f"SELECT count(*) FROM {t}")) for t in ("uploads", "uploaded_facts")]

        assert seen(authorized(bank)) == [1, 3]
        assert seen(authorized(bank, categories=("social_security", "electricity"))) == [0, 0]


class TestReadingInTheWorker:
    def test_a_file_withdrawn_while_it_waits_is_never_stored(self, uploader):
        answer = uploader.send(declared(uploader.uscc, months(3)))
        wire_id = answer.headers["Location"].split("/")[-1].split("?")[0]
        uploader.withdraw(stored(wire_id))
        tasks.read_file(str(stored(wire_id).id))
        assert (stored(wire_id).state, rows(UploadedFact)) == ("withdrawn", 0)

    def test_a_file_that_kills_its_reader_is_refused_in_the_end(self, uploader):
        answer = uploader.send(declared(uploader.uscc, months(3)))
        upload = stored(answer.headers["Location"].split("/")[-1].split("?")[0])
        for _ in range(service.MOST_TRIES):
            with db.transaction("worker") as session:
                assert service.begin_reading(session, upload.id, utc_now()) is not None
        tasks.read_file(str(upload.id))
        assert (stored(upload.wire_id).state, stored(upload.wire_id).refusal) == ("refused", "damaged")

    def test_a_file_that_lost_its_job_is_queued_again(self, uploader):
        uploader.send(declared(uploader.uscc, months(3)))
        with db.transaction("owner") as session:
            session.execute(text("DELETE FROM procrastinate_jobs"))
            session.execute(update(Upload).values(uploaded_at=utc_now() - timedelta(minutes=5)))
        sweep()
        with db.transaction("owner") as session:
            names = session.scalars(text("SELECT task_name FROM procrastinate_jobs")).all()
        assert "uploads.read" in names

    def test_reading_twice_stores_once(self, uploader):
        upload = uploader.upload(declared(uploader.uscc, months(3)))
        tasks.read_file(str(upload.id))
        assert rows(UploadedFact) == 3

    def test_the_worker_adds_no_facts_of_another_firm(self, uploader):
        upload = uploader.upload(declared(uploader.uscc, months(3)))
        with pytest.raises(Exception, match="row-level security"), db.transaction("worker") as session:
            session.execute(
                text("INSERT INTO uploaded_facts (upload_id, enterprise_id, category, frame, period, subkey,"
                     " \"values\", complete, known_at, content_hash)"
                     " VALUES (:u, :e, 'tax', 'x', '2026-01-01', '', '{}', true, now(), 'x')"),
                {"u": upload.id, "e": upload.enterprise_id},
            )  # fmt: skip


class TestTheEnd:
    def test_what_the_firm_deletes_goes_at_once_and_the_certificate_counts_it(self, uploader, bank, authorized):
        authorized(bank)
        upload = uploader.upload(declared(uploader.uscc, months(3)))
        assert uploader.withdraw(upload).status_code == 303
        with db.transaction("owner") as session:
            assert session.scalar(
                text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'retention.purge_firm'")
            )
        done = purge_now(uploader.firm)
        assert (rows(Upload), rows(UploadedFact)) == (0, 0)
        (certificate,) = done.certificates
        claims = certificates.verify(certificate.document, keyring.public_keys("test-" + "k" * 40)).claims
        assert {name: one["rows"] for name, one in claims["deleted"].items()} == {"uploaded_facts": 3, "uploads": 1}

    def test_without_a_consent_the_evidence_tells(self, uploader):
        uploader.withdraw(uploader.upload(declared(uploader.uscc, months(3))))
        assert purge_now(uploader.firm).certificates == []
        assert rows(UploadedFact) == 0
        with db.transaction("owner") as session:
            detail = session.scalar(text("SELECT detail FROM audit_entries WHERE action = 'upload.purge'"))
        assert detail == {"deleted": {"uploaded_facts": 3, "uploads": 1}}

    def test_what_a_living_profile_was_made_from_stays_until_that_goes(self, uploader, bank, authorized, delivered):
        authorization = authorized(bank)
        delivered(authorization, categories=("social_security", "electricity"), tax="DOWN")
        upload = uploader.upload(declared(uploader.uscc, months(24)))
        made = bank.call("POST", "/v1/profiles", authorization, json={"accept_uploads": ["tax"]})
        assert made.status_code == 201
        uploader.withdraw(upload)
        purge_now(uploader.firm)
        assert rows(UploadedFact) == 24
        purge_now(uploader.firm, utc_now() + timedelta(days=60))
        assert (rows(UploadedFact), rows(Upload)) == (0, 0)

    def test_an_old_upload_goes_by_itself(self, uploader):
        uploader.upload(declared(uploader.uscc, months(3)))
        later = utc_now() + timedelta(days=401)
        with db.transaction("worker") as session:
            assert purge.firms_due(session, utc_now()) == []
            assert purge.firms_due(session, later) == [uploader.firm.enterprise.id]
        purge_now(uploader.firm, later)
        assert (rows(UploadedFact), rows(Upload), rows(UploadCheck)) == (0, 0, 0)


def test_a_day_before_the_upload_does_not_know_it(uploader, bank, authorized, delivered):
    authorization = authorized(bank)
    delivered(authorization, categories=("social_security", "electricity"), tax="DOWN")
    uploader.upload(declared(uploader.uscc, months(24)))
    body = {"accept_uploads": ["tax"], "as_of": f"{day_of(utc_now()) - timedelta(days=2)}"}
    assert bank.call("POST", "/v1/profiles", authorization, json=body).status_code == 409
