"""Repair of public credit records (信用修复): how long one is published, and from when that may be cut short. Pure.

Records age by two days: the day of the event, from which its publication counts, and the day on which what it asked for
was done, without which nobody may ask for repair. The rules are dated: an event is judged by those of its day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from creditlink.engine.facts.frames import EVENT_KINDS
from creditlink.kit.clock import add_months

FRAME = "credit_events"
_MOST_MONTHS = 120


class RepairRulesInvalid(ValueError):
    """A rule of repair is absent, unknown or wrong; the message names it."""


@dataclass(frozen=True)
class RepairRule:
    """How long events of a kind and severity are published, from a day on."""

    kind: str
    severity: int
    since: date  # events of that day or later
    shortest_months: int  # published for so long at least, whatever is repaired
    longest_months: int  # and no longer than this
    source: str


@dataclass(frozen=True)
class RepairStanding:
    """Where a record stands by the rules on a day."""

    published_until: date  # exclusive; with no repair
    repairable_from: date
    may_apply: bool
    why_not: str | None  # too_early | over | ended; None: the firm may apply
    rule: RepairRule

    def months_saved(self, day: date) -> int:
        """Return how many months of publication a repair on a day saves, counted down."""
        months = 0
        while add_months(day, months + 1) <= self.published_until:
            months += 1
        return months


def standing(
    values: Mapping[str, object], kind: str, rules: Sequence[RepairRule], today: date
) -> RepairStanding | None:
    """Return where an event stands; None: no rule of repair is about events like it.

    Parameters
    ----------
    values : of the row: `occurred_on`, `severity`, and `ended_on` where what it asked for has been done.
    """
    occurred_on = date.fromisoformat(str(values["occurred_on"]))
    fits = [r for r in rules if r.kind == kind and r.severity == values["severity"] and r.since <= occurred_on]
    if not fits:
        return None
    rule = max(fits, key=lambda one: one.since)
    until = add_months(occurred_on, rule.longest_months)
    first = add_months(occurred_on, rule.shortest_months)
    why = "ended" if values.get("ended_on") else "over" if today >= until else "too_early" if today < first else None
    return RepairStanding(until, first, why is None, why, rule)


def rules_of(entries: object) -> tuple[RepairRule, ...]:
    """Return the rules in a parsed file's list of tables.

    Raises
    ------
    RepairRulesInvalid
    """
    if not isinstance(entries, list):
        raise RepairRulesInvalid(f"repair: must be a list of tables, got {entries!r}")
    found = tuple(_rule(entry) for entry in entries)
    keys = [(one.kind, one.severity, one.since) for one in found]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise RepairRulesInvalid(f"repair: {twice[0][0]} of severity {twice[0][1]} has two rules since {twice[0][2]}")
    return found


def _rule(entry: object) -> RepairRule:
    names = ("kind", "severity", "since", "shortest_months", "longest_months", "source")
    if not isinstance(entry, Mapping) or set(entry) != set(names):
        raise RepairRulesInvalid(f"repair: a rule has {', '.join(names)}, got {entry!r}")
    kind, severity, since, source = entry["kind"], entry["severity"], entry["since"], entry["source"]
    shortest, longest = entry["shortest_months"], entry["longest_months"]
    if kind not in EVENT_KINDS:
        raise RepairRulesInvalid(f"repair: kind: no such event: {kind!r}")
    if type(severity) is not int or not 1 <= severity <= 3:
        raise RepairRulesInvalid(f"repair: severity: must be 1, 2 or 3, got {severity!r}")
    if not isinstance(since, date) or isinstance(since, datetime):
        raise RepairRulesInvalid(f"repair: since: must be a day, got {since!r}")
    if type(shortest) is not int or type(longest) is not int or not 0 <= shortest <= longest <= _MOST_MONTHS:
        raise RepairRulesInvalid(f"repair: months: {shortest!r} … {longest!r} is no span of 0 … {_MOST_MONTHS}")
    if not isinstance(source, str) or not source:
        raise RepairRulesInvalid(f"repair: source: must name the rule's document, got {source!r}")
    return RepairRule(str(kind), severity, since, shortest, longest, source)
