"""Every step of every way through an application is history, evidence and a webhook, each once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.financing.applications import applications, events, states
from creditlink.financing.applications.applications import StepRefused, locked
from creditlink.financing.tables import FinancingEvent
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification
from tests.financing.conftest import NOW, bank_of

BESIDES = {"apply", "amend", "escalate"}
"""What is told of an application besides its steps."""


def shortest_ways() -> dict[str, list[str]]:
    """State -> the events that lead there soonest."""
    ways: dict[str, list[str]] = {"requested": []}
    waiting = ["requested"]
    for state in waiting:
        for event, step in states.STEPS[state].items():
            if step.to not in ways:
                ways[step.to] = [*ways[state], event]
                waiting.append(step.to)
    return ways


WAYS = shortest_ways()
STEPS = [(state, event) for state, steps in states.STEPS.items() for event in steps]


def actor_of(market, held, role) -> str:
    return {"firm": market.person, "bank": bank_of(held), "system": "system"}[role]


def go(session, market, held, event, nth=0) -> None:
    role, detail = states.STEPS[held.state][event].role, {"nth": nth}
    actor = actor_of(market, held, role)
    if event == "decline":
        held.decline_codes = ["D01"]  # the database wants a reason
    with session.no_autoflush:
        assert applications.step(session, held, event, role=role, actor=actor, now=NOW, detail=detail)
    # A client that saw no answer sends it again: nothing more happens.
    assert not applications.step(session, held, event, role=role, actor=actor, now=NOW, detail=detail)


def test_each_event_has_a_webhook_of_its_own():
    assert set(events.WEBHOOKS) == set(states.EVENTS) | BESIDES
    assert len(set(events.WEBHOOKS.values())) == len(events.WEBHOOKS)


def test_each_step_is_kept_three_ways_and_is_refused_to_everybody_else(market, asked):
    """All steps of the table, each on an application of its own that was led to its state."""
    with db.transaction("owner") as session:
        session.merge(market.lenders[0][1]).webhook_url = "https://bank.example/hooks"
    (one, *_) = asked(1)
    with db.transaction("owner") as session:
        for state, event in STEPS:
            nested = session.begin_nested()
            held = locked(session, one)
            for former in WAYS[state]:
                go(session, market, held, former)
            right = states.STEPS[state][event].role
            for role in {"firm", "bank", "system"} - {right}:
                with pytest.raises(StepRefused) as refused:
                    applications.step(session, held, event, role=role, actor=actor_of(market, held, role), now=NOW)
                assert refused.value.extra == {"state": state, "allowed": list(states.allowed(state, role))}
            go(session, market, held, event, nth=1)
            happened = ["apply", *WAYS[state], event]
            query = select(FinancingEvent).where(FinancingEvent.application_id == one).order_by(FinancingEvent.id)
            assert [kept.event for kept in session.scalars(query)] == happened
            about = session.scalars(select(AuditEntry).where(AuditEntry.action.like("financing.%")))
            proved = Counter(row.action for row in about if row.detail.get("application") == held.wire_id)
            assert proved == Counter(f"financing.{each}" for each in happened)
            told = [json.loads(row.body) for row in session.scalars(select(Notification))]
            mine = Counter(row["type"] for row in told if row["data"].get("application_id") == held.wire_id)
            assert mine == Counter(f"financing.{events.WEBHOOKS[each]}" for each in happened)
            nested.rollback()
            session.expire_all()
