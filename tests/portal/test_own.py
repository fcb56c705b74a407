"""A firm looks at itself: its consent to itself, its profile, its records; and nothing of it for any bank."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from creditlink.audit.tables import AuditEntry
from creditlink.consents.tables import Consent
from creditlink.institutions.tables import OWN_ID, Client, Institution
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification
from creditlink.profiles.reliance.endings.tables import ProfileEnding
from creditlink.profiles.tables import Profile
from creditlink.records.store import save_facts
from creditlink.records.tables import Pull
from creditlink.watch.counting import models_of
from tests import factories as make
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.portal.test_profile import firm, reader
from tests.profiles.conftest import (
    CORE,
    authorized,
    bank,
    city,
    created,
    delivered,
    facts_of,
    http,
    nothing_public,
    products,
    rich_firm,
    store_pull,
)  # fmt: skip
from tests.profiles.endings.test_endings import listing, sweep

__all__ = [
    "authorized", "bank", "city", "created", "delivered", "firm", "http", "products", "reader", "rich_firm",
]  # fmt: skip
OWN, RECORDS = "/portal/own", "/portal/own/records"


def agree(person, *, categories=None, **fields):
    """Open the page and sign what it shows; return the answer."""
    shown = person.get(f"{OWN}?lang=en").text
    offered = re.findall(r'name="category" value="(\w+)"', shown)
    form = {
        "enterprise": re.search(r'name="enterprise" value="([^"]+)"', shown).group(1),
        "text": re.search(r'name="text" value="(\w+)"', shown).group(1),
        "category": offered if categories is None else categories,
    }
    return person.post(OWN, **form | fields)


def fetched(database, city, number, *, categories=CORE, known=CORE):
    """Leave what a finished pull under the firm's consent to itself leaves; return the consent."""
    now = utc_now()
    with database.transaction("owner") as session:
        consent = session.scalars(select(Consent).where(Consent.institution_id == OWN_ID)).one()
        asked = [one for one in consent.categories if one not in known]
        pull_id = store_pull(
            session, consent, nothing_public() | dict.fromkeys(known, "DELIVERED") | holders_without(asked), now
        )
        for category in categories:
            save_facts(
                session, facts_of(city, number, (category,)), enterprise_id=consent.enterprise_id, source=category,
                pull_id=pull_id, now=now - timedelta(seconds=1),
            )  # fmt: skip
    return consent


def holders_without(categories):
    """The sources of other categories, which have no record of the firm."""
    from creditlink.records.sources import current

    return {name: "NO_RECORD" for name, one in current().config.sources.items() if set(one.categories) & {*categories}}


@pytest.fixture
def itself(reader, empty_database, city, rich_firm, products):
    """A firm that agreed with itself and whose data is there; makes its profile."""

    def run():
        assert agree(reader).status_code == 303
        fetched(empty_database, city, rich_firm)
        reader.get(f"{OWN}?lang=en")
        answer = reader.post(f"{OWN}/profile", enterprise=str(firm_of(reader)))
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].rpartition("profile=")[2]

    return run


def firm_of(person):
    with db.transaction("owner") as session:
        return session.scalars(select(Consent.enterprise_id).where(Consent.institution_id == OWN_ID)).first()


