"""Several banks, a firm and the clock at once: no illegal state, no second acceptance, no outcome lost or doubled."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from creditlink.financing import sweep
from creditlink.financing.applications import applications, states
from creditlink.financing.applications.applications import locked
from creditlink.financing.applications.declines import DeclineReason
from creditlink.financing.loans import outcomes
from creditlink.financing.loans.outcome_file import LoanOutcome
from creditlink.financing.tables import Application, FinancingEvent, LoanFact
from creditlink.kit.errors import Problem
from creditlink.kit.postgres import db
from tests.financing.conftest import NOW, OFFER, bank_of

OUTCOMES = [
    LoanOutcome("draw", date(2026, 8, 1), 40_000_000, reference="a"),
    LoanOutcome("draw", date(2026, 8, 2), 60_000_000, reference="b"),
    LoanOutcome("repayment", date(2026, 8, 1), 90_000_000, 0),
    LoanOutcome("repayment", date(2026, 7, 1), 90_000_000, 35),
    LoanOutcome("closure", date(2026, 8, 20), 0),
    LoanOutcome("write_off", date(2026, 8, 21), 5_000_000),
]
TOO_MUCH = DeclineReason("D33", "申请金额超出可贷额度", "The amount asked is beyond what can be lent", ())
BANK_STEPS = ("receive", "review", "offer", "decline", "sign", *range(len(OUTCOMES)))
FIRM_STEPS = ("accept", "refuse", "withdraw")

bank_scripts = st.lists(st.sampled_from(BANK_STEPS), min_size=2, max_size=7)
firm_script = st.lists(st.tuples(st.sampled_from(FIRM_STEPS), st.integers(0, 2)), min_size=1, max_size=5)


class Run:
    """One random history: every thread does its steps, each in a transaction, and what was refused is let go."""

    def __init__(self, market, ids):
        self.market, self.ids = market, ids
        self.recorded: Counter = Counter()
        self.lock = threading.Lock()

    def bank(self, k: int, script) -> None:
        for event in script:
            try:
                with db.transaction("owner") as session:
                    told = self._bank_step(session, locked(session, self.ids[k]), event)
            except Problem:
                continue
            if told is not None:
                with self.lock:
                    self.recorded[self.ids[k], told] += 1

    def _bank_step(self, session, held, event):
        actor = bank_of(held)
        if event == "offer":
            self.market.offer(session, held)
        elif event == "decline":
            applications.decline(session, held, [TOO_MUCH], note="", weighed=[], actor=actor, now=NOW)
        elif event == "sign":
            made = applications.latest_offer(session, held)
            self.market.sign(session, held, made.sha256 if made else "0" * 64)
        elif isinstance(event, int):
            if outcomes.record(session, held, OUTCOMES[event], actor=actor, now=NOW):
                return OUTCOMES[event]
        else:
            getattr(applications, event)(session, held, actor=actor, now=NOW)
        return None

    def firm(self, script) -> None:
        for event, k in script:
            try:
                with db.transaction("owner") as session:
                    if event == "accept":
                        made = applications.latest_offer(session, session.get_one(Application, self.ids[k]))
                        self.market.accept(
                            session, session.get_one(Application, self.ids[k]), made.sha256 if made else ""
                        )
                    else:
                        held = locked(session, self.ids[k])
                        getattr(applications, event)(session, held, actor=self.market.person, now=NOW)
            except Problem:
                continue

    def clock(self) -> None:
        with db.transaction("worker") as session:
            sweep.sweep(session, NOW + timedelta(hours=1), self.market.clocks)


def check(run: Run) -> None:
    with db.transaction("owner") as session:
        held = {one: session.get_one(Application, one) for one in run.ids}
        for one, application in held.items():
            state = "requested"
            events = session.scalars(
                select(FinancingEvent).where(FinancingEvent.application_id == one).order_by(FinancingEvent.id)
            )
            for event in events:
                if event.event == "apply":
                    continue
                assert event.from_state == state
                assert states.STEPS[state][event.event].to == event.to_state
                state = event.to_state
            assert application.state == state
        assert sum(application.state in states.ACCEPTED for application in held.values()) <= 1
        stored = Counter(
            (
                fact.application_id,
                LoanOutcome(fact.kind, fact.about_on, fact.amount_fen, fact.days_past_due, fact.reference),
            )
            for fact in session.scalars(select(LoanFact).where(LoanFact.application_id.in_(run.ids)))
        )
        assert stored == run.recorded
        assert set(stored.values()) <= {1}
        drawn = sum(told.amount_fen for (_, told), _ in stored.items() if told.kind == "draw")
        assert drawn <= OFFER.amount_fen


@given(banks=st.tuples(bank_scripts, bank_scripts, bank_scripts), firm=firm_script)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_at_once_every_history_is_a_legal_one(market, asked, banks, firm):
    run = Run(market, asked())
    # Something to race for: two offers stand when the race begins.
    run.bank(0, ["receive", "offer"])
    run.bank(1, ["offer"])
    work = [threading.Thread(target=run.bank, args=(k, script)) for k, script in enumerate(banks)]
    work += [threading.Thread(target=run.firm, args=(firm,)), threading.Thread(target=run.clock)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    check(run)


def test_two_acceptances_at_once_are_one(market, asked):
    run = Run(market, asked())
    run.bank(0, ["offer"])
    run.bank(1, ["offer"])
    gate = threading.Barrier(2)

    def accept(k):
        gate.wait()
        run.firm([("accept", k)])

    racers = [threading.Thread(target=accept, args=(k,)) for k in (0, 1)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    check(run)
    with db.transaction("owner") as session:
        assert sorted(session.get_one(Application, one).state for one in run.ids) == ["accepted", "lapsed", "lapsed"]
