"""How long each side may take, from `config/financing.toml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Clocks:
    """Every deadline of a request; all in whole days."""

    request_days: int  # a request that no offer was accepted of ends
    answer_days: int  # a lender answers: offer or decline
    escalate_days: int  # before that, it is reminded and the operator is told
    offer_days_at_most: int  # how long an offer may stand
    sign_days: int  # after acceptance
    draw_days: int  # after signing

    def after(self, name: str) -> timedelta:
        """Return one of them as a span of time."""
        return timedelta(days=getattr(self, name))


def clocks_from(table: Mapping[str, Any]) -> Clocks:
    """Return the clocks in a parsed `financing.toml`.

    Raises
    ------
    ValueError
        A clock is absent, unknown or not a whole number of days; the message names it.
    """
    known = {field.name for field in fields(Clocks)}
    clocks = table.get("clocks")
    if not isinstance(clocks, Mapping) or set(clocks) != known:
        found = set(clocks) if isinstance(clocks, Mapping) else set()
        raise ValueError(f"clocks: missing {sorted(known - found)}, unknown {sorted(found - known)}")
    for name, value in clocks.items():
        if type(value) is not int or not 1 <= value <= 365:
            raise ValueError(f"clocks.{name} must be a whole number of days 1 … 365, got {value!r}")
    if clocks["escalate_days"] >= clocks["answer_days"]:
        raise ValueError(f"clocks.escalate_days = {clocks['escalate_days']} must be below answer_days")
    return Clocks(**clocks)