class TestNothingForABank:
    def test_no_token_of_any_bank_opens_the_consent_its_profile_or_its_records(
        self, itself, bank, authorized, delivered, empty_database, http
    ):
        made = itself()
        # The bank has a live consent of the same firm to something else, of fewer months.
        authorization = authorized(bank, categories=("electricity",), history_months=6)
        delivered(authorization, categories=("electricity",))
        with empty_database.transaction("owner") as session:
            consent = session.scalars(select(Consent).where(Consent.institution_id == OWN_ID)).one()
        for path in (
            "",
            "/explanation",
            "/matches",
            "/improvements",
            "/lineage?indicator=sales_12_fen",
            "/registration",
        ):
            answer = bank.call("GET", f"/v1/profiles/{made}{path}", authorization)
            assert answer.status_code == 404, (path, answer.text)
        itself_named = bank.in_own_name(scope="consent:read")
        assert bank.call("GET", f"/v1/consents/{consent.wire_id}", itself_named).status_code == 404
        listed = bank.call("GET", "/v1/consents", itself_named).json()["items"]
        assert [one["id"] for one in listed] == [authorization.grant_id]
        assert bank.call("GET", "/v1/profiles", authorization).json()["items"] == []
        first = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        told = first["coverage"]
        assert told["tax"] == {"granted": False, "status": "not_granted", "source": None, "rows": 0, "months": 0}
        assert told["electricity"]["months"] <= 7
        assert made not in str(first)

    def test_the_database_lets_nobody_act_as_it(self, itself, empty_database, bank):
        itself()
        forbidden = [
            "UPDATE clients SET status = 'active' WHERE client_id = 'own-use'",
            'UPDATE clients SET jwks = \'{"keys": [{"kty": "EC"}]}\' WHERE client_id = \'own-use\'',
            "UPDATE clients SET scopes = '{profile:read}' WHERE client_id = 'own-use'",
            f"UPDATE institutions SET kind = 'bank' WHERE id = '{OWN_ID}'",
            "UPDATE institutions SET kind = 'own' WHERE kind = 'bank'",
            f"UPDATE clients SET institution_id = '{OWN_ID}' WHERE client_id <> 'own-use'",
            "INSERT INTO access_tokens (id, token_hash, client_id, institution_id, origin_id, scopes, details, jkt,"
            f" created_at, expires_at) VALUES (gen_random_uuid(), 'x', 'own-use', '{OWN_ID}', gen_random_uuid(),"
            " '{}', '[]', 'x', now(), now())",
        ]
        for statement in forbidden:
            with pytest.raises(IntegrityError, match="own_use"), empty_database.transaction("owner") as session:
                session.execute(text(statement))
        with pytest.raises(IntegrityError, match="own_use"), empty_database.transaction("owner") as session:
            make.make_consent(session, purpose="own")
        refused = bank.http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": "own-use"})
        assert refused.status_code in (400, 401)
        assert refused.json()["error"] == "invalid_client"

    def test_no_bank_can_ask_for_it(self, bank):
        asked = flow.details(purpose="own", access="recurring", categories=["tax"])
        with pytest.raises(Exception, match="purpose must be one of prequalification"):
            bank.push(asked, scope=flow.SCOPE)

    def test_nobody_is_told_and_nothing_counts_it(self, itself, reader, empty_database):
        made = itself()
        with empty_database.transaction("owner") as session:
            consent = session.scalars(select(Consent).where(Consent.institution_id == OWN_ID)).one()
        reader.get(f"/portal/profile?profile={made}&lang=en")
        assert reader.post(f"/portal/profile/{made}/review", note="x").status_code == 404  # nobody decides by it
        reader.get(f"/portal/consents/{consent.wire_id}")
        assert reader.post(f"/portal/consents/{consent.wire_id}/revoke").status_code == 303
        with empty_database.transaction("owner") as session:
            assert models_of(session, utc_now().date()) == []
            assert session.scalars(select(Notification.id).where(Notification.institution_id != OWN_ID)).all() == []
            profile = session.get_one(Profile, ids.internal("prf", made))
            assert profile.institution_id == OWN_ID

    def test_what_it_fetched_ends_no_profile_of_a_bank_before_the_bank_asks(
        self, created, reader, empty_database, city, rich_firm
    ):
        _, made = created()
        assert agree(reader).status_code == 303
        later = utc_now() + timedelta(seconds=1)
        consent = fetched(empty_database, city, rich_firm)
        with empty_database.transaction("owner") as session:
            theirs = session.scalars(select(Consent).where(Consent.institution_id != OWN_ID)).one()
            brought = session.scalars(select(Pull.id).where(Pull.consent_id == consent.id)).one()
            save_facts(
                session, [listing()], enterprise_id=theirs.enterprise_id, source="public_credit", pull_id=brought,
                now=later,
            )  # fmt: skip
        assert sweep() == {}
        with empty_database.transaction("owner") as session:
            store_pull(session, theirs, {"public_credit": "DELIVERED"}, later + timedelta(seconds=1))
        assert sweep() == {"new_penalty_or_enforcement": 1}
        with empty_database.transaction("owner") as session:
            assert session.scalars(select(ProfileEnding.profile_id)).one() == ids.internal("prf", made["id"])


