"""The life of an application: only what is allowed happens, and each event belongs to one role."""

from __future__ import annotations

import pytest

from creditlink.financing.applications.states import (
    ACCEPTED,
    EVENTS,
    FINAL,
    LENT,
    OPEN,
    STATES,
    STEPS,
    NotAllowed,
    after,
    allowed,
)

pytestmark = pytest.mark.pure


def test_every_state_is_named_and_reachable():
    assert set(STEPS) == set(STATES)
    seen, waiting = {"requested"}, ["requested"]
    while waiting:
        for step in STEPS[waiting.pop()].values():
            if step.to not in seen:
                seen.add(step.to)
                waiting.append(step.to)
    assert seen == set(STATES)


def test_every_path_can_end():
    for state in STATES:
        seen, waiting = {state}, [state]
        while waiting:
            for step in STEPS[waiting.pop()].values():
                if step.to not in seen:
                    seen.add(step.to)
                    waiting.append(step.to)
        assert seen & FINAL, state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("role", ["firm", "bank", "system"])
def test_what_is_not_allowed_is_refused_with_what_is(state, event, role):
    if event in allowed(state, role):
        assert after(state, event, role) in STATES
        return
    with pytest.raises(NotAllowed) as refused:
        after(state, event, role)
    assert refused.value.allowed == allowed(state, role)


def test_nobody_but_the_firm_accepts_and_nobody_but_the_bank_lends():
    for state, steps in STEPS.items():
        for event, step in steps.items():
            if step.to == "accepted":
                assert (state, event, step.role) == ("offered", "accept", "firm")
            if step.to in LENT and state not in LENT:
                assert step.role == "bank"


def test_the_groups_do_not_overlap():
    assert not OPEN & ACCEPTED
    assert LENT < ACCEPTED
    assert FINAL.isdisjoint(OPEN)
