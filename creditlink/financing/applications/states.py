"""The life of one application: which event may follow which state, and whose it is. Pure.

A *request* is what a firm asks for; an *application* is that request before one lender. Several lenders
may offer; one offer is accepted, and what the others have open lapses with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["firm", "bank", "system"]

STATES: Mapping[str, tuple[str, str]] = {
    "requested": ("已申请", "Requested"),
    "received": ("已接收", "Received"),
    "reviewing": ("审核中", "Under review"),
    "offered": ("已报价", "Offered"),
    "declined": ("已拒绝", "Declined"),
    "accepted": ("已接受", "Accepted"),
    "lapsed": ("已失效", "Lapsed"),
    "signed": ("已签约", "Signed"),
    "drawn": ("已放款", "Drawn"),
    "repaying": ("还款中", "Repaying"),
    "closed": ("已结清", "Closed"),
    "written_off": ("已核销", "Written off"),
    "withdrawn": ("已撤回", "Withdrawn"),
    "expired": ("逾期未答复", "Expired unanswered"),
}
"""State -> its label in zh and en."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event does: whose it is, and the state it leads to."""

    role: Role
    to: str


_WAITING = {
    "review": Transition("bank", "reviewing"),
    "offer": Transition("bank", "offered"),
    "decline": Transition("bank", "declined"),
    "withdraw": Transition("firm", "withdrawn"),
    "expire": Transition("system", "expired"),
    "lapse": Transition("system", "lapsed"),
}
_LENT = {
    "draw": Transition("bank", "drawn"),
    "report": Transition("bank", "repaying"),
    "close": Transition("bank", "closed"),
    "write_off": Transition("bank", "written_off"),
}

STEPS: Mapping[str, Mapping[str, Transition]] = {
    "requested": {"receive": Transition("bank", "received"), **_WAITING},
    "received": _WAITING,
    "reviewing": {name: step for name, step in _WAITING.items() if name != "review"},
    "offered": {
        "revise": Transition("bank", "offered"),  # a better offer; the former one is no longer open
        "accept": Transition("firm", "accepted"),
        "refuse": Transition("firm", "lapsed"),
        "withdraw": Transition("firm", "withdrawn"),
        "lapse": Transition("system", "lapsed"),  # its validity is over, or the firm accepted another
    },
    "accepted": {
        "sign": Transition("bank", "signed"),
        "withdraw": Transition("firm", "withdrawn"),
        "lapse": Transition("system", "lapsed"),  # not signed in time
    },
    "signed": {
        "draw": Transition("bank", "drawn"),
        "withdraw": Transition("firm", "withdrawn"),  # within the cooling-off period; the service checks the day
        "lapse": Transition("system", "lapsed"),  # never drawn
    },
    "drawn": _LENT,
    "repaying": {**_LENT, "draw": Transition("bank", "repaying")},
    "declined": {},
    "lapsed": {},
    "closed": {},
    "written_off": {},
    "withdrawn": {},
    "expired": {},
}
"""State -> event -> step; what is not here is not allowed."""

EVENTS = tuple(sorted({event for steps in STEPS.values() for event in steps}))
FINAL = frozenset(state for state, steps in STEPS.items() if not steps)
UNANSWERED = frozenset({"requested", "received", "reviewing"})
OPEN = UNANSWERED | {"offered"}
"""States that lapse when the firm accepts somebody else's offer."""
ACCEPTED = frozenset({"accepted", "signed", "drawn", "repaying", "closed", "written_off"})
"""States in which the request has found its lender; a request has at most one application here."""
OVER = frozenset({"declined", "lapsed", "withdrawn", "expired"})
"""States in which the lender is out: it has no more use for the firm's data."""
LENT = frozenset({"drawn", "repaying", "closed", "written_off"})


class NotAllowed(ValueError):
    """An event that the state or the role forbids; `allowed` are the role's events in that state."""

    def __init__(self, state: str, event: str, role: Role) -> None:
        self.state, self.event, self.role = state, event, role
        self.allowed = allowed(state, role)
        may = ", ".join(self.allowed) or "nothing"
        super().__init__(f"{event}: an application that is {state} allows the {role}: {may}")


def allowed(state: str, role: Role) -> tuple[str, ...]:
    """Return the events that `role` may bring about in `state`, sorted."""
    return tuple(sorted(event for event, step in STEPS[state].items() if step.role == role))


def after(state: str, event: str, role: Role) -> str:
    """Return the state that `event` leads to.

    Raises
    ------
    NotAllowed
        The state has no such event, or it is another role's.
    """
    step = STEPS[state].get(event)
    if step is None or step.role != role:
        raise NotAllowed(state, event, role)
    return step.to