class TestAgreeing:
    def test_it_is_a_consent_like_any_other(self, reader, empty_database):
        shown = reader.get(f"{OWN}?lang=en").text
        named, text_hash = (
            re.search(rf'name="{one}" value="([^"]+)"', shown).group(1) for one in ("enterprise", "text")
        )
        form = {"enterprise": named, "text": text_hash, "category": ["tax", "electricity"]}
        assert reader.post(OWN, **form).status_code == 303
        with empty_database.transaction("owner") as session:
            consent = session.scalars(select(Consent)).one()
            assert (consent.state, consent.channel, consent.purpose) == ("ACTIVE", "own", "own")
            assert consent.categories == ["tax", "electricity"]
            assert consent.text_shown["lines"][1][1].startswith("No bank and no other institution sees this consent")
            entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "consent.approve")).one()
            assert (entry.institution_id, entry.actor) == (OWN_ID, f"account:{reader.account.id}")
        assert "The firm itself" in reader.get("/portal/?lang=en").text
        receipt = reader.get(f"/portal/consents/{consent.wire_id}/receipt")
        assert receipt.status_code == 200
        # The form of a page that was open in another window all the while.
        reader.get("/portal/?lang=en")
        assert reader.post(OWN, **form).status_code == 409

    def test_what_was_not_shown_or_chosen_is_not_signed(self, reader, empty_database):
        assert agree(reader, categories=[]).status_code == 422
        assert agree(reader, text="0" * 64).status_code == 409
        assert agree(reader, categories=["tax", "invented"]).status_code == 422
        assert agree(reader, categories=["registration"]).status_code == 422
        assert agree(reader, enterprise="00000000-0000-0000-0000-000000000000").status_code == 404
        with empty_database.transaction("owner") as session:
            assert session.scalars(select(Consent)).all() == []

    def test_it_takes_two_where_the_firm_wants_two(self, app, reader, firm, empty_database):
        with empty_database.transaction("owner") as session:
            session.merge(firm.enterprise).two_signatures = True
            second = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, firm.enterprise, second, "agent")
        assert agree(reader).status_code == 303
        assert "takes effect with the second signature" in reader.get(f"{OWN}?lang=en").text
        other = Person(app.test_client(), second)
        other.sign_in()
        address = re.search(r'href="(/portal/inbox/cns_\w+)"', other.get("/portal/inbox?lang=en").text).group(1)
        asked = other.get(f"{address}?lang=en").text
        assert "See your own data and profile, without any bank" in asked
        assert "asks to see" not in asked
        offered = re.findall(r'name="category" value="(\w+)"', asked)
        assert offered
        assert other.post(address, decision="approve", category=offered).status_code == 303
        assert "Your firm looks at itself" in reader.get(f"{OWN}?lang=en").text

    def test_an_agent_stays_within_its_limits(self, app, reader, firm, itself, empty_database):
        itself()
        with empty_database.transaction("owner") as session:
            agent = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, firm.enterprise, agent, "agent", limits={"categories": ["electricity"]})
        other = Person(app.test_client(), agent)
        other.sign_in()
        other.get(OWN)
        assert other.post(f"{OWN}/profile", enterprise=str(firm.enterprise.id)).status_code == 403
        assert other.get(f"{RECORDS}?category=electricity").status_code == 200
        assert other.get(f"{RECORDS}?category=tax").status_code == 404
        assert "social_security" not in other.get(f"{RECORDS}?category=late").text


