"""The life of one version of a product: draft → checked → live → retired, and whose hands each step needs. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

STATES: Mapping[str, tuple[str, str]] = {
    "draft": ("草稿", "Draft"),
    "checked": ("已复核", "Checked"),
    "scheduled": ("待生效", "Scheduled"),  # published for a later day; the version on sale stays until then
    "live": ("在售", "Live"),
    "retired": ("已下架", "Retired"),
}
"""State -> its label in zh and en."""

STEPS: Mapping[str, Mapping[str, str]] = {
    # Writing a checked version again makes it a draft: what was checked is not what it says now.
    "draft": {"write": "draft", "check": "checked", "retire": "retired"},
    "checked": {"write": "draft", "publish": "live", "retire": "retired"},
    "scheduled": {"retire": "retired"},
    "live": {"retire": "retired"},
    "retired": {},
}
"""State -> step -> the state it leads to. A live version is never written to: a change is a further version."""

PENDING = frozenset({"draft", "checked"})
"""States of a version that is being prepared; a product has at most one such version."""


COUNTS_A_DAY = 20
"""Counts of screened firms that an institution gets for versions it prepares."""


class StepNotAllowed(ValueError):
    """A step that the state or the four eyes forbid; `reason` is for programs, `allowed` are the steps there are."""

    def __init__(self, message: str, *, reason: str, allowed: Collection[str] = ()) -> None:
        self.reason = reason
        self.allowed = tuple(sorted(allowed))
        super().__init__(message)


def after(state: str, step: str) -> str:
    """Return the state that `step` leads to.

    Raises
    ------
    StepNotAllowed
        The state has no such step.
    """
    to = STEPS[state].get(step)
    if to is None:
        allowed = tuple(STEPS[state])
        may = ", ".join(sorted(allowed)) or "nothing"
        raise StepNotAllowed(f"{step}: a version that is {state} allows: {may}", reason="state", allowed=allowed)
    return to


@dataclass(frozen=True, slots=True)
class Hands:
    """Who takes a step: `actor` as it is kept with it, `marks` of the keys that prove it; an operator has none."""

    actor: str
    marks: frozenset[str] = frozenset()


def check_hands(checker: Hands, writers: Iterable[Hands]) -> None:
    """Refuse a check by somebody who wrote any of what is checked, or who holds a writer's key.

    Parameters
    ----------
    writers : everybody who ever wrote to this version, not only the last one: else two could write the same terms in
        turn and one of them check its own; each with the keys of that moment.

    Raises
    ------
    StepNotAllowed
        The checker wrote some of it, or two clients of one key would be one pair of eyes.
    """
    for writer in writers:
        if checker.actor == writer.actor:
            raise StepNotAllowed("check: whoever wrote a version cannot check it", reason="own_work")
        if checker.marks & writer.marks:
            raise StepNotAllowed("check: it is proven by the key of a client that wrote it", reason="same_key")


_MATERIAL = ("kty", "crv", "x", "y", "n", "e")


def key_marks(jwks: Mapping[str, object] | None, jwks_uri: str | None) -> frozenset[str]:
    """Return a mark for each public key of a client, or for the address that it publishes them at."""
    marks = {f"uri:{jwks_uri}"} if jwks_uri else set()
    keys = cast(Sequence[Mapping[str, object]], (jwks or {}).get("keys", ()))  # registered as a JWK Set
    for key in keys:
        text = json.dumps([key.get(part) for part in _MATERIAL])
        marks.add(hashlib.sha256(text.encode()).hexdigest())
    return frozenset(marks)
