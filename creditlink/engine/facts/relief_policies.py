"""Relief policies: who may pay late, what, and until when; read from `config/relief.toml`, hashed as a whole. Pure.

A policy is one decision of an authority. It has a life of its own: it counts from the day on which it was known, and
its entry expires, so that what nobody confirms any more stops counting by itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Literal, TypedDict

PAYMENTS: dict[str, tuple[str, str]] = {
    "tax": ("税款", "taxes"),
    "social_security": ("社会保险费", "social-security contributions"),
    "housing_fund": ("住房公积金", "housing-fund deposits"),
    "utility": ("水电燃气费", "utility bills"),
}
"""What relief can be of, and how people call it."""

PolicyState = Literal["not_known", "in_force", "expired"]

_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,39}")
_REGION = re.compile(r"[1-9][0-9](?:[0-9]{2}){0,2}")
_INDUSTRY = re.compile(r"[A-T](?:[0-9]{2})?")
_LONGEST = 400


class PolicyJson(TypedDict):
    """A policy as it is stored with a profile and published."""

    code: str
    name_zh: str
    name_en: str
    source: str
    payments: list[str]
    regions: list[str]
    industries: list[str]
    due_from: str
    due_before: str
    extended_to: str | None
    known_on: str
    expires_on: str


@dataclass(frozen=True)
class ReliefPolicy:
    """One dated policy; all intervals of days are half-open."""

    code: str
    name_zh: str
    name_en: str
    source: str  # the authority's document
    payments: tuple[str, ...]
    regions: tuple[str, ...]  # beginnings of GB/T 2260 codes; empty: everywhere
    industries: tuple[str, ...]  # sections or divisions of GB/T 4754; empty: all
    due_from: date  # payments that fell due from here
    due_before: date  # and before here
    extended_to: date | None  # they count as due on this day; None: however late, it does not count
    known_on: date  # since when the policy is known: an earlier day's profile does not know it
    expires_on: date  # from here on the entry is no longer applied

    def state_on(self, day: date) -> PolicyState:
        """Return whether a profile of `day` applies it."""
        if day < self.known_on:
            return "not_known"
        return "in_force" if day < self.expires_on else "expired"

    def covers(self, region: str | None, industry: str | None) -> bool:
        """Return whether it is for a firm of this region and industry."""
        return (not self.regions or (region or "").startswith(self.regions)) and (
            not self.industries or (industry or "").startswith(self.industries)
        )

    def words(self) -> tuple[str, str]:
        """Return what it does, in Chinese and English."""
        last = self.due_before - timedelta(days=1)
        zh, en = ("、".join(PAYMENTS[p][0] for p in self.payments), ", ".join(PAYMENTS[p][1] for p in self.payments))
        due_zh, due_en = f"{self.due_from}至{last}到期的{zh}", f"{en} that fell due from {self.due_from} to {last}"
        if self.extended_to is None:
            return f"{self.name_zh}：{due_zh}，逾期不计", f"{self.name_en}: {due_en} do not count as late"
        return (
            f"{self.name_zh}：{due_zh}延期至{self.extended_to}，期间不计逾期",
            f"{self.name_en}: {due_en} may be paid until {self.extended_to}",
        )

    def to_dict(self) -> PolicyJson:
        """Return it as plain values."""
        return {
            "code": self.code,
            "name_zh": self.name_zh,
            "name_en": self.name_en,
            "source": self.source,
            "payments": list(self.payments),
            "regions": list(self.regions),
            "industries": list(self.industries),
            "due_from": self.due_from.isoformat(),
            "due_before": self.due_before.isoformat(),
            "extended_to": None if self.extended_to is None else self.extended_to.isoformat(),
            "known_on": self.known_on.isoformat(),
            "expires_on": self.expires_on.isoformat(),
        }

    @classmethod
    def from_dict(cls, stored: PolicyJson) -> ReliefPolicy:
        """Return what `to_dict` wrote."""
        extended = stored["extended_to"]
        return cls(
            code=stored["code"],
            name_zh=stored["name_zh"],
            name_en=stored["name_en"],
            source=stored["source"],
            payments=tuple(stored["payments"]),
            regions=tuple(stored["regions"]),
            industries=tuple(stored["industries"]),
            due_from=date.fromisoformat(stored["due_from"]),
            due_before=date.fromisoformat(stored["due_before"]),
            extended_to=None if extended is None else date.fromisoformat(extended),
            known_on=date.fromisoformat(stored["known_on"]),
            expires_on=date.fromisoformat(stored["expires_on"]),
        )


@dataclass(frozen=True)
class ReliefBook:
    """All policies of the file, in its order."""

    policies: tuple[ReliefPolicy, ...] = ()

    @property
    def sha256(self) -> str:
        """Return the hash of all policies: the version of the book."""
        text = json.dumps([p.to_dict() for p in self.policies], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def on(self, day: date) -> tuple[ReliefPolicy, ...]:
        """Return the policies that a profile of `day` applies."""
        return tuple(policy for policy in self.policies if policy.state_on(day) == "in_force")

    def of_firm(self, registration: Mapping[str, object], day: date) -> tuple[ReliefPolicy, ...]:
        """Return the policies that a profile of `day` applies to a firm that is so registered."""
        region, industry = (str(registration[name] or "") for name in ("region", "industry"))
        return tuple(policy for policy in self.on(day) if policy.covers(region, industry))


def relief_book_from(table: Mapping[str, object]) -> ReliefBook:
    """Return the policies in a parsed `relief.toml`.

    Raises
    ------
    ValueError
        A policy is wrong; the message names it, the field and the value.
    """
    unknown = set(table) - {"policies"}
    if unknown:
        raise ValueError(f"unknown {sorted(unknown)[0]!r}")
    entries = table.get("policies", [])
    if not isinstance(entries, list):
        raise ValueError("policies must be a list of tables [[policies]]")
    policies = tuple(_policy(entry, f"policies[{place}]") for place, entry in enumerate(entries))
    codes = [policy.code for policy in policies]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"code {twice[0]!r} is given twice")
    return ReliefBook(policies)


def _policy(entry: object, place: str) -> ReliefPolicy:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{place} must be a table, got {entry!r}")
    known = {field.name for field in fields(ReliefPolicy)} | {"late_does_not_count"}
    required = known - {"regions", "industries", "extended_to", "late_does_not_count"}
    missing, unknown = sorted(required - set(entry)), sorted(set(entry) - known)
    if missing or unknown:
        raise ValueError(f"{place}: missing {missing}, unknown {unknown}")
    code = _matching(entry["code"], _CODE, f"{place}.code", "3 to 40 of A-Z, 0-9 and -")
    place = f"{place} ({code})"
    forgives = entry.get("late_does_not_count", False)
    if type(forgives) is not bool:
        raise ValueError(f"{place}.late_does_not_count must be true or false, got {forgives!r}")
    if forgives == ("extended_to" in entry):
        raise ValueError(f"{place}: give either extended_to or late_does_not_count = true")
    policy = ReliefPolicy(
        code=code,
        name_zh=_text(entry["name_zh"], f"{place}.name_zh"),
        name_en=_text(entry["name_en"], f"{place}.name_en"),
        source=_text(entry["source"], f"{place}.source"),
        payments=_some(entry["payments"], f"{place}.payments"),
        regions=_each(entry.get("regions", []), _REGION, f"{place}.regions", "2, 4 or 6 digits of GB/T 2260"),
        industries=_each(
            entry.get("industries", []), _INDUSTRY, f"{place}.industries", "a section or division of GB/T 4754"
        ),
        due_from=_day(entry["due_from"], f"{place}.due_from"),
        due_before=_day(entry["due_before"], f"{place}.due_before"),
        extended_to=None if forgives else _day(entry["extended_to"], f"{place}.extended_to"),
        known_on=_day(entry["known_on"], f"{place}.known_on"),
        expires_on=_day(entry["expires_on"], f"{place}.expires_on"),
    )
    if policy.due_from >= policy.due_before:
        raise ValueError(f"{place}.due_before must be after due_from {policy.due_from}, got {policy.due_before}")
    if policy.extended_to is not None and policy.extended_to <= policy.due_from:
        raise ValueError(f"{place}.extended_to must be after due_from {policy.due_from}, got {policy.extended_to}")
    if policy.known_on >= policy.expires_on:
        raise ValueError(f"{place}.expires_on must be after known_on {policy.known_on}, got {policy.expires_on}")
    return policy


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST or not value.isprintable():
        raise ValueError(f"{place} must be a printable text of 1 to {_LONGEST} characters, got {value!r:.80}")
    return value


def _matching(value: object, pattern: re.Pattern[str], place: str, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{place} must be {what}, got {value!r:.80}")
    return value


def _each(values: object, pattern: re.Pattern[str], place: str, what: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{place} must be a list, got {values!r:.80}")
    return tuple(dict.fromkeys(_matching(value, pattern, place, what) for value in values))


def _some(values: object, place: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{place} must be a list of some of {', '.join(PAYMENTS)}, got {values!r:.80}")
    for value in values:
        if not isinstance(value, str) or value not in PAYMENTS:
            raise ValueError(f"{place} must be of {', '.join(PAYMENTS)}, got {value!r:.80}")
    return tuple(dict.fromkeys(str(value) for value in values))


def _day(value: object, place: str) -> date:
    if not isinstance(value, date) or isinstance(value, datetime) or not 1949 <= value.year <= 2199:
        raise ValueError(f"{place} must be a day such as 2026-02-01 without quotes, got {value!r:.80}")
    return value


def policies_of(stored: Iterable[PolicyJson]) -> tuple[ReliefPolicy, ...]:
    """Return the policies that were stored with a profile."""
    return tuple(ReliefPolicy.from_dict(one) for one in stored)
