"""What a profile tells of its firm's ties, ways to revoked firms and its guarantees, as plain data. Pure.

A profile keeps what it was told, so that a replay gives the same bytes however the graph has changed since. What may
not go out is not stored: no natural shareholder's name, and of a circle of guarantees only its size.
"""

from __future__ import annotations

from creditlink.engine.profile.ties import TieName, ToldGuarantees, ToldRelations, ToldStep, ToldWay
from creditlink.enterprises.relations.graph import Neighbourhood, Step, Way, guarantee_circles, ways_to_revoked

GUARANTEES = "contract"
"""The category that a guarantee belongs to: it is a contract, and no register publishes it."""

_MOST_WAYS = 5


def told_of(around: Neighbourhood, *, with_guarantees: bool) -> ToldRelations:
    """Return what may be told of the first firm of a graph, the nearest ways first."""
    start = around.firms.get(around.start)
    return {
        "firm": "" if start is None else start.name,
        "ways": [_way(around, way) for way in ways_to_revoked(around)[:_MOST_WAYS]],
        "is_cut": around.is_cut,
        "guarantees": _guarantees(around) if with_guarantees else None,
    }


def _way(around: Neighbourhood, way: Way) -> ToldWay:
    before, steps = around.firms[around.start].name, list[ToldStep]()
    for step in way.steps:
        tie = _tie(step, before)
        through = None if step.kind == "shareholder" else step.through
        steps.append({"tie": tie, "through": through, "firm": step.firm.name, "uscc": step.firm.uscc})
        before = step.firm.name
    day = way.revoked.revoked_on
    return {"steps": steps, "revoked_on": None if day is None else day.isoformat()}


def _tie(step: Step, before: str) -> TieName:
    match step.kind:
        case "representative":
            return "same_representative"
        case "shareholder":
            return "same_shareholder"
        case "address":
            return "same_address"
        case "holding":
            if step.through == step.firm.name:
                return "held_by"
            return "holds" if step.through == before else "same_holder"


def _guarantees(around: Neighbourhood) -> ToldGuarantees:
    amounts = [one.amount_fen for one in around.guarantees if one.guarantor == around.start]
    return {
        "given": len(amounts),
        "given_fen": sum(amount for amount in amounts if amount is not None),
        "unknown": amounts.count(None),
        "circles": [len(circle) for circle in guarantee_circles(around)],
    }
