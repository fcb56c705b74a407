"""Invited, active, locked, suspended, gone: who may do that to whom."""

import threading
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from creditlink.audit.tables import AuditEntry
from creditlink.enterprises import accounts, representation
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.postgres import db
from creditlink.staff import people, proof
from creditlink.staff.roles import RolesRefused, checked
from creditlink.staff.tables import StaffKey, StaffMember
from tests import factories as make

NOW = make.NOW
KEY = "test-" + "k" * 40


def invite(session, by, login="lin", number="1024", roles=("risk",), now=NOW):
    return people.invite(
        session, login=login, display_name="林", staff_number=number, roles=roles, by=by, now=now
    )  # fmt: skip


def take_up(session, secret, now=NOW, password="a long enough password"):
    return people.take_up(
        session, secret, password=password, totp_secret=pyotp.random_base32(), step=1, key=KEY, now=now
    )


@pytest.mark.pure
def test_an_auditor_holds_no_other_role():
    assert checked(["risk", "operator", "risk"]) == ["operator", "risk"]
    for wrong in ([], ["auditor", "risk"], ["root"]):
        with pytest.raises(RolesRefused):
            checked(wrong)


def test_the_database_holds_the_separation_too(session):
    for wrong in (["auditor", "risk"], ["root"], []):
        with pytest.raises(IntegrityError), session.begin_nested():
            make.make_staff(session, "x", *wrong)


class TestInvitation:
    def test_is_taken_up_once_with_password_and_codes(self, session, dan):
        member, secret = invite(session, dan)
        assert (member.status, secret in str(vars(member))) == ("invited", False)
        account = take_up(session, secret)
        session.refresh(member)
        assert (member.status, account.role, member.invitation_hash) == ("active", "staff", None)
        assert accounts.password_matches(account, "a long enough password")
        assert accounts.totp_secret(account, key=KEY)
        with pytest.raises(NotFound):
            take_up(session, secret)

    @pytest.mark.parametrize("password", ["short", "x" * 257, ""])
    def test_wants_a_usable_password_and_stays_open(self, session, dan, password):
        _, secret = invite(session, dan)
        with pytest.raises(InvalidRequest):
            take_up(session, secret, password=password)
        assert people.invited(session, secret, NOW)

    @pytest.mark.parametrize("secret", ["", "inv_", "\0", "\ud800x"[1:], "inv_" + "a" * 10_000])
    def test_a_secret_of_nobody_opens_nothing(self, session, secret):
        with pytest.raises(NotFound):
            people.invited(session, secret, NOW)

    def test_lapses(self, session, dan):
        _, secret = invite(session, dan)
        with pytest.raises(NotFound):
            take_up(session, secret, now=NOW + people.INVITATION_OPEN)

    def test_one_person_has_one_account(self, session, dan):
        invite(session, dan)
        with pytest.raises(Conflict, match="staff_number 1024"):
            invite(session, dan, login="lin2")
        with pytest.raises(Conflict, match="login lin is taken"):
            invite(session, dan, number="1025")

    def test_only_the_first_needs_nobody(self, session):
        invite(session, None, roles=("operator",))
        with pytest.raises(Conflict, match="one of its operators"):
            invite(session, None, login="wu", number="7")

    def test_the_pages_take_up_and_nothing_else(self, empty_database):
        with db.transaction("owner") as session:
            _, secret = invite(session, make.make_staff(session, "dan", "operator"))
        with db.transaction("api") as session:
            take_up(session, secret)
        for statement in (
            "UPDATE staff_members SET roles = '{operator}'",
            "INSERT INTO staff_members (account_id) VALUES (gen_random_uuid())",
            "UPDATE staff_keys SET account_id = gen_random_uuid()",
        ):
            with pytest.raises(DBAPIError, match="permission denied"), db.transaction("api") as session:
                session.execute(text(statement))
        with db.transaction("owner") as session:
            session.execute(text("UPDATE staff_members SET status = 'suspended'"))
        with db.transaction("api") as session:
            assert session.execute(text("UPDATE staff_members SET status = 'active'")).rowcount == 0

    def test_of_two_at_once_one_has_it(self, empty_database):
        with db.transaction("owner") as session:
            _, secret = invite(session, make.make_staff(session, "dan", "operator"))
        got = []

        def race():
            try:
                with db.transaction("api") as session:
                    got.append(take_up(session, secret).login)
            except NotFound:
                got.append(None)

        threads = [threading.Thread(target=race) for _ in range(2)]
        [one.start() for one in threads]
        [one.join() for one in threads]
        assert sorted(got, key=str) == [None, "lin"]


