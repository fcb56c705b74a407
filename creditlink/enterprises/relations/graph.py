"""The graph around one firm, as it was known on a day: its group, its way to a revoked firm, guarantee circles. Pure.

Firms are tied by persons (a representative, a shareholder), by an address, by shares and by guarantees. Persons are the
same only where the registrar says so: two of one name are two.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

CONTROL_BPS = 2_500
"""A share from which on firms are one group.

Source: 国家税务总局公告2016年第42号, article 2: who holds 25 % or more is a related party.
"""

LONGEST_CIRCLE = 5
MOST_AT_ADDRESS = 20
"""More firms at one address than this share an office service, not a business."""

TieKind = Literal["representative", "shareholder", "address", "holding"]


@dataclass(frozen=True, slots=True)
class NearFirm:
    """A firm of the graph; `key` tells it apart, `is_known` whether it is in our registry."""

    key: str
    uscc: str
    name: str
    status: str | None = None
    revoked_on: date | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Tie:
    """What ties a firm to a person, to an address, or to a firm that holds a share of it."""

    kind: TieKind
    firm: str
    other: str  # the key of a person, an address or a firm
    name: str  # as published
    share_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Guarantee:
    """That a firm guarantees for another."""

    guarantor: str
    debtor: str
    amount_fen: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a way: over which person, address or share to which firm."""

    kind: TieKind
    through: str
    firm: NearFirm


@dataclass(frozen=True)
class Way:
    """The way from a firm to one whose licence was revoked."""

    steps: tuple[Step, ...]

    @property
    def revoked(self) -> NearFirm:
        """The firm at its end."""
        return self.steps[-1].firm


@dataclass(frozen=True)
class Neighbourhood:
    """What is known around one firm."""

    start: str
    firms: Mapping[str, NearFirm]
    ties: Sequence[Tie]
    guarantees: Sequence[Guarantee]
    is_cut: bool = False  # there was more than is looked at


def ways_to_revoked(around: Neighbourhood, *, most_steps: int = 2) -> list[Way]:
    """Return the shortest way to each firm within reach whose licence was revoked, the nearest first.

    Ways lead over representatives, addresses and shares that control; a minority's share leads nowhere.
    """
    control, found = _control(around, addresses=True), []
    seen, waiting = {around.start}, deque[tuple[str, tuple[Step, ...]]]([(around.start, ())])
    while waiting:
        firm, steps = waiting.popleft()
        for step in control.beside(firm):
            if step.firm.key in seen:
                continue
            seen.add(step.firm.key)
            way = (*steps, step)
            if step.firm.status == "revoked":
                found.append(Way(way))
            elif len(way) < most_steps:
                waiting.append((step.firm.key, way))
    return found


def group_of(around: Neighbourhood) -> list[NearFirm]:
    """Return the firms that are one group with the first, itself among them: by control or one representative."""
    control = _control(around, addresses=False)
    seen, waiting = {around.start}, deque([around.start])
    while waiting:
        for step in control.beside(waiting.popleft()):
            if step.firm.key not in seen:
                seen.add(step.firm.key)
                waiting.append(step.firm.key)
    return sorted((around.firms[key] for key in seen), key=lambda firm: (firm.key != around.start, firm.uscc))


@dataclass(frozen=True)
class _Control:
    """The ties that bind, by either end: representing, housing few, holding a quarter."""

    firms: Mapping[str, NearFirm]
    by_firm: Mapping[str, list[Tie]]
    by_other: Mapping[str, list[Tie]]

    def beside(self, firm: str) -> Iterator[Step]:
        """Yield the firms one step away, and over what."""
        for own in self.by_firm.get(firm, ()):
            if own.kind == "holding":
                yield Step("holding", own.name, self.firms[own.other])
            for other in self.by_other.get(own.other, ()):
                if other.firm != firm:
                    yield Step(own.kind, own.name, self.firms[other.firm])
        for held in self.by_other.get(firm, ()):
            yield Step("holding", self.firms[firm].name, self.firms[held.firm])


def _control(around: Neighbourhood, *, addresses: bool) -> _Control:
    by_firm: dict[str, list[Tie]] = {}
    by_other: dict[str, list[Tie]] = {}
    crowd = Counter(tie.other for tie in around.ties if tie.kind == "address")
    for tie in around.ties:
        if tie.kind == "address" and (not addresses or crowd[tie.other] > MOST_AT_ADDRESS):
            continue
        if tie.kind in ("shareholder", "holding") and (tie.share_bps or 0) < CONTROL_BPS:
            continue
        by_firm.setdefault(tie.firm, []).append(tie)
        by_other.setdefault(tie.other, []).append(tie)
    return _Control(around.firms, by_firm, by_other)


def steps_beside(around: Neighbourhood) -> list[Step]:
    """Return what ties the first firm to others directly, by control or address, without repetition."""
    steps = dict.fromkeys(_control(around, addresses=True).beside(around.start))
    return sorted(steps, key=lambda step: (step.kind, step.through, step.firm.uscc))


def guarantee_circles(around: Neighbourhood, *, longest: int = LONGEST_CIRCLE) -> list[tuple[NearFirm, ...]]:
    """Return the circles of guarantees that the first firm is in, of at most `longest` firms, the shortest first.

    In a circle each firm guarantees for the next and the last for the first: no outside strength stands behind any.
    """
    after: dict[str, set[str]] = {}
    for one in around.guarantees:
        after.setdefault(one.guarantor, set()).add(one.debtor)
    found: list[tuple[str, ...]] = []
    waiting: deque[tuple[str, ...]] = deque([(around.start,)])
    while waiting:
        way = waiting.popleft()
        for following in sorted(after.get(way[-1], ())):
            if following == around.start and len(way) > 1:
                found.append(way)
            elif following not in way and len(way) < longest:
                waiting.append((*way, following))
    return [tuple(around.firms[key] for key in circle) for circle in found]
