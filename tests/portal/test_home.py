"""The firm's home: states, accesses, and stopping a bank within two clicks."""

import html

import pytest

from creditlink.audit import service as audit
from creditlink.consents.life import counters
from creditlink.consents.tables import Consent
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests.portal.test_menu import addresses_of


@pytest.fixture
def consent(owner, bank):
    with db.transaction("owner") as session:
        return make.make_consent(
            session, client=bank.client, enterprise=owner.firm, account=owner.account, now=utc_now()
        )


def state_of(consent):
    with db.transaction("owner") as session:
        return session.get_one(Consent, consent.id).state


def disclose(consent, **values):
    with db.transaction() as session:
        audit.record(
            session,
            **{
                "action": "profile.create",
                "result": "disclosed",
                "actor": "bank:x",
                "now": utc_now(),
                "enterprise_id": consent.enterprise_id,
                "institution_id": consent.institution_id,
                "consent_id": consent.id,
                "purpose": consent.purpose,
                "detail": {"categories": ["tax"]},
            }
            | values,
        )


def test_home_shows_every_consent_with_its_state(owner, bank, consent):
    with db.transaction("owner") as session:
        for state in ("PAUSED", "REVOKED", "EXPIRED", "EXHAUSTED"):
            make.make_consent(
                session, client=bank.client, enterprise=owner.firm, account=owner.account, now=utc_now(), state=state
            )
    said = owner.get("/portal/").text
    for word in ("Active", "Paused", "Withdrawn", "Expired", "Used up"):
        assert f">{word}</span>" in said


@pytest.mark.parametrize(
    ("changes", "state"),
    [(["pause"], "PAUSED"), (["pause", "resume"], "ACTIVE"), (["revoke"], "REVOKED"), (["pause", "revoke"], "REVOKED")],
)
def test_stopping_is_one_form_on_the_first_page(owner, consent, changes, state):
    for change in changes:
        path = f"/portal/consents/{consent.wire_id}"
        if change == "revoke":  # what ends for good says first what stops and what stays
            assert f'href="{path}/withdraw"' in owner.get("/portal/").text
            owner.get(f"{path}/withdraw")
        else:
            owner.get("/portal/")
        assert f'action="{path}/{change}"' in owner.page.text
        assert owner.post(f"/portal/consents/{consent.wire_id}/{change}").status_code == 303
    assert state_of(consent) == state


def test_what_is_over_cannot_be_changed_and_stays_visible(owner, consent):
    owner.get("/portal/")
    path = f"/portal/consents/{consent.wire_id}"
    owner.post(f"{path}/revoke")
    owner.get("/portal/accesses")
    answer = owner.post(f"{path}/resume")
    assert answer.status_code == 409
    assert "withdrawn already" in answer.text
    assert "Withdrawn" in owner.get(path).text


def test_nothing_changes_by_following_a_link(owner, consent):
    assert owner.get(f"/portal/consents/{consent.wire_id}/revoke").status_code == 405
    assert state_of(consent) == "ACTIVE"


@pytest.mark.parametrize("method", ["get", "pause", "revoke"])
def test_idor_on_the_pages(owner, bank, method):
    """Another firm's consent and one that does not exist look the same."""
    with db.transaction("owner") as session:
        foreign = make.make_consent(session, client=bank.client, now=utc_now())
    pages = []
    for wire_id in (foreign.wire_id, "cns_" + "0" * 32, "cns_1", "1"):
        owner.get("/portal/")
        path = f"/portal/consents/{wire_id}"
        answer = owner.get(path) if method == "get" else owner.post(f"{path}/{method}")
        assert answer.status_code == 404
        pages.append(answer.text.replace(path, ""))
    # All but the form's token, which is new on every page.
    assert len({p.split('name="csrf_token"')[0] for p in pages}) == 1
    assert state_of(foreign) == "ACTIVE"


def test_a_foreign_firm_cannot_be_shown(owner):
    with db.transaction("owner") as session:
        foreign = make.make_enterprise(session)
    for path in ("/portal/", "/portal/accesses"):
        assert owner.get(f"{path}?enterprise={foreign.id}").status_code == 404
        assert owner.get(f"{path}?enterprise=x").status_code == 404


def test_a_dismissed_agent_sees_nothing_any_more(owner, consent):
    with db.transaction("owner") as session:
        make.make_representation(session, owner.firm, make.make_account(session), now=utc_now())
    assert owner.get(f"/portal/consents/{consent.wire_id}").status_code == 404
    assert owner.firm.name not in owner.get("/portal/").text


