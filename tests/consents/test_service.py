"""The life of a consent on the real database, under the API's role."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service
from creditlink.consents.agreement.statement import statement
from creditlink.consents.life import approval, counters, sweep
from creditlink.consents.tables import Consent, ConsentEvent
from creditlink.institutions.tables import Client
from creditlink.kit.errors import Conflict, ConsentRefused, InvalidRequest, LimitExceeded
from creditlink.kit.postgres import db
from tests import factories as make
from tests.factories import NOW

SHOWN = statement(make.make_details(), institution_zh="银行", institution_en="Bank", template=None, lang="zh")


@dataclass
class Access:
    institution_id: UUID
    consent_id: UUID
    authorization_details: tuple = ()


@pytest.fixture
def stored(empty_database):
    """Store a consent with everything around it; return it."""

    def store(**values) -> Consent:
        with db.transaction("owner") as session:
            return make.make_consent(session, **values)

    return store


def access_to(consent, **changes):
    whole = ({"categories": consent.categories, "actions": consent.actions},)
    return Access(
        **{"institution_id": consent.institution_id, "consent_id": consent.id, "authorization_details": whole} | changes
    )


def read(consent, now=NOW, access=None, **ask):
    with db.transaction() as session:
        return service.live_consent(
            session, consent.id, access=access or access_to(consent), **{"action": "profile", "now": now} | ask
        )


def reason(consent, **ask):
    with pytest.raises(ConsentRefused) as caught:
        read(consent, **ask)
    return caught.value.extra["reason"]


def jobs_of(consent):
    with db.transaction("owner") as session:
        return session.execute(
            text("SELECT task_name, queue_name, lock FROM procrastinate_jobs WHERE args->>'consent_id' = :id"),
            {"id": str(consent.id)},
        ).all()


class TestApproval:
    @pytest.fixture
    def asked(self, empty_database):
        with db.transaction("owner") as session:
            consent = make.make_consent(session, state="REQUESTED")
            firm, person = make.make_enterprise(session), make.make_account(session)
            make.make_representation(session, firm, person)
        return consent, firm, person

    @staticmethod
    def approve(asked, **values):
        consent, firm, person = asked
        with db.transaction() as session:
            return approval.approve(
                session,
                consent,
                **{
                    "account": person,
                    "enterprise": firm,
                    "categories": consent.categories_asked,
                    "statement": SHOWN,
                    "now": NOW,
                }
                | values,
            )

    def test_records_who_granted_what_on_which_text_and_queues_the_pull(self, asked):
        granted = self.approve(asked)
        assert (granted.state, granted.granted_by, granted.granted_role) == (
            "ACTIVE",
            asked[2].id,
            "legal_representative",
        )
        assert (granted.text_version, granted.text_sha256) == (SHOWN.version, SHOWN.sha256)
        assert jobs_of(granted) == [("records.pull_consent", "pulls", f"consent:{granted.id}")]
        with db.transaction("owner") as session:
            events = session.scalars(select(ConsentEvent).order_by(ConsentEvent.id)).all()
            assert [(e.from_state, e.to_state, e.actor) for e in events] == [
                (None, "REQUESTED", f"bank:{granted.client_id}"),
                ("REQUESTED", "ACTIVE", f"account:{asked[2].id}"),
            ]
            entry = session.scalars(select(AuditEntry).where(AuditEntry.consent_id == granted.id)).one()
            assert (entry.action, entry.consent_id, entry.chain_id) == ("consent.approve", granted.id, asked[1].id)

    def test_a_narrower_approval_is_honoured(self, asked):
        granted = self.approve(asked, categories=["registration", "tax", "social_security"])
        assert granted.categories == ["registration", "tax", "social_security"]
        assert reason(granted, categories={"electricity"}) == "category_not_granted:electricity"
        assert granted.granted_details("salt")["categories"] == ["registration", "tax", "social_security"]

    def test_a_required_category_cannot_be_left_out_nor_a_strange_one_added(self, asked):
        with pytest.raises(InvalidRequest, match="'tax' is required"):
            self.approve(asked, categories=["registration", "social_security"])
        with pytest.raises(InvalidRequest, match="'logistics' was not asked for"):
            self.approve(asked, categories=[*asked[0].categories_asked, "logistics"])

    def test_a_stranger_cannot_approve(self, asked):
        with db.transaction("owner") as session:
            stranger = make.make_account(session)
        with pytest.raises(ConsentRefused) as caught:
            self.approve(asked, account=stranger)
        assert caught.value.extra["reason"] == "not_representative"
        assert jobs_of(asked[0]) == []

    def test_an_agent_stays_within_its_limits(self, asked):
        with db.transaction("owner") as session:
            agent = make.make_account(session)
            make.make_representation(
                session, asked[1], agent, "agent", limits={"categories": ["registration", "tax", "social_security"]}
            )
        with pytest.raises(ConsentRefused, match="category:electricity"):
            self.approve(asked, account=agent)
        granted = self.approve(asked, account=agent, categories=["registration", "tax", "social_security"])
        assert granted.granted_role == "agent"

    def test_a_request_for_another_firm_is_refused(self, empty_database):
        with db.transaction("owner") as session:
            consent = make.make_consent(session, state="REQUESTED", uscc=make.make_uscc())
            firm, person = make.make_enterprise(session), make.make_account(session)
            make.make_representation(session, firm, person)
        with pytest.raises(ConsentRefused) as caught:
            self.approve((consent, firm, person))
        assert caught.value.extra["reason"] == "other_firm"

    def test_it_is_decided_once_however_many_press(self, asked):
        def press(_):
            try:
                return self.approve(asked).state
            except Conflict as error:
                return error.extra["reason"]

        with ThreadPoolExecutor(8) as pool:
            outcomes = sorted(pool.map(press, range(8)))
        assert outcomes == ["ACTIVE"] + ["decided"] * 7
        assert len(jobs_of(asked[0])) == 1

    def test_too_late_is_too_late(self, asked):
        with pytest.raises(Conflict, match="time to answer"):
            self.approve(asked, now=asked[0].answer_until)

    def test_a_change_of_agent_keeps_the_consent(self, asked):
        granted = self.approve(asked)
        with db.transaction("owner") as session:
            make.make_representation(session, asked[1], make.make_account(session))
        assert read(granted).id == granted.id


class TestReading:
    def test_a_live_consent_opens_the_transaction(self, stored):
        consent = stored()
        with db.transaction() as session:
            service.live_consent(session, consent.id, access=access_to(consent), action="profile", now=NOW)
            found = session.execute(
                text("SELECT current_setting('creditlink.consent_id'), current_setting('creditlink.institution_id')")
            ).one()
        assert tuple(found) == (str(consent.id), str(consent.institution_id))

    @pytest.mark.parametrize("state", ["PAUSED", "REVOKED", "EXPIRED", "EXHAUSTED"])
    def test_a_dead_consent_opens_nothing(self, stored, state):
        consent = stored(state=state)
        assert reason(consent) == state.lower()
        with db.transaction() as session:
            assert service.grant_of(session, consent.id, now=NOW) is None

    def test_undecided_and_declined_requests_open_nothing(self, stored):
        assert reason(stored(state="REQUESTED")) == "not_active"
        assert reason(stored(state="REJECTED")) == "rejected"

    def test_unknown_foreign_and_other_consents_look_the_same(self, stored):
        consent, other = stored(), stored()
        assert reason(consent, access=access_to(consent, institution_id=other.institution_id)) == "wrong_institution"
        assert reason(consent, access=access_to(consent, consent_id=other.id)) == "wrong_institution"
        assert reason(consent, access=access_to(consent, consent_id=None)) == "wrong_institution"
        consent_id = uuid4()
        with pytest.raises(ConsentRefused) as caught, db.transaction() as session:
            service.live_consent(session, consent_id, access=Access(uuid4(), consent_id), action="profile", now=NOW)
        assert caught.value.extra["reason"] == "wrong_institution"

    def test_a_suspended_institution_is_refused_at_once(self, stored):
        consent = stored()
        with db.transaction("owner") as session:
            session.execute(text("UPDATE institutions SET status = 'suspended'"))
        assert reason(consent) == "institution_suspended"
        with pytest.raises(ConsentRefused), db.transaction("worker") as session:
            service.live_for_work(session, consent.id, now=NOW)

    def test_the_clock_overrules_the_stored_state(self, stored):
        consent = stored()
        assert reason(consent, now=consent.expires_at) == "expired"
        assert read(consent, now=consent.expires_at - timedelta(seconds=1)).id == consent.id

    def test_a_revocation_waits_for_a_read_and_stops_the_next(self, stored):
        consent = stored()
        with db.transaction() as reading:
            service.live_consent(reading, consent.id, access=access_to(consent), action="profile", now=NOW)
            with db.transaction() as session, session.begin_nested() as attempt:
                session.execute(text("SET LOCAL lock_timeout = '100ms'"))
                with pytest.raises(DBAPIError, match="lock timeout"):
                    service.revoke(session, consent, actor="account:x", reason="test", now=NOW)
                attempt.rollback()
        with db.transaction() as session:
            service.revoke(session, consent, actor="account:x", reason="test", now=NOW)
        assert reason(consent) == "revoked"

    def test_what_tokens_carry_hides_the_firm(self, stored):
        consent = stored()
        with db.transaction() as session:
            grant = service.grant_of(session, consent.id, now=NOW)
        assert grant.enterprise_id == consent.enterprise_id
        (body,) = grant.authorization_details
        assert body["enterprise"].startswith("ent_")
        assert consent.enterprise_id.hex not in str(body)


class TestUses:
    def test_once_means_so_many_in_all_and_one_more_is_refused(self, stored):
        consent = stored(pulls_per_month=2)

        def use(now):
            with db.transaction() as session:
                counters.consume_use(session, consent, now)

        use(NOW)
        use(NOW + timedelta(days=20))  # another calendar month
        assert read(consent).state == "ACTIVE"  # what the last use made can be read
        with pytest.raises(ConsentRefused) as caught:
            use(NOW + timedelta(days=20))
        assert caught.value.extra["reason"] == "exhausted"
        assert caught.value.headers == {"CreditLink-Uses-Left": "total=0"}
        assert read(consent).state == "ACTIVE"  # one asked for too many takes nothing of what was made

    def test_recurring_counts_by_calendar_month(self, stored):
        consent = stored(
            purpose="monitoring", access="recurring", pulls_per_month=1, valid_until=NOW + timedelta(days=300)
        )

        def use(now):
            with db.transaction() as session:
                counters.consume_use(session, consent, now)

        use(NOW)
        with pytest.raises(LimitExceeded) as caught:
            use(NOW + timedelta(days=1))
        assert caught.value.extra["attribute"] == "pulls_per_month"
        use(NOW + timedelta(days=10))  # September

    @pytest.mark.parametrize("allowed", [1, 3])
    def test_exactly_as_many_as_allowed_succeed_in_a_race(self, stored, allowed):
        consent = stored(purpose="monitoring", access="recurring", pulls_per_month=5, pulls_per_day=allowed)

        def use(_):
            try:
                with db.transaction() as session:
                    service.live_consent(session, consent.id, access=access_to(consent), action="profile", now=NOW)
                    counters.consume_use(session, consent, NOW)
            except LimitExceeded as error:
                return error.extra["attribute"]
            return "served"

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(use, range(20)))
        assert outcomes.count("served") == allowed
        assert outcomes.count("pulls_per_day") == 20 - allowed
        with db.transaction() as session:
            # A use refused by the day is not counted in the month.
            assert counters.uses(session, consent, NOW) == {"month": (allowed, 5), "day": (allowed, allowed)}

    def test_a_rolled_back_use_is_not_counted(self, stored):
        consent = stored()
        with db.transaction() as session:
            counters.consume_use(session, consent, NOW)
            session.rollback()
        with db.transaction() as session:
            assert counters.uses(session, consent, NOW) == {"total": (0, 3)}


class TestChanges:
    @pytest.mark.parametrize(
        ("state", "change", "allowed"),
        [
            ("ACTIVE", service.pause, True),
            ("ACTIVE", service.revoke, True),
            ("ACTIVE", service.resume, False),
            ("ACTIVE", service.reject, False),
            ("PAUSED", service.resume, True),
            ("PAUSED", service.revoke, True),
            ("PAUSED", service.pause, False),
            ("REQUESTED", service.reject, True),
            ("REQUESTED", service.resume, False),
            ("REQUESTED", service.revoke, False),
            ("REVOKED", service.resume, False),
            ("REVOKED", service.revoke, False),
            ("EXPIRED", service.resume, False),
            ("REJECTED", service.pause, False),
        ],
    )
    def test_only_along_the_table(self, stored, state, change, allowed):
        consent = stored(state=state)
        with db.transaction() as session:
            if allowed:
                change(session, consent, actor="account:x", reason="test", now=NOW)
            else:
                with pytest.raises(Conflict):
                    change(session, consent, actor="account:x", reason="test", now=NOW)

    def test_resuming_fetches_what_was_missed(self, stored):
        consent = stored(state="PAUSED")
        with db.transaction() as session:
            service.resume(session, consent, actor="account:x", reason="test", now=NOW)
        assert len(jobs_of(consent)) == 2
        assert read(consent).state == "ACTIVE"

    def test_a_paused_consent_does_not_outlive_its_time(self, stored):
        consent = stored(state="PAUSED")
        with pytest.raises(Conflict, match="expired"), db.transaction() as session:
            service.resume(session, consent, actor="account:x", reason="test", now=consent.expires_at)


class TestTheDatabaseHoldsToo:
    @pytest.mark.parametrize(
        "change",
        [
            "categories = array_append(categories, 'logistics')",
            "expires_at = expires_at + interval '1 year'",
            "history_months = 99",
            "text_sha256 = 'x'",
            "enterprise_id = gen_random_uuid()",
            "state = 'REQUESTED'",
            "state = 'PAUSED', pulls_per_month = 9",
        ],
    )
    def test_nothing_but_the_state_moves_even_for_the_owner(self, stored, change):
        stored()
        with pytest.raises(DBAPIError, match=r"immutable|cannot change"), db.transaction("owner") as session:
            session.execute(text(f"UPDATE consents SET {change}"))

    def test_the_dead_stay_dead_and_visible(self, stored):
        stored(state="REVOKED")
        for attempt in ("UPDATE consents SET state = 'ACTIVE'", "DELETE FROM consents"):
            with pytest.raises(DBAPIError, match=r"cannot change|are kept"), db.transaction("owner") as session:
                session.execute(text(attempt))

    @pytest.mark.parametrize("attempt", ["UPDATE consent_events SET reason = 'x'", "DELETE FROM consent_events"])
    def test_events_are_only_added(self, stored, attempt):
        stored()
        with pytest.raises(DBAPIError, match="append-only"), db.transaction("owner") as session:
            session.execute(text(attempt))

    def test_the_api_role_cannot_widen_what_was_asked(self, stored):
        stored(state="REQUESTED")
        with pytest.raises(DBAPIError, match="permission denied"), db.transaction() as session:
            session.execute(text("UPDATE consents SET categories_asked = '{tax,logistics}'"))


class TestSweep:
    def test_brings_states_up_to_the_clock(self, stored):
        unanswered, paused, active = stored(state="REQUESTED"), stored(state="PAUSED"), stored()
        assert sum(sweep.sweep(NOW).values()) == 0
        assert sweep.sweep(NOW + timedelta(hours=4))["REJECTED"] == 1
        assert sweep.sweep(active.expires_at)["EXPIRED"] == 2
        with db.transaction("owner") as session:
            states = dict(session.execute(select(Consent.id, Consent.state)).all())
        assert states == {unanswered.id: "REJECTED", paused.id: "EXPIRED", active.id: "EXPIRED"}

    def test_a_bank_that_is_reading_cannot_keep_its_consent_from_ending(self, stored):
        consent = stored()
        with ThreadPoolExecutor(1) as pool:
            with db.transaction() as reading:
                service.live_consent(reading, consent.id, access=access_to(consent), action="profile", now=NOW)
                swept = pool.submit(sweep.sweep, NOW + timedelta(days=31))
                # The reader holds the row until the sweep waits for it (or has passed it by, which is the fault).
                while not swept.done() and not self.somebody_waits():
                    pass
            assert swept.result(30)["EXPIRED"] == 1

    @staticmethod
    def somebody_waits():
        with db.transaction("owner") as session:
            return session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) > 0

    def test_a_spent_consent_ends_with_its_data_life(self, stored):
        consent = stored(pulls_per_month=1, data_life_days=5)
        with db.transaction() as session:
            counters.consume_use(session, consent, NOW)
        assert sweep.sweep(NOW + timedelta(days=4, hours=23))["EXHAUSTED"] == 0
        assert sweep.sweep(NOW + timedelta(days=5))["EXHAUSTED"] == 1
        assert reason(consent) == "exhausted"

    def test_until_when_a_spent_consent_is_read(self, stored):
        spent = stored(pulls_per_month=1, data_life_days=5, valid_until=NOW + timedelta(days=20))
        ending = stored(pulls_per_month=1, data_life_days=30, valid_until=NOW + timedelta(days=20))
        with db.transaction() as session:
            assert counters.readable_until(session, spent) is None
            counters.consume_use(session, spent, NOW)
            counters.consume_use(session, ending, NOW)
            assert counters.readable_until(session, spent) == NOW + timedelta(days=5)
            assert counters.readable_until(session, ending) == ending.expires_at

    def test_a_use_refused_by_the_day_leaves_the_month_as_it_was(self, stored):
        consent = stored(purpose="monitoring", access="recurring", pulls_per_month=5, pulls_per_day=1)
        with db.transaction() as session:
            counters.consume_use(session, consent, NOW)
        with pytest.raises(LimitExceeded) as caught, db.transaction() as session:
            counters.consume_use(session, consent, NOW)
        assert caught.value.headers == {"CreditLink-Uses-Left": "month=4, day=0"}
        with db.transaction() as session:
            assert counters.left(session, consent, NOW) == {"month": 4, "day": 0}


def test_an_amendment_takes_the_place_of_the_former_version(stored):
    first = stored()
    with db.transaction("owner") as session:
        client = session.scalars(select(Client).where(Client.client_id == first.client_id)).one()
        person = session.get_one(make.Account, first.granted_by)
        firm = session.get_one(make.Enterprise, first.enterprise_id)
        second = service.request_consent(
            session, client=client, details=make.make_details(history_months=36), now=NOW, amends=first
        )
    assert second.version == 2
    assert read(first).state == "ACTIVE"  # until the firm agrees
    with db.transaction() as session:
        approval.approve(
            session,
            second,
            account=person,
            enterprise=firm,
            categories=second.categories_asked,
            statement=SHOWN,
            now=NOW,
        )
    assert reason(first) == "revoked"
    assert read(second).version == 2
