"""The life of a case: open → claimed → decided, or expired when its clock runs out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

STATES: Mapping[str, tuple[str, str]] = {
    "open": ("待认领", "Open"),
    "claimed": ("复核中", "Claimed"),
    "decided": ("已决定", "Decided"),
    "expired": ("逾期未决定", "Expired"),
}
"""State -> its label in zh and en."""

STEPS: Mapping[str, Mapping[str, str]] = {
    "open": {"claim": "claimed", "expire": "expired"},
    "claimed": {"release": "open", "decide": "decided", "expire": "expired"},
    "decided": {},
    "expired": {},
}
"""State -> step -> state; what is not here is not allowed."""

OPEN = tuple(state for state, steps in STEPS.items() if steps)
DECISIONS: Mapping[str, tuple[str, str]] = {
    "confirmed": ("维持模型结论", "The result stands"),
    "overridden": ("作出人工调整", "A person departs from it"),
}


class CaseStepRefused(ValueError):
    """A step that a case's state forbids; the message names both."""


def after(state: str, step: str) -> str:
    """Return the state that a step leads to.

    Raises
    ------
    CaseStepRefused
    """
    if step not in STEPS[state]:
        may = ", ".join(STEPS[state]) or "nothing"
        raise CaseStepRefused(f"{step}: a case that is {state} allows {may}")
    return STEPS[state][step]