def test_the_access_view_is_exact(owner, consent):
    """What was recorded is on the next page, refused reads too, and nothing of another firm."""
    with db.transaction("owner") as session:
        other = make.make_consent(session, now=utc_now())
    disclose(consent)
    disclose(consent, action="read.refused", result="refused", detail={"reason": "paused"})
    disclose(other, detail={"categories": ["logistics"]})
    said = owner.get("/portal/accesses").text
    assert "Credit profile made" in said
    assert "First River Bank" in said
    assert "Tax and invoices" in said
    assert "the consent was paused" in said
    assert "Logistics" not in said
    assert said.count("<time") == 2
    assert owner.get(f"/portal/consents/{consent.wire_id}").text.count("<time") == 2


def test_a_long_history_is_paged_without_gaps(owner, consent):
    for _ in range(55):
        disclose(consent)
    first = owner.get("/portal/accesses").text
    assert first.count("<time") == 50
    older = html.unescape(first.split('rel="next" href="')[1].split('"')[0])
    assert owner.get(f"/portal/accesses{older}").text.count("<time") == 5
    assert owner.get("/portal/accesses?page=3").status_code == 422
    exported = owner.get(f"/portal/accesses{older}&export=csv")
    assert exported.mimetype == "text/csv"
    assert exported.text.count("Credit profile made") == 55  # every page


def test_the_log_is_narrowed_by_day_lender_and_result(owner, bank, consent):
    disclose(consent)
    disclose(consent, action="read.refused", result="refused", detail={"reason": "paused"})
    day, code = day_of(utc_now()), bank.institution.code
    asked = {"": 2, "result=refused": 1, f"who={code}": 2, f"since={day}&until={day}": 2, "since=2090-01-01": 0}
    assert {q: owner.get(f"/portal/accesses?{q}").text.count("<time") for q in asked} == asked
    assert owner.get("/portal/accesses?who=another").status_code == 422


def test_names_cannot_carry_markup(owner, bank):
    with db.transaction("owner") as session:
        client = make.make_client(session, make.make_institution(session, name_en="<script>alert(1)</script>"))
        make.make_consent(session, client=client, enterprise=owner.firm, account=owner.account, now=utc_now())
    said = owner.get("/portal/").text
    assert "<script>" not in said
    assert "&lt;script&gt;" in said


def test_a_spent_consent_says_until_when_what_it_made_can_be_read(owner, bank):
    with db.transaction("owner") as session:
        consent = make.make_consent(
            session,
            client=bank.client,
            enterprise=owner.firm,
            account=owner.account,
            now=utc_now(),
            pulls_per_month=1,
            data_life_days=5,
        )
    owner.get("/portal/")
    assert "Every use is spent" not in owner.get(f"/portal/consents/{consent.wire_id}").text
    with db.transaction() as session:
        counters.consume_use(session, session.get_one(Consent, consent.id), utc_now())
    said = owner.get(f"/portal/consents/{consent.wire_id}").text
    assert "Every use is spent" in said
    assert ">Active</span>" in said


def test_pulls_are_in_the_log_with_purpose_rows_and_fields(owner, consent):
    fetched = {
        "source": "tax",
        "rows": 36,
        "categories": ["tax"],
        "facts": {"vat_declarations": 36},
        "fields": {"vat_declarations": ["taxable_sales_fen", "payable_fen"]},
    }
    disclose(consent, action="records.pull", result="delivered", actor="system", detail=fetched)
    down = {"source": "electricity", "rows": 0, "categories": [], "facts": {}, "fields": {}, "error": "no answer"}
    disclose(consent, action="records.pull", result="down", actor="system", detail=down)
    for path in ("/portal/accesses", f"/portal/consents/{consent.wire_id}"):
        said = owner.get(path).text
        assert said.count("Records fetched from the sources") == 2
        assert "36 rows" in said
        assert "Taxable sales, Tax payable" in said
        assert "the source was down" in said
        assert "Loan underwriting" in said
        assert "Electricity" not in said.split("<tbody>")[-1]  # nothing of it came


def test_the_log_names_what_was_delivered_and_what_was_missing(owner, consent):
    told = {"categories": ["tax"], "rows": {"tax": 24}, "missing": {"electricity": "source_down"}}
    disclose(consent, detail=told)
    said = owner.get("/portal/accesses").text
    assert "24 rows" in said
    assert "Electricity: not delivered in full, the source is down" in said


def test_the_log_says_what_was_read_by_law_and_what_older_entries_called_otherwise(owner, consent):
    told = {"categories": ["public_credit", "tax"], "rows": {"tax": 24, "public_credit": 1}}
    disclose(consent, detail=told | {"by_law": {"public_credit": "a law", "registration": "another"}})
    before = {"categories": ["utility"], "rows": {"utility": 36}}
    disclose(consent, detail=before)
    said = owner.get("/portal/accesses").text
    assert "public by law: Registration, Public credit record" in said
    assert "Electricity, water and gas" in said


def test_every_address_of_the_menu_is_served(app):
    served = app.url_map.bind("")
    for address in addresses_of(app):
        assert served.test(f"/portal/{address}", method="GET"), address
