"""What binds the firm is confirmed, held to an agent's limits, and signed by two where the firm wants two."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.enterprises import accounts, representation
from creditlink.enterprises.tables import Enterprise, FirmAct, Representation
from creditlink.financing import configuration
from creditlink.financing.applications import applications
from creditlink.financing.applications.applications import locked
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.tables import Application
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from tests import factories as make
from tests.portal.test_financing import ASK, apply, asked, lenders, stored
from tests.portal.test_representatives import EVERYTHING, PAGE, appoint, asks, other, rights_of, sign, want_two

__all__ = ["appoint", "asked", "asks", "lenders", "other"]
ALL_DATA = {"categories": ["registration", "tax", "social_security", "electricity"]}


@pytest.fixture
def offered(owner, asked, settings):
    """An offer of 400,000 yuan before the firm; what its form posts, and where to."""
    apply(owner, asked, count=1)
    (held,) = stored()
    return held, offer(held, settings)


def offer(held, settings):
    with db.transaction("owner") as session:
        made = applications.offer(
            session, locked(session, held.id), OfferTerms(40_000_000, 12, 500),
            valid_until=utc_now() + timedelta(days=3), clocks=configuration.clocks(settings.config_dir),
            actor=f"bank:{held.client_id}", now=utc_now(),
        )  # fmt: skip
    return made.sha256


def accept(person, held, sha256, **fields):
    person.get("/portal/financing")
    return person.post(f"/portal/financing/applications/{held.wire_id}/accept", offer_sha256=sha256, **fields)


def state_of(held):
    with db.transaction("owner") as session:
        return session.get_one(Application, held.id).state


def enroll(person, app):
    secret = accounts.new_totp_secret()
    with db.transaction("owner") as session:
        accounts.enroll_totp(session.merge(person.account), secret, key=runtime.of_app(app).of(Settings).secret_key)
    return pyotp.TOTP(secret)


def acts():
    with db.transaction("owner") as session:
        return session.scalars(select(FirmAct).order_by(FirmAct.signed_at)).all()


def second(person, what="sign", **fields):
    """Sign second, or drop, the one act that waits."""
    (one,) = [act for act in acts() if act.ended_at is None]
    person.get("/portal/inbox")
    return person.post(f"/portal/acts/{one.id}/{what}", **fields)


class TestAccepting:
    def test_asks_for_a_code_where_one_is_set_up(self, owner, offered, app, asked):
        held, sha256 = offered
        code = enroll(owner, app)
        assert 'name="totp"' in owner.get(asked).text
        for wrong in ({}, {"totp": "000000"}):
            answer = accept(owner, held, sha256, **wrong)
            assert answer.status_code == 422
            assert "one-time code is wrong" in answer.text
            assert state_of(held) == "offered"
        assert accept(owner, held, sha256, totp=code.now()).status_code == 303
        assert state_of(held) == "accepted"

    @pytest.mark.parametrize(
        ("limits", "said"),
        [
            ({"purposes": ["report"], **ALL_DATA}, "for this purpose"),
            ({"categories": ["electricity"]}, "this kind of data"),
            ({"longest_days": "5", **ALL_DATA}, "run longer"),
            ({"largest_loan": "39", **ALL_DATA}, "larger than your firm appointed you"),
        ],
    )
    def test_is_held_to_an_agents_limits(self, other, appoint, offered, limits, said):
        held, sha256 = offered
        assert appoint(**limits).status_code == 303
        answer = accept(other, held, sha256)
        assert answer.status_code == 403
        assert said in answer.text
        assert state_of(held) == "offered"
        # Stopping is never beyond limits.
        assert other.post(f"/portal/financing/applications/{held.wire_id}/refuse").status_code == 303

    def test_within_them_an_agent_accepts(self, owner, other, appoint, offered):
        held, sha256 = offered
        appoint(largest_loan="40", **ALL_DATA)
        assert "400,000" in owner.get(PAGE).text
        assert accept(other, held, sha256).status_code == 303
        assert state_of(held) == "accepted"

    def test_takes_two_where_the_firm_wants_two(self, owner, other, appoint, offered, asked):
        held, sha256 = offered
        appoint(**ALL_DATA)
        want_two(owner)
        for _ in range(2):  # the same person twice is one signature
            assert accept(owner, held, sha256).status_code == 303
            assert state_of(held) == "offered"
        assert "waits for a second signature" in owner.get(asked).text
        assert owner.account.display_name in other.get(asked).text
        assert "One request waits" in other.get("/portal/").text
        assert "Accept an offer" in other.get("/portal/inbox").text
        assert accept(other, held, sha256).status_code == 303
        assert state_of(held) == "accepted"
        assert [(one.end_reason, one.ended_by) for one in acts()] == [("done", other.account.id)]

    def test_a_better_offer_needs_both_signatures_of_its_own(self, owner, other, appoint, offered, settings):
        held, sha256 = offered
        appoint(**ALL_DATA)
        want_two(owner)
        accept(owner, held, sha256)
        with db.transaction("owner") as session:
            better = applications.offer(
                session, locked(session, held.id), OfferTerms(40_000_000, 12, 450),
                valid_until=utc_now() + timedelta(days=3), clocks=configuration.clocks(settings.config_dir),
                actor=f"bank:{held.client_id}", now=utc_now(),
            )  # fmt: skip
        assert accept(other, held, better.sha256).status_code == 303
        assert state_of(held) == "offered"
        assert accept(owner, held, better.sha256).status_code == 303
        assert state_of(held) == "accepted"

    def test_a_signature_falls_with_the_right_of_who_gave_it(self, owner, other, appoint, offered):
        held, sha256 = offered
        appoint(**ALL_DATA)
        want_two(owner)
        accept(other, held, sha256)
        (right,) = rights_of(other.account)
        with db.transaction("owner") as session:
            representation.end_representation(session, session.get_one(Representation, right.id), now=utc_now())
        accept(owner, held, sha256)
        assert state_of(held) == "offered"

    def test_in_the_inbox_too_with_a_code(self, owner, other, appoint, offered, app):
        held, sha256 = offered
        appoint(**ALL_DATA)
        want_two(owner)
        accept(owner, held, sha256)
        code = enroll(other, app)
        assert second(other).status_code == 422
        assert state_of(held) == "offered"
        assert second(other, totp=code.now()).status_code == 303
        assert state_of(held) == "accepted"


class TestTheRuleOfTwo:
    @pytest.fixture
    def two(self, owner, other, appoint):
        appoint(**ALL_DATA)
        assert want_two(owner).status_code == 303
        return owner, other

    @staticmethod
    def off(person):
        person.get(PAGE)
        return person.post(f"{PAGE}/signatures", enterprise=str(person.firm.id), two_signatures="off", reason="simpler")

    @staticmethod
    def wants_two(owner):
        with db.transaction("owner") as session:
            return session.get_one(Enterprise, owner.firm.id).two_signatures

    def test_is_not_switched_off_by_one_of_the_two(self, two):
        owner, other = two
        for _ in range(2):
            assert self.off(owner).status_code == 303
            assert self.wants_two(owner)
        assert "Stop asking for two signatures" in owner.get(PAGE).text
        assert second(owner).status_code == 303
        assert self.wants_two(owner)
        assert second(other).status_code == 303
        assert not self.wants_two(owner)

    def test_the_second_can_drop_it(self, two):
        owner, other = two
        self.off(owner)
        assert second(other, "drop").status_code == 303
        assert self.wants_two(owner)
        assert [one.end_reason for one in acts()] == ["declined"]
        with db.transaction("owner") as session:
            entries = session.scalars(select(AuditEntry).where(AuditEntry.chain_id == owner.firm.id))
            done = [e.action for e in sorted(entries, key=lambda e: e.seq)]
        assert done[-2:] == ["firm.sign", "firm.drop"]

    def test_no_third_person_is_appointed_to_be_the_second(self, two, app):
        """Else one of the two would appoint a person of theirs and sign with that one."""
        owner, other = two
        with db.transaction("owner") as session:
            friend = make.make_account(session, password=make.PASSWORD)
        owner.get(PAGE)
        form = {"enterprise": str(owner.firm.id), "login": friend.login, "reason": "helps out"}
        assert owner.post(f"{PAGE}/appoint", **form | EVERYTHING).status_code == 303
        assert rights_of(friend) == []
        assert second(other).status_code == 303
        (right,) = rights_of(friend)
        assert right.appointed_by == owner.account.id

    def test_an_agents_limits_are_changed_by_two(self, two, appoint):
        _, other = two
        appoint(purposes=["report"], **ALL_DATA)
        (right,) = rights_of(other.account)
        assert right.limits["purposes"] == ["underwriting", "report"]
        second(other)
        assert [r.limits["purposes"] for r in rights_of(other.account) if r.ended_at is None] == [["report"]]

    def test_being_counted_takes_two_and_stopping_one(self, two):
        owner, other = two

        def counted():
            with db.transaction("owner") as session:
                return session.get_one(Enterprise, owner.firm.id).discoverable

        owner.get("/portal/counted")
        owner.post("/portal/counted", enterprise=str(owner.firm.id), discoverable="on")
        assert not counted()
        second(other)
        assert counted()
        other.get("/portal/counted")
        other.post("/portal/counted", enterprise=str(owner.firm.id), discoverable="off")
        assert not counted()

    def test_resuming_takes_two_and_pausing_one(self, two, asks):
        owner, other = two
        consent = asks()
        sign(owner, consent)
        sign(other, consent)

        def state():
            with db.transaction("owner") as session:
                return session.get_one(Consent, consent.id).state

        path = f"/portal/consents/{consent.wire_id}"
        other.get(path)
        other.post(f"{path}/pause")
        owner.get(path)
        assert owner.post(f"{path}/resume").status_code == 303
        assert state() == "PAUSED"
        other.get(path)
        assert other.post(f"{path}/resume").status_code == 303
        assert state() == "ACTIVE"

    def test_an_act_of_another_firm_is_not_there(self, two, app):
        owner, _ = two
        self.off(owner)
        with db.transaction("owner") as session:
            stranger = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, make.make_enterprise(session), stranger)
        person = type(owner)(app.test_client(), stranger)
        person.sign_in()
        person.get("/portal/security")
        assert second(person).status_code in (400, 404)
        assert self.wants_two(owner)

    def test_a_signature_waits_a_week(self, two):
        owner, other = two
        self.off(owner)
        with db.transaction("owner") as session:
            (one,) = session.scalars(select(FirmAct))
            one.open_until = utc_now() - timedelta(seconds=1)
        assert second(other).status_code == 404
        assert self.wants_two(owner)


def test_a_half_signed_consent_ends_when_the_lender_declines(owner, other, appoint, asked, settings):
    appoint(**ALL_DATA)
    want_two(owner)
    apply(owner, asked, count=1)
    (held,) = stored()
    with db.transaction("api") as session:
        db.enter(session, db.Viewer(institution_id=held.institution_id))
        applications.decline(
            session, locked(session, held.id), [configuration.declines(settings.config_dir)["D33"]], note="",
            weighed=[{"code": "D33", "agreement": "no_profile"}], actor=f"bank:{held.client_id}", now=utc_now(),
        )  # fmt: skip
    with db.transaction("owner") as session:
        consent = session.get_one(Consent, held.consent_id)
        events = session.scalars(select(ConsentEvent).where(ConsentEvent.consent_id == consent.id)).all()
    assert (consent.state, consent.enterprise_id) == ("REJECTED", owner.firm.id)
    last = max(events, key=lambda one: one.id)
    assert (last.actor, last.reason) == ("system", "financing_declined")
    assert other.get(f"/portal/inbox/{consent.wire_id}").status_code == 404  # nothing is left to sign


def test_changing_what_lenders_were_told_is_confirmed(owner, asked, app):
    apply(owner, asked, count=1)
    code = enroll(owner, app)
    owner.get(asked)
    assert owner.post(f"{asked}/change", **(ASK | {"term": "6"})).status_code == 422
    assert owner.post(f"{asked}/change", **(ASK | {"term": "6", "totp": code.now()})).status_code == 303


class TestAnEarlierSignature:
    """What somebody signed first and then thought better of is nothing that another can finish."""

    @pytest.fixture
    def two(self, owner, other, appoint):
        appoint(**ALL_DATA)
        assert want_two(owner).status_code == 303
        return owner, other

    @pytest.fixture
    def friend(self, two):
        with db.transaction("owner") as session:
            return make.make_account(session, password=make.PASSWORD)

    @staticmethod
    def names(owner, person, **fields):
        owner.get(PAGE)
        form = {"enterprise": str(owner.firm.id), "login": person.login, "reason": "helps out"}
        assert owner.post(f"{PAGE}/appoint", **form | EVERYTHING | fields).status_code == 303

    @staticmethod
    def waiting():
        with db.transaction("owner") as session:
            rows = session.scalars(select(FirmAct).where(FirmAct.ended_at.is_(None), FirmAct.open_until > utc_now()))
            return [one.subject for one in rows]

    @staticmethod
    def standing(account):
        return [right.limits for right in rights_of(account) if right.ended_at is None]

    def test_narrower_limits_take_the_place_of_wider_ones(self, two, friend):
        """Else the second chooses which of the two the firm gives."""
        owner, other = two
        self.names(owner, friend, largest_loan="500")
        self.names(owner, friend, largest_loan="5")
        assert [one["limits"]["largest_loan_fen"] for one in self.waiting()] == [5_000_000]
        wide = next(one for one in acts() if one.subject["limits"]["largest_loan_fen"] == 500_000_000)
        assert (wide.end_reason, wide.ended_by) == ("declined", owner.account.id)
        other.get("/portal/inbox")
        assert other.post(f"/portal/acts/{wide.id}/sign").status_code == 404
        second(other)
        assert [one["largest_loan_fen"] for one in self.standing(friend)] == [5_000_000]

    def test_who_was_dismissed_is_not_appointed_again_by_what_was_signed_before(self, two, friend):
        owner, other = two
        self.names(owner, friend, largest_loan="5")
        second(other)
        self.names(owner, friend, largest_loan="50")
        (right,) = [one for one in rights_of(friend) if one.ended_at is None]
        form = {"enterprise": str(owner.firm.id), "reason": "no trust left"}
        owner.get(PAGE)
        assert owner.post(f"{PAGE}/{right.id}/end", **form).status_code == 303
        assert self.waiting() == []
        assert self.standing(friend) == []

    @pytest.mark.parametrize("by_operator", [False, True])
    def test_none_outlives_the_rule_of_two(self, two, friend, by_operator):
        owner, other = two
        self.names(owner, friend)
        with db.transaction("owner") as session:
            firm = session.get_one(Enterprise, owner.firm.id)
            actor = representation.OPERATOR if by_operator else f"account:{other.account.id}"
            for wanted in (False, True):
                representation.want_two_signatures(session, firm, wanted, actor=actor, reason="a test", now=utc_now())
        (stale,) = acts()
        other.get("/portal/inbox")
        assert other.post(f"/portal/acts/{stale.id}/sign").status_code == 404
        assert self.standing(friend) == []

    def test_no_longer_being_counted_takes_it_back(self, two):
        owner, _ = two
        owner.get("/portal/counted")
        owner.post("/portal/counted", enterprise=str(owner.firm.id), discoverable="on")
        assert len(self.waiting()) == 1
        owner.get("/portal/counted")
        owner.post("/portal/counted", enterprise=str(owner.firm.id), discoverable="off")
        assert self.waiting() == []

    def test_it_does_not_come_back_with_a_right_given_anew(self, owner, other, appoint, offered, asks):
        held, sha256 = offered
        appoint(**ALL_DATA)
        want_two(owner)
        consent = asks()
        accept(other, held, sha256)
        sign(other, consent)
        with db.transaction("owner") as session:
            (right,) = rights_of(other.account)
            representation.end_representation(session, session.get_one(Representation, right.id), now=utc_now())
            representation.appoint(
                session, enterprise=session.get_one(Enterprise, owner.firm.id),
                account=session.merge(other.account), role="agent", now=utc_now(),
            )  # fmt: skip
        accept(owner, held, sha256)
        assert state_of(held) == "offered"
        sign(owner, consent)
        with db.transaction("owner") as session:
            assert session.get_one(Consent, consent.id).state == "REQUESTED"


def test_a_half_signed_amendment_does_not_outlive_what_it_amends(owner, other, appoint, bank):
    appoint(**ALL_DATA)
    want_two(owner)
    now = utc_now()
    with db.transaction("owner") as session:
        former = make.make_consent(session, client=bank.client, enterprise=owner.firm, account=owner.account, now=now)
        details = make.make_details(uscc=owner.firm.uscc, valid_until=now + timedelta(days=20), history_months=36)
        wider = service.request_consent(
            session, client=bank.client, details=details, now=now, channel="inbox", amends=former
        )
    sign(owner, wider)
    path = f"/portal/consents/{former.wire_id}"
    owner.get(path)
    assert owner.post(f"{path}/revoke").status_code == 303
    sign(other, wider)

    def state():
        with db.transaction("owner") as session:
            return session.get_one(Consent, wider.id).state

    assert state() == "REQUESTED"  # the second is the first to sign it since
    sign(owner, wider)
    assert state() == "ACTIVE"


def test_the_second_sees_within_which_limits_an_agent_is_appointed(owner, other, appoint):
    appoint(**ALL_DATA)
    want_two(owner)
    appoint(largest_loan="300", purposes=["report"], categories=["registration", "tax"])
    for address in ("/portal/inbox", PAGE):
        shown = other.get(address).text
        assert "3,000,000" in shown, address
        assert "Largest loan" in shown
    appoint(**ALL_DATA)
    assert "of any amount" in other.get("/portal/inbox").text
