"""The firm makes a report in its pages, anybody verifies it without signing in, the firm revokes it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import OWN_ID
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.profiles.reliance.endings.tables import ProfileEnding
from creditlink.reports import signing
from creditlink.reports.tables import CreditReport, ReportContent, ReportView
from creditlink.retention import purge
from tests import factories as make
from tests.portal.conftest import Person, person
from tests.portal.test_own import firm, firm_of, itself, reader
from tests.profiles.conftest import city, products, rich_firm

__all__ = ["city", "firm", "itself", "person", "products", "reader", "rich_firm"]

PAGE = "/portal/reports"
FORM = {
    "recipient": "顺德永丰物业", "purpose": "租赁厂房", "days": "10", "language": "zh",
    "section": ["registered", "reasons", "waterfall", "sales", "tax", "headcount"],
}  # fmt: skip


@pytest.fixture
def made(itself, reader):
    """A report that the firm made in its pages: its id; the person stands on its page."""

    def run(**values):
        itself()
        reader.get(f"{PAGE}?lang=en")
        answer = reader.post(PAGE, **{"enterprise": str(firm_of(reader))} | FORM | values)
        assert answer.status_code == 303, answer.text
        reader.get(answer.headers["Location"])
        return answer.headers["Location"].rpartition("/")[2]

    return run


@pytest.fixture
def stranger(app):
    return Person(app.test_client())


def address_of(shown) -> str:
    return re.search(r'href="https?://[^/"]+(/verify/[\w-]{43})"', shown).group(1)


def upload(person, content, name="report.pdf"):
    person.get("/portal/verify?lang=en")
    token = re.search(r'name="csrf_token" value="([^"]+)"', person.page.text).group(1)
    # By hand: the test client would leave a larger body in a file that nobody closes.
    fields = (f'name="csrf_token"\r\n\r\n{token}', f'name="file"; filename="{name}"\r\n\r\n')
    parts = "\r\n".join(f"--x\r\nContent-Disposition: form-data; {field}" for field in fields)
    body = parts.encode() + content + b"\r\n--x--\r\n"
    return person.client.post("/portal/verify", data=body, content_type="multipart/form-data; boundary=x")


def verified(stranger, address):
    """Follow the address of a paper."""
    sent = stranger.client.get(address)
    assert sent.status_code == 303
    return stranger.get(sent.headers["Location"] + "?lang=en")


class TestTheFirm:
    def test_makes_one_and_downloads_it_in_both_forms(self, app, made, reader):
        wire_id = made()
        assert "顺德永丰物业" in reader.page.text
        assert "electricity by month" in unescape(reader.page.text)  # left out, and said
        keys = app.test_client().get("/v1/receipt-keys").json
        for kind in ("pdf", "json"):
            answer = reader.client.get(f"{PAGE}/{wire_id}/file.{kind}")
            assert answer.status_code == 200
            assert "attachment" in answer.headers["Content-Disposition"]
            found = signing.verify(answer.data, keys)
            assert (found.kind, found.claims["recipient"]) == (kind, "顺德永丰物业")
            assert found.claims["made_by"]["kind"] == "firm"
            assert all("electricity" not in row for row in found.claims["months"])

    def test_says_what_the_page_of_the_profile_says(self, app, itself, reader, made):
        wire_id = made()
        found = reader.client.get(f"{PAGE}/{wire_id}/file.json").json["report"]
        shown = reader.get(f"/portal/profile?lang=en&profile={found['profile']['id']}").text
        assert str(found["profile"]["points"]) in shown
        assert all(unescape(one["en"]) in unescape(shown) for one in found["profile"]["reasons"])

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"recipient": " "}, "for whom"),
            ({"recipient": "x" * 61}, "for whom"),
            ({"purpose": "a\u202eb"}, "what it is for"),
            ({"days": "91"}, "1 to 90 days"),
            ({"days": "²"}, "1 to 90 days"),
            ({"days": ""}, "1 to 90 days"),
            ({"language": "xx"}, "cannot be chosen"),
        ],
    )
    def test_what_it_cannot_be(self, itself, reader, values, said):
        itself()
        reader.get(f"{PAGE}?lang=en")
        answer = reader.post(PAGE, **{"enterprise": str(firm_of(reader))} | FORM | values)
        assert answer.status_code == 422
        assert said in answer.text
        with db.transaction("owner") as session:
            assert session.scalars(select(CreditReport)).all() == []

    def test_without_a_profile_of_its_own_is_told_to_make_one(self, reader):
        assert "Make your own profile first" in reader.get(f"{PAGE}?lang=en").text

    def test_sees_nothing_of_another_firms(self, app, made):
        wire_id = made()
        with db.transaction("owner") as session:
            account = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, make.make_enterprise(session), account)
        other = Person(app.test_client(), account)
        assert other.sign_in().status_code == 303
        for path in ("", "/file.pdf", "/file.json"):
            assert other.get(f"{PAGE}/{wire_id}{path}").status_code == 404
        other.get(f"{PAGE}?lang=en")
        assert other.post(f"{PAGE}/{wire_id}/revoke").status_code == 404
        with db.transaction("owner") as session:
            assert session.scalars(select(CreditReport)).one().revoked_at is None


class TestWhoeverHoldsThePaper:
    def test_is_told_what_it_can_be_compared_by_and_no_more(self, made, reader, stranger):
        made()
        address = address_of(reader.page.text)
        shown = verified(stranger, address)
        text_ = unescape(shown.text)
        assert shown.status_code == 200
        assert "Genuine and valid." in text_
        assert "顺德永丰物业" in text_
        assert "租赁厂房" in text_
        with db.transaction("owner") as session:
            report = session.scalars(select(CreditReport)).one()
            firm = session.get_one(Enterprise, report.enterprise_id)
        assert report.digest in text_
        assert firm.name not in text_
        assert firm.uscc not in text_
        assert firm.uscc[-6:] in text_
        assert "noindex" in shown.headers["X-Robots-Tag"]
        assert "script" not in shown.headers["Content-Security-Policy"].replace("script-src 'none'", "")

    def test_is_counted_by_day_and_nobody_is_kept(self, made, reader, stranger, app):
        wire_id = made()
        address = address_of(reader.page.text)
        for _ in range(2):
            verified(stranger, address)
        app.test_client().get(
            address.replace("/verify", "/portal/verify"), environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
        )
        reader.get(address.replace("/verify", "/portal/verify"))  # the firm itself does not count
        with db.transaction("owner") as session:
            rows = session.scalars(select(ReportView)).all()
            assert sorted(row.looks for row in rows) == [1, 2]
            assert all("203.0.113.9" not in row.visitor and "127.0.0.1" not in row.visitor for row in rows)
        shown = reader.get(f"{PAGE}/{wire_id}?lang=en").text
        assert re.search(r'<td class="number">2</td><td class="number">3</td>', shown)

    def test_is_told_when_it_is_revoked_and_nothing_else(self, made, reader, stranger):
        wire_id = made()
        address = address_of(reader.page.text)
        assert reader.post(f"{PAGE}/{wire_id}/revoke").status_code == 303
        shown = unescape(verified(stranger, address).text)
        assert "has revoked it" in shown
        assert "顺德永丰物业" not in shown
        reader.get(f"{PAGE}/{wire_id}?lang=en")
        assert "Revoke this report" not in reader.page.text
        assert reader.post(f"{PAGE}/{wire_id}/revoke").status_code == 303  # again: nothing happens

    def test_is_told_when_its_time_is_over(self, made, reader, stranger):
        made()
        address = address_of(reader.page.text)
        with db.transaction("owner") as session:
            report = session.scalars(select(CreditReport)).one()
            report.made_at = utc_now() - timedelta(days=11)
            report.valid_until = utc_now() - timedelta(seconds=1)
        shown = unescape(verified(stranger, address).text)
        assert "its time is over" in shown
        assert "顺德永丰物业" not in shown

    def test_is_told_when_the_consent_is_withdrawn(self, made, reader, stranger):
        from creditlink.consents import service as consents

        made()
        address = address_of(reader.page.text)
        with db.transaction("owner") as session:
            consent = session.scalars(select(Consent).where(Consent.institution_id == OWN_ID)).one()
            consents.pause(session, consent, actor="account:x", reason="by_the_firm", now=utc_now())
        assert "has paused its consent" in verified(stranger, address).text
        with db.transaction("owner") as session:
            consent = session.scalars(select(Consent).where(Consent.institution_id == OWN_ID)).one()
            consents.revoke(session, consent, actor="account:x", reason="by_the_firm", now=utc_now())
        shown = unescape(verified(stranger, address).text)
        assert "has withdrawn its consent" in shown
        assert "顺德永丰物业" not in shown

    def test_is_told_when_what_it_repeats_is_over(self, made, reader, stranger):
        wire_id = made()
        address = address_of(reader.page.text)
        with db.transaction("owner") as session:
            profile = session.scalars(select(CreditReport.profile_id)).one()
            event = {"event": "fact_corrected", "evidence": {}, "ended_at": utc_now(), "noted_at": utc_now()}
            session.add(ProfileEnding(profile_id=profile, **event))
        shown = unescape(verified(stranger, address).text)
        assert "has changed since" in shown
        assert "Genuine and valid." not in shown
        assert "顺德永丰物业" not in shown
        assert "has changed since" in reader.get(f"{PAGE}/{wire_id}?lang=en").text

    @pytest.mark.parametrize("token", ["x", "A" * 43, "é" * 43, "..%2f" * 8, "%00" * 43, "A" * 5000])
    def test_guesses_nothing(self, made, stranger, token):
        made()
        shown = stranger.get(f"/portal/verify/{token}?lang=en")
        assert shown.status_code in (400, 404, 422)
        with db.transaction("owner") as session:
            assert session.scalars(select(ReportView)).all() == []

    def test_asks_so_often_and_no_more(self, stranger):
        codes = [stranger.get(f"/portal/verify/{'A' * 43}").status_code for _ in range(121)]
        assert codes == [404] * 120 + [429]


class TestAFile:
    def test_as_we_made_it(self, made, reader, stranger):
        wire_id = made()
        for kind in ("pdf", "json"):
            shown = unescape(upload(stranger, reader.client.get(f"{PAGE}/{wire_id}/file.{kind}").data).text)
            assert "Genuine and valid." in shown
            assert "Every byte" in shown

    def test_with_other_pages_is_no_file_of_ours(self, made, reader, stranger):
        wire_id = made()
        content = reader.client.get(f"{PAGE}/{wire_id}/file.pdf").data
        shown = unescape(upload(stranger, content[:60] + bytes([content[60] ^ 1]) + content[61:]).text)
        assert "were altered" in shown
        assert "Genuine and valid." not in shown

    def test_revoked(self, made, reader, stranger):
        wire_id = made()
        content = reader.client.get(f"{PAGE}/{wire_id}/file.pdf").data
        reader.post(f"{PAGE}/{wire_id}/revoke")
        assert "has revoked it" in unescape(upload(stranger, content).text)

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"\0" * 100, b"%PDF-1.7\n", b"PK\x03\x04zip", "报告".encode("gbk"), b"\xef\xbb\xbf{}", b"[" * 200_000,
            b'{"jws": "a.b.c"}', b'{"jws": 1}', b"%PDF-1.7\n" + b"/EmbeddedFile" * 100_000, b"null", b"\xed\xa0\x80",
        ],
    )  # fmt: skip
    def test_of_another_kind(self, stranger, content):
        shown = upload(stranger, content)
        assert shown.status_code == 422
        assert "no credit report" in unescape(shown.text)

    def test_larger_than_any(self, stranger):
        assert upload(stranger, b"%PDF-" + b"x" * signing.MOST_BYTES).status_code in (413, 422)


def test_what_it_says_goes_with_the_profile_and_that_it_was_made_stays(made, reader, stranger, settings):
    made()
    address = address_of(reader.page.text)
    later = utc_now() + timedelta(days=367)
    with db.transaction("worker") as session:
        firm = session.scalars(select(CreditReport.enterprise_id)).one()
        assert firm in purge.firms_due(session, later)
        done = purge.purge_firm(session, firm, issuer=settings.issuer, secret=settings.secret_key, now=later)
        assert done.rows["report_contents"] == 1
    with db.transaction("owner") as session:
        assert session.scalars(select(ReportContent)).all() == []
        report = session.scalars(select(CreditReport)).one_or_none()
    assert report is not None
    assert "deleted with the profile" in reader.get(f"{PAGE}?lang=en").text
    assert "not valid any more" in unescape(verified(stranger, address).text) or report.valid_until > utc_now()
    for kind in ("pdf", "json"):
        assert reader.get(f"{PAGE}/{report.wire_id}/file.{kind}").status_code == 404
    much_later = report.keep_until + timedelta(seconds=1)
    with db.transaction("worker") as session:
        purge.purge_firm(session, firm, issuer=settings.issuer, secret=settings.secret_key, now=much_later)
    assert verified(stranger, address).status_code == 404
