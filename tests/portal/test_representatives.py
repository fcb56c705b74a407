"""Who may act for a firm: appointed and ended on the page, held to limits, two signatures where the firm wants them."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select

from creditlink.audit import chain
from creditlink.audit import service as audit
from creditlink.audit.tables import AuditEntry
from creditlink.cli import enterprises as commands
from creditlink.consents import service as consents
from creditlink.consents.agreement import receipts
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.engine.vocabulary import CONSENT_CATEGORIES, PUBLIC_CATEGORIES
from creditlink.enterprises import accounts, representation
from creditlink.enterprises.tables import Enterprise, Representation
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings, load_settings
from creditlink.portal.tables import SignInTries
from creditlink.records.sources import load_sources
from tests import factories as make

PAGE = "/portal/representatives"
EVERYTHING = {"purposes": ["underwriting", "report"], "categories": ["tax", "electricity"]}


@pytest.fixture
def other(owner, app):
    """A second person with an account, signed in, who acts for nobody yet."""
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
    person = type(owner)(app.test_client(), account)
    person.sign_in()
    return person


@pytest.fixture
def appoint(owner, other):
    """Appoint `other` on the page."""

    def run(**fields):
        owner.get(PAGE)
        usual = {"enterprise": str(owner.firm.id), "login": other.account.login, "reason": "accounts payable"}
        return owner.post(f"{PAGE}/appoint", **usual | EVERYTHING | fields)

    return run


@pytest.fixture
def asks(owner, bank):
    """Lay a request into the inbox of the firm."""

    def run(**details):
        now = utc_now()
        with db.transaction("owner") as session:
            asked = make.make_details(
                **{"valid_until": now + timedelta(days=20), "uscc": owner.firm.uscc}
                | {"categories": ("registration", "tax", "electricity"), "optional_categories": ("electricity",)}
                | details
            )
            return consents.request_consent(session, client=bank.client, details=asked, now=now, channel="inbox")

    return run


def stored(consent):
    with db.transaction("owner") as session:
        return session.get_one(Consent, consent.id)


def rights_of(account):
    with db.transaction("owner") as session:
        return session.scalars(select(Representation).where(Representation.account_id == account.id)).all()


def want_two(owner):
    owner.get(PAGE)
    return owner.post(
        f"{PAGE}/signatures", enterprise=str(owner.firm.id), two_signatures="on", reason="four eyes from now on"
    )


def sign(person, consent, categories=("electricity",)):
    path = f"/portal/inbox/{consent.wire_id}"
    person.get(path)
    return person.post(path, decision="approve", category=list(categories))


class TestAppointing:
    def test_what_may_be_shared_is_what_is_served_here(self, owner):
        offered = re.findall(r'name="categories" value="(\w+)"', owner.get(PAGE).text)
        config = load_sources(load_settings())
        assert offered == [code for code in CONSENT_CATEGORIES if code in config.categories - {*PUBLIC_CATEGORIES}]

    def test_an_agent_is_appointed_with_limits_and_acts_at_once(self, owner, other, appoint):
        assert "not registered" in other.get("/portal/").text
        last = (utc_now() + timedelta(days=40)).date().isoformat()
        assert appoint(longest_days="30", last_day=last).status_code == 303
        (right,) = rights_of(other.account)
        assert right.limits == {
            "categories": ["tax", "electricity"],
            "purposes": ["underwriting", "report"],
            "longest_days": 30,
        }
        assert right.appointed_by == owner.account.id
        assert right.valid_until.isoformat().endswith("16:00:00+00:00")  # midnight in Shanghai
        assert owner.firm.name in other.get("/portal/").text
        said = owner.get(PAGE).text
        assert other.account.display_name in said
        assert "accounts payable" in said

    def test_an_end_acts_with_the_agents_next_click_and_keeps_the_consents(self, owner, other, appoint, asks):
        appoint()
        consent = asks()
        sign(other, consent)
        (right,) = rights_of(other.account)
        owner.get(PAGE)
        ended = owner.post(f"{PAGE}/{right.id}/end", enterprise=str(owner.firm.id), reason="left the firm")
        assert ended.status_code == 303
        assert other.get(f"/portal/consents/{consent.wire_id}").status_code == 404
        assert "not registered" in other.get("/portal/").text
        assert stored(consent).state == "ACTIVE"
        assert owner.get(f"/portal/consents/{consent.wire_id}").status_code == 200

    def test_every_change_is_in_the_firms_evidence(self, owner, other, appoint):
        appoint()
        want_two(owner)
        owner.get(PAGE)
        (right,) = rights_of(other.account)
        owner.post(f"{PAGE}/{right.id}/end", enterprise=str(owner.firm.id), reason="left the firm")
        with db.transaction("owner") as session:
            entries = session.scalars(
                select(AuditEntry).where(AuditEntry.chain_id == owner.firm.id).order_by(AuditEntry.seq)
            ).all()[1:]  # the first: the operator registered the legal representative
            assert chain.verify(list(audit.export(session, owner.firm.id))) is None
        assert [e.action for e in entries] == [
            "representation.appoint",
            "enterprise.signatures",
            "representation.end",
        ]
        assert {e.actor for e in entries} == {f"account:{owner.account.id}"}
        assert [e.detail["reason"] for e in entries] == ["accounts payable", "four eyes from now on", "left the firm"]
        assert "accounts payable" in owner.get(f"/portal/accesses.jsonl?enterprise={owner.firm.id}").text

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"login": "nobody-known"}, "Nobody who can be appointed"),
            ({"reason": ""}, "Say why"),
            ({"reason": "x" * 201}, "Say why"),
            ({"reason": "a\x07b"}, "Say why"),
            ({"longest_days": "0"}, "whole number"),
            ({"longest_days": "²"}, "whole number"),
            ({"last_day": "2020-01-01"}, "over already"),
            ({"last_day": "tomorrow"}, "not a date"),
            ({"last_day": "9999-12-31"}, "not a date"),
            ({"categories": []}, "at least one"),
            ({"purposes": ["everything"]}, "at least one"),
        ],
    )
    def test_a_form_that_makes_no_sense_is_shown_again(self, appoint, other, fields, said):
        answer = appoint(**fields)
        assert answer.status_code == 422
        assert said in answer.text
        assert rights_of(other.account) == []

    def test_the_form_is_no_place_to_find_out_who_has_an_account(self, appoint):
        answers = [appoint(login=f"guess-{n}") for n in range(12)]
        assert "Too many tries" in answers[-1].text

    def test_the_legal_representative_cannot_make_an_agent_of_themselves(self, owner, appoint):
        assert appoint(login=owner.account.login).status_code == 422
        assert [r.role for r in rights_of(owner.account) if r.ended_at is None] == ["legal_representative"]

    def test_only_the_legal_representative_may(self, owner, other, appoint):
        appoint()
        (right,) = rights_of(other.account)
        assert "Appoint an agent" not in other.get(PAGE).text
        firm = str(owner.firm.id)
        fields = {"enterprise": firm, "login": other.account.login, "reason": "myself", **EVERYTHING}
        assert other.post(f"{PAGE}/appoint", **fields).status_code == 404
        assert other.post(f"{PAGE}/{right.id}/end", enterprise=firm, reason="x").status_code == 404
        assert other.post(f"{PAGE}/signatures", enterprise=firm, two_signatures="on", reason="x").status_code == 404

    def test_another_firms_people_are_out_of_reach(self, owner, other, appoint):
        with db.transaction("owner") as session:
            foreign = make.make_enterprise(session)
            stranger = make.make_account(session)
            theirs = make.make_representation(session, foreign, stranger, "agent")
        owner.get(PAGE)
        assert owner.post(f"{PAGE}/{theirs.id}/end", enterprise=str(owner.firm.id), reason="x").status_code == 404
        assert owner.post(f"{PAGE}/{theirs.id}/end", enterprise=str(foreign.id), reason="x").status_code == 404
        assert owner.get(f"{PAGE}?enterprise={foreign.id}").status_code == 404
        assert rights_of(stranger)[0].ended_at is None

    def test_the_legal_representative_cannot_be_ended_here(self, owner):
        (right,) = rights_of(owner.account)
        owner.get(PAGE)
        assert owner.post(f"{PAGE}/{right.id}/end", enterprise=str(owner.firm.id), reason="x").status_code == 404

    def test_a_code_confirms_it_where_one_is_set_up_and_cannot_be_guessed(self, owner, appoint, other, app):
        secret = accounts.new_totp_secret()
        with db.transaction("owner") as session:
            account = session.merge(owner.account)
            accounts.enroll_totp(account, secret, key=runtime.of_app(app).of(Settings).secret_key)
        answers = [appoint(totp="000000") for _ in range(9)]
        assert [a.status_code for a in answers] == [422] * 8 + [429]
        assert rights_of(other.account) == []
        with db.transaction("owner") as session:
            session.execute(delete(SignInTries))
        assert appoint(totp=pyotp.TOTP(secret).now()).status_code == 303


class TestLimits:
    @pytest.mark.parametrize(
        ("limits", "details", "said"),
        [
            ({"purposes": ["report"]}, {}, "for this purpose"),
            ({"categories": ["electricity"]}, {}, "Tax and invoices"),
            ({"longest_days": "10"}, {}, "run longer"),
        ],
    )
    def test_an_agent_beyond_its_limits_is_refused_with_the_reason(self, other, appoint, asks, limits, details, said):
        appoint(**limits)
        consent = asks(**details)
        answer = sign(other, consent)
        assert answer.status_code == 403
        assert said in answer.text
        assert stored(consent).state == "REQUESTED"

    def test_within_them_an_agent_decides(self, other, appoint, asks):
        appoint(categories=["registration", "tax"], purposes=["underwriting"], longest_days="21")
        consent = asks()
        assert sign(other, consent, categories=()).status_code == 303
        assert stored(consent).granted_role == "agent"

    def test_an_agent_cannot_resume_what_it_could_not_grant(self, owner, other, appoint, asks):
        assert appoint(categories=["electricity"]).status_code == 303
        consent = asks()
        sign(owner, consent)
        other.get(f"/portal/consents/{consent.wire_id}")
        assert other.post(f"/portal/consents/{consent.wire_id}/pause").status_code == 303  # stopping is never beyond
        other.get(f"/portal/consents/{consent.wire_id}")
        assert other.post(f"/portal/consents/{consent.wire_id}/resume").status_code == 403
        assert stored(consent).state == "PAUSED"

    def test_resuming_asks_for_a_code_where_one_is_set_up(self, owner, asks, app):
        consent = asks()
        sign(owner, consent)
        secret = accounts.new_totp_secret()
        with db.transaction("owner") as session:
            accounts.enroll_totp(session.merge(owner.account), secret, key=runtime.of_app(app).of(Settings).secret_key)
        path = f"/portal/consents/{consent.wire_id}"
        owner.get(path)
        assert owner.post(f"{path}/pause").status_code == 303
        owner.get(path)
        asked = owner.post(f"{path}/resume")
        assert asked.status_code == 422
        assert "One-time code" in asked.text
        assert stored(consent).state == "PAUSED"
        assert owner.post(f"{path}/resume", totp=pyotp.TOTP(secret).now()).status_code == 303
        assert stored(consent).state == "ACTIVE"


class TestTwoSignatures:
    @pytest.fixture
    def two(self, owner, other, appoint):
        appoint()
        assert want_two(owner).status_code == 303
        return owner, other

    def test_nobody_is_locked_out(self, owner):
        answer = want_two(owner)
        assert answer.status_code == 422
        assert "Two people must be able" in answer.text

    def test_the_first_opens_nothing_and_the_second_activates(self, two, asks):
        owner, other = two
        consent = asks()
        assert sign(owner, consent).headers["Location"].endswith(f"/portal/inbox/{consent.wire_id}")
        held = stored(consent)
        assert (held.state, held.enterprise_id, held.categories) == ("REQUESTED", None, [])
        assert "waits for a second signature" in owner.get("/portal/inbox").text
        assert "You have signed" in owner.get(f"/portal/inbox/{consent.wire_id}").text
        assert "One request waits" in other.get("/portal/").text
        assert owner.account.display_name in other.get(f"/portal/inbox/{consent.wire_id}").text
        assert sign(other, consent).status_code == 303
        held = stored(consent)
        assert (held.state, held.granted_by) == ("ACTIVE", other.account.id)
        said = owner.get(f"/portal/consents/{consent.wire_id}").text
        assert owner.account.display_name in said
        assert other.account.display_name in said
        receipt = receipts.verify(
            owner.get(f"/portal/consents/{consent.wire_id}/receipt").text,
            keyring.public_keys(runtime.of_app(owner.client.application).of(Settings).secret_key),
        )
        assert [s["by_role"] for s in receipt.claims["signatures"]] == ["legal_representative", "agent"]
        with db.transaction("owner") as session:
            events = session.scalars(select(ConsentEvent).where(ConsentEvent.consent_id == consent.id)).all()
        assert [(e.to_state, e.reason) for e in sorted(events, key=lambda e: e.id)] == [
            ("REQUESTED", "asked"),
            ("REQUESTED", "first_signature"),
            ("ACTIVE", "second_signature"),
        ]

    def test_the_same_person_twice_is_one_signature(self, two, asks):
        owner, _ = two
        consent = asks()
        sign(owner, consent)
        token = re.search(r'name="csrf_token" value="([^"]+)"', owner.get(PAGE).text).group(1)
        again = owner.post(
            f"/portal/inbox/{consent.wire_id}", token=token, decision="approve", category=["electricity"]
        )
        assert again.status_code == 409
        assert stored(consent).state == "REQUESTED"

    def test_what_either_leaves_out_is_not_shared(self, two, asks):
        owner, other = two
        consent = asks()
        sign(owner, consent, categories=())
        assert "left out by the first signature" in other.get(f"/portal/inbox/{consent.wire_id}").text
        sign(other, consent, categories=("electricity",))
        assert stored(consent).categories == ["registration", "tax"]

    def test_either_can_decline(self, two, asks):
        owner, other = two
        consent = asks()
        sign(owner, consent)
        other.get(f"/portal/inbox/{consent.wire_id}")
        other.post(f"/portal/inbox/{consent.wire_id}", decision="decline")
        assert stored(consent).state == "REJECTED"

    def test_a_signature_falls_with_the_right_of_who_gave_it(self, two, asks):
        owner, other = two
        consent = asks()
        sign(other, consent)
        (right,) = rights_of(other.account)
        with db.transaction("owner") as session:
            representation.end_representation(session, session.get_one(Representation, right.id), now=utc_now())
        sign(owner, consent)
        assert stored(consent).state == "REQUESTED"

    def test_a_stranger_cannot_be_the_second(self, two, asks, app):
        owner, _ = two
        consent = asks()
        sign(owner, consent)
        with db.transaction("owner") as session:
            stranger = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, make.make_enterprise(session), stranger)
        person = type(owner)(app.test_client(), stranger)
        person.sign_in()
        assert person.get(f"/portal/inbox/{consent.wire_id}").status_code == 404

    def test_through_the_browser_the_first_goes_back_to_the_bank_after_the_second(self, two, bank):
        owner, other = two
        path, consent = bank.asks(categories=("registration", "tax", "electricity"))  # the firm is chosen on the page
        owner.get(path)
        assert owner.post(path, decision="approve", category=["electricity"]).headers["Location"] == path
        waiting = owner.get(path).text
        assert "second person must sign" in waiting
        assert 'http-equiv="refresh"' in waiting
        answer = sign(other, consent)
        assert answer.headers["Location"] == f"/portal/consents/{consent.wire_id}"  # no code for this browser
        assert "Both signatures are given" in owner.get(path).text
        back = owner.post(path)
        assert back.status_code == 303
        assert "code=" in back.headers["Location"]
        assert "iss=" in back.headers["Location"]
        assert owner.get(path).status_code == 404  # used up

    def test_declined_by_the_second_the_bank_hears_it(self, two, bank):
        owner, other = two
        path, consent = bank.asks(uscc=owner.firm.uscc, categories=("registration", "tax", "electricity"))
        owner.get(path)
        owner.post(path, decision="approve")
        other.get(f"/portal/inbox/{consent.wire_id}")
        other.post(f"/portal/inbox/{consent.wire_id}", decision="decline")
        owner.get(path)
        assert "error=access_denied" in owner.post(path).headers["Location"]

    def test_stopping_takes_one(self, two, asks):
        owner, other = two
        consent = asks()
        sign(owner, consent)
        sign(other, consent)
        other.get(f"/portal/consents/{consent.wire_id}")
        other.post(f"/portal/consents/{consent.wire_id}/revoke")
        assert stored(consent).state == "REVOKED"


def test_the_operators_commands(owner, other, settings, monkeypatch):
    monkeypatch.setattr(commands, "start", lambda _role: (settings, db.current()))

    def run(*words):
        return CliRunner().invoke(commands.enterprises, list(words))

    firm = ("--uscc", owner.firm.uscc)
    made = run(
        *("appoint", "--login", other.account.login, *firm, "--role", "agent", "--by", owner.account.login),
        *("--purpose", "report", "--category", "tax", "--longest-days", "7", "--reason", "by letter"),
        *("--largest-loan-fen", "50000000"),
    )
    assert made.exit_code == 0, made.output
    assert rights_of(other.account)[0].limits == {
        "categories": ["tax"], "purposes": ["report"], "longest_days": 7, "largest_loan_fen": 50_000_000,
    }  # fmt: skip
    assert run("appoint", "--login", "x", *firm, "--role", "agent", "--largest-loan-fen", "0").exit_code == 2
    assert run("appoint", "--login", "x", *firm, "--role", "agent", "--purpose", "gambling").exit_code == 2
    assert (
        run("appoint", "--login", other.account.login, *firm, "--role", "agent", "--until", "0001-01-01").exit_code == 2
    )
    assert '"longest_days": 7' in run("representatives", *firm).output
    assert run("two-signatures", "on", *firm, "--reason", "policy").exit_code == 0
    with db.transaction("owner") as session:
        assert session.get_one(Enterprise, owner.firm.id).two_signatures
    left = ("dismiss", "--login", other.account.login, *firm, "--reason", "left", "--by", owner.account.login)
    assert run(*left).exit_code == 0
    assert run("dismiss", "--login", other.account.login, *firm).exit_code == 1


def test_the_operators_commands_name_who_acts_beside_who_wanted_it(owner, other, settings, monkeypatch):
    monkeypatch.setattr(commands, "start", lambda _role: (settings, db.current()))
    with db.transaction("owner") as session:
        olga = make.make_staff(session, "olga", "operator").name
        make.make_staff(session, "aud", "auditor")

    def run(*words, login):
        firm = ("--login", other.account.login, "--uscc", owner.firm.uscc)
        return CliRunner().invoke(commands.enterprises, [*words, *firm, "--by", owner.account.login, "--as", login])

    def told():
        with db.transaction("owner") as session:
            rows = select(AuditEntry.action, AuditEntry.actor, AuditEntry.detail).order_by(AuditEntry.seq)
            rows = rows.where(AuditEntry.chain_id == owner.firm.id, AuditEntry.action.startswith("representation."))
            return {action: (actor, detail) for action, actor, detail in session.execute(rows)}

    before = told()
    for nobody in ("aud", "mallory"):
        assert run("appoint", "--role", "agent", login=nobody).exit_code == 1
    assert told() == before
    assert run("appoint", "--role", "agent", login="olga").exit_code == 0
    assert run("dismiss", login="olga").exit_code == 0
    actor, detail = told()["representation.appoint"]
    assert (actor, detail["appointed_by"]) == (olga, str(owner.account.id))
    actor, detail = told()["representation.end"]
    assert (actor, detail["wanted_by"]) == (olga, str(owner.account.id))