class TestLooking:
    def test_the_profile_is_what_a_bank_would_see(self, itself, reader, bank, authorized, delivered, empty_database):
        made = itself()
        authorization = authorized(bank)
        delivered(authorization)
        theirs = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        with empty_database.transaction("owner") as session:
            mine = session.get_one(Profile, ids.internal("prf", made))
            assert (mine.grade, mine.points, mine.pd_12m) == (theirs["grade"], theirs["points"], theirs["pd_12m"])
        shown = reader.get(f"/portal/profile?lang=en&profile={made}").text
        assert f'<span class="points">{theirs["points"]}</span>' in shown
        assert "The firm itself" in shown

    def test_every_look_is_in_the_firms_own_log(self, itself, reader, empty_database):
        made = itself()
        reader.get(f"/portal/profile?profile={made}")
        reader.get(f"{RECORDS}?category=tax")
        with empty_database.transaction("owner") as session:
            rows = session.execute(
                select(AuditEntry.action, AuditEntry.actor, AuditEntry.institution_id)
                .where(AuditEntry.result == "disclosed")
                .order_by(AuditEntry.seq)
            ).all()
        person = f"account:{reader.account.id}"
        assert rows == [(action, person, OWN_ID) for action in ("profile.create", "own.profile", "own.records")]
        log = reader.get("/portal/accesses?lang=en").text
        assert "Own records looked at" in log
        assert "Own profile looked at" in log

    def test_records_say_month_day_source_and_who_sees_them(
        self, itself, reader, bank, authorized, delivered, empty_database, city, rich_firm
    ):
        itself()
        alone = reader.get(f"{RECORDS}?category=electricity&lang=en").text
        assert "No bank can see it now" in alone
        assert "<svg" in alone
        authorized(bank, categories=("electricity",), history_months=3)
        with empty_database.transaction("owner") as session:
            lender = session.scalars(
                select(Institution.name_en).join(Client, Client.institution_id == Institution.id)
                .where(Client.client_id == bank.client_id)
            ).one()  # fmt: skip
        seen = reader.get(f"{RECORDS}?category=electricity&lang=en").text
        assert f"<li>{lender}" in seen
        cells = re.findall(r'data-label="Banks that can see it">([^<]+)<', seen)
        assert cells.count(lender) <= 4
        assert "none" in cells
        assert lender not in reader.get(f"{RECORDS}?category=tax&lang=en").text
        csv = reader.get(f"{RECORDS}?category=electricity&lang=zh&meter_months.export=csv").get_data(as_text=True)
        assert len(csv.splitlines()) > 20
        assert "用量" in csv
        late = reader.get(f"{RECORDS}?category=late&lang=en&late.export=csv").get_data(as_text=True)
        assert all(int(line.split(",")[5]) > 0 for line in late.splitlines()[1:])
        assert reader.get(f"{RECORDS}?category=nonsense").status_code == 404

    def test_each_datum_leads_to_where_it_is_disputed(self, itself, reader, empty_database):
        itself()
        found = re.findall(r'href="(/portal/disputes/new\?record=[^"]+)"', reader.get(f"{RECORDS}?category=tax").text)
        with empty_database.transaction("owner") as session:
            known = session.scalar(text("SELECT count(*) FROM facts WHERE category = 'tax'"))
        assert 0 < len(found) <= known
        page = reader.get(unescape(found[0]) + "&lang=en")
        assert (page.status_code, "What is wrong" in page.text or "record" in page.text) == (200, True)

    def test_a_paused_or_withdrawn_consent_opens_nothing(self, itself, reader, empty_database):
        made = itself()
        with empty_database.transaction("owner") as session:
            known = session.scalars(select(Consent).where(Consent.institution_id == OWN_ID)).one().wire_id
        for change in ("pause", "revoke"):
            reader.get(f"/portal/consents/{known}?lang=en")
            assert reader.post(f"/portal/consents/{known}/{change}").status_code == 303
            page = reader.get(f"{RECORDS}?category=tax&lang=en").text
            assert "has not agreed to look at its own data, or has paused it" in page
            assert "<svg" not in page
        assert reader.post(f"{OWN}/profile", enterprise=str(firm_of(reader))).headers["Location"].startswith(OWN)
        # What was made stays the firm's own until its data life is over, as under every consent.
        assert reader.get(f"/portal/profile?profile={made}").status_code == 200