class TestTheEnd:
    def test_suspension_ends_keys_at_once_and_gives_none_back(self, session, dan):
        key = proof.new_key()
        lin = make.make_staff(session, "lin", "risk", key=key)
        people.move(session, "lin", "suspended", by=dan, reason="left the key on a train", now=NOW)
        assert session.get_one(Account, lin.account_id).status == "suspended"
        people.move(session, "lin", "active", by=dan, reason="back", now=NOW)
        assert session.scalars(select(StaffKey.ended_at)).all() == [NOW]

    def test_nobody_suspends_themselves_or_the_last_operator(self, session, dan):
        with pytest.raises(Conflict, match="another operator"):
            people.move(session, "dan", "suspended", by=dan, reason="x", now=NOW)
        with pytest.raises(Conflict, match="nobody would be left"):
            people.move(session, "dan", "locked", by=dan, reason="x", now=NOW)
        eva = make.make_staff(session, "eva", "operator")
        people.move(session, "dan", "ended", by=eva, reason="retired", now=NOW)
        with pytest.raises(Conflict, match="nobody would be left"):
            people.set_roles(session, "eva", ["risk"], by=make.make_staff(session, "z", "risk"), reason="x", now=NOW)

    def test_two_operators_who_end_each_other_at_once_leave_one(self, empty_database):
        with db.transaction("owner") as session:
            both = [make.make_staff(session, login, "operator") for login in ("dan", "eva")]
        done = []

        def race(by, other):
            try:
                with db.transaction("owner") as session:
                    people.move(session, other.login, "ended", by=by, reason="coup", now=NOW)
                done.append(other.login)
            except Exception as error:  # a refusal, or a deadlock that the database ended
                done.append(type(error).__name__)

        threads = [threading.Thread(target=race, args=pair) for pair in (both, both[::-1])]
        [one.start() for one in threads]
        [one.join() for one in threads]
        with db.transaction("owner") as session:
            assert session.scalars(select(StaffMember.status).order_by(StaffMember.status)).all() == ["active", "ended"]

    @pytest.mark.parametrize("to", ["active", "invited", "nonsense", "locked"])
    def test_an_end_is_the_end(self, session, dan, to):
        make.make_staff(session, "lin", "risk", status="ended")
        with pytest.raises(Conflict, match="ended, which allows nothing"):
            people.move(session, "lin", to, by=dan, reason="x", now=NOW)
        with pytest.raises(Conflict, match="has ended"):
            people.recover(session, "lin", by=dan, reason="x", now=NOW)

    def test_recovery_voids_everything_and_takes_another_operator(self, session, dan, eva):
        _, secret = invite(session, dan)
        account = take_up(session, secret)
        again = people.recover(session, "lin", by=eva, reason="lost the phone", now=NOW + timedelta(days=1))
        assert not accounts.password_matches(account, "a long enough password")
        assert account.totp_secret is None
        take_up(session, again, now=NOW + timedelta(days=2))
        with pytest.raises(Conflict, match="another operator"):
            people.recover(session, "eva", by=eva, reason="x", now=NOW)

    def test_every_act_is_evidence_with_who_and_in_which_role(self, session, dan):
        invite(session, dan)
        people.move(session, "lin", "ended", by=dan, reason="never came", now=NOW)
        told = session.scalars(select(AuditEntry).order_by(AuditEntry.seq)).all()
        assert [(one.action, one.actor, one.detail["role"]) for one in told] == [
            ("staff.invite", dan.name, "operator"),
            ("staff.become_ended", dan.name, "operator"),
        ]
        assert told[1].detail["reason"] == "never came"


def test_staff_acts_for_no_firm(session, dan):
    firm, account = make.make_enterprise(session), session.get_one(Account, dan.account_id)
    with pytest.raises(Conflict, match="acts for no firm"):
        representation.appoint(session, enterprise=firm, account=account, role="agent", now=utc_now())
