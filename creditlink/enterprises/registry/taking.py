"""Taking rows of the feed into the registry: which firm a row is about, and what it changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises import service
from creditlink.enterprises.registry import clearing, versions
from creditlink.enterprises.registry.change import FieldFlaw, ListedItem, RegistryChange, excerpt
from creditlink.enterprises.registry.near_codes import SIMILAR, likeness
from creditlink.enterprises.registry.versions import LISTED, NewVersion, RegisteredItem, Version
from creditlink.enterprises.service import Registration
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.clock import day_of
from creditlink.kit.errors import InvalidRequest

PersonKey = Callable[[str], str]
"""Makes of a registrar's number of a person what tells persons of one name apart, and nothing else."""


class RowRefused(Exception):
    """A row cannot be taken; `flaws` says why, and `clearing` what the registrar has to settle, if anything."""

    def __init__(self, flaws: Sequence[FieldFlaw], duplicate_of: Enterprise | None = None) -> None:
        self.flaws, self.duplicate_of = flaws, duplicate_of
        super().__init__("; ".join(map(str, flaws)))


@dataclass
class BatchFirms:
    """The firms that a batch of rows is about, and what is in force of them."""

    by_code: dict[str, Enterprise]
    now: datetime
    load_id: UUID
    source: str
    person_key: PersonKey
    held: dict[UUID, dict[str, Version]] = field(default_factory=dict)
    new: list[NewVersion] = field(default_factory=list)

    @property
    def today(self) -> date:
        """The day on which the batch is taken."""
        return day_of(self.now)

    def write(self, session: Session) -> None:
        """Append the versions that rows brought so far, all at once."""
        if self.new:
            session.flush()  # the firms first
            versions.append(session, self.new)
            self.new = []

    def after(self, firm: Enterprise) -> datetime:
        """Return an instant for the next change of a firm: two of one batch are known one after the other."""
        return max(self.now, firm.updated_at + timedelta(microseconds=1))


def firms_of(
    session: Session,
    changes: Sequence[RegistryChange],
    *,
    load_id: UUID,
    source: str,
    person_key: PersonKey,
    now: datetime,
) -> BatchFirms:
    """Return the firms that rows name, by the codes they have and those they had."""
    codes = {code for change in changes for code in (change.uscc, change.former_uscc) if code}
    by_code = {
        firm.uscc: firm for firm in session.scalars(select(Enterprise).where(Enterprise.uscc.in_(sorted(codes))))
    }
    former = versions.by_former_codes(session, codes - set(by_code))
    again = {firm.id: firm for firm in session.scalars(select(Enterprise).where(Enterprise.id.in_(former.values())))}
    by_code |= {code: again[firm_id] for code, firm_id in former.items()}
    firms = BatchFirms(by_code, now, load_id, source, person_key)
    firms.held = versions.held(session, {firm.id for firm in by_code.values()}, day=firms.today, known_at=now)
    return firms


def take(session: Session, change: RegistryChange, firms: BatchFirms) -> tuple[Enterprise, list[str], bool]:
    """Take one row; return its firm, the names of what it changed, and whether the firm is new.

    What is refused is refused before anything of it is written. The caller writes the versions (`BatchFirms.write`).

    Raises
    ------
    RowRefused
        A value is none that a firm can have, or the code is another firm's.
    """
    if change.valid_from is not None and change.valid_from > firms.today:
        problem = "must not lie in the future: send it on its day"
        raise RowRefused([FieldFlaw("valid_from", change.valid_from.isoformat(), problem)])
    firm = _firm_of(change, firms)
    try:
        if firm is None:
            return _register(session, change, firms), ["registered"], True
        return firm, list(_changed(session, firm, change, firms)), False
    except InvalidRequest as refused:
        raise RowRefused(
            [
                FieldFlaw(one["pointer"].lstrip("/"), excerpt(_given(change, one["pointer"])), one["detail"])
                for one in refused.errors
            ]
        ) from None


def _given(change: RegistryChange, pointer: str) -> object:
    name = pointer.lstrip("/")
    value = change.registration.get(name, getattr(change, name, None))
    return "" if value is None else value.isoformat() if isinstance(value, date) else value


def _firm_of(change: RegistryChange, firms: BatchFirms) -> Enterprise | None:
    """Return the firm that a row is about; None: a new one."""
    firm = firms.by_code.get(change.uscc)
    former = firms.by_code.get(change.former_uscc) if change.former_uscc else None
    if firm is not None and former is not None and firm is not former:
        problem = f"is the code of another firm already; {change.former_uscc} is still registered beside it"
        raise RowRefused([FieldFlaw("uscc", change.uscc, problem)], duplicate_of=firm)
    firm = firm or former
    founded = change.registration.get("established_on")
    if (
        firm is not None
        and change.name is not None
        and founded is not None
        and firm.established_on not in (None, founded)
        and likeness(change.name, firm.name) < SIMILAR
    ):
        # A firm may change its name, and the day it was founded may be corrected; both at once is another firm.
        problem = f"is the code of a firm of another name, founded on another day ({firm.established_on})"
        raise RowRefused([FieldFlaw("uscc", change.uscc, problem)], duplicate_of=firm)
    return firm


def _register(session: Session, change: RegistryChange, firms: BatchFirms) -> Enterprise:
    checked = uscc_rules.check(change.uscc)
    columns = {name: value for name, value in change.registration.items() if name != "status"}
    entry = Registration(
        uscc=checked.uscc,
        name=change.name or "",
        name_en=change.name_en,
        # Registered it is, whatever its check says: the clearing list has it.
        uscc_exception=None if checked.check_ok else f"listed so by {firms.source}",
        **{"industry": "", "region": "", **columns},  # type: ignore[arg-type]  # checked by their names
    )
    firm = service.entered(entry, now=firms.now)
    session.add(firm)  # written with the others of the batch
    status = change.registration.get("status", "active")
    if status != "active":
        session.flush()
        service.amend(session, firm, {"status": status}, valid_from=change.valid_from, now=firms.after(firm))
    if not checked.check_ok:
        evidence = {"name": firm.name, "check": checked.reason, "listed_because": firm.uscc_exception}
        clearing.note(session, "wrong", firm, uscc=firm.uscc, evidence=evidence, now=firms.now)
    for kind, items in _lists(change, firms.person_key):
        _append(firm, kind, items, change.valid_from or firms.today, firms)
    firms.by_code[firm.uscc] = firm
    return firm


def _changed(session: Session, firm: Enterprise, change: RegistryChange, firms: BatchFirms) -> Iterator[str]:
    """Change what a row says differently from what is in force on its day; yield the names of it."""
    if firm in session.new:  # an earlier row of the batch registered it
        session.flush()
    day = change.valid_from or firms.today
    values = change.registration
    if values:
        in_force = _in_force(session, firm, day) if day < firms.today else {n: getattr(firm, n) for n in values}
        if different := {name: value for name, value in values.items() if in_force[name] != value}:
            service.amend(session, firm, different, valid_from=day, now=firms.after(firm))
            yield from different
    if change.name_en is not None and change.name_en != firm.name_en:
        firm.name_en = change.name_en
        yield "name_en"
    in_day = firms.held.get(firm.id, {})
    if day < firms.today:
        firms.write(session)
        in_day = versions.held(session, [firm.id], day=day, known_at=firms.now).get(firm.id, {})
    if change.name is not None and _renamed(session, firm, "name", change.name, day, in_day, firms):
        yield "name"
    if change.former_uscc is not None and _renamed(session, firm, "uscc", change.uscc, day, in_day, firms):
        yield "uscc"
    for kind, items in _lists(change, firms.person_key):
        if kind not in in_day or sorted(in_day[kind].items, key=str) != sorted(items, key=str):
            _append(firm, kind, items, day, firms)
            yield kind
    if "listing" in in_day and in_day["listing"].items[0].name != LISTED:
        _append(firm, "listing", [RegisteredItem(LISTED)], firms.today, firms)
        yield "listing"


def _in_force(session: Session, firm: Enterprise, day: date) -> Mapping[str, object]:
    """Return the entries that a score reads as they are known to have been in force on a day."""
    entries = service.entries_of(session, firm)
    before = [values for since, values in entries if since <= day]
    return before[-1] if before else entries[0][1]


def _renamed(
    session: Session,
    firm: Enterprise,
    kind: str,
    value: str,
    day: date,
    in_day: Mapping[str, Version],
    firms: BatchFirms,
) -> bool:
    """Note a name or code from a day on; it is the current one unless the registry changed it again since."""
    current = getattr(firm, kind)
    if (in_day[kind].items[0].name if kind in in_day else current) == value:
        return False
    newest = firms.held.get(firm.id, {}).get(kind)
    if newest is None:
        firms.new.append(versions.beginning(firm, kind, current))
    _append(firm, kind, [RegisteredItem(value, value if kind == "uscc" else None)], day, firms)
    if newest is None or newest.valid_from <= day:
        if kind == "uscc":
            checked = uscc_rules.check(value)
            firm.uscc_exception = None if checked.check_ok else f"listed so by {firms.source}"
            firms.by_code[value] = firm  # the old code stays its own too
        setattr(firm, kind, value)
    session.flush()
    return True


def _append(firm: Enterprise, kind: str, items: Sequence[RegisteredItem], day: date, firms: BatchFirms) -> None:
    firms.new.append(NewVersion(firm.id, kind, tuple(items), day, firms.now, firms.load_id))
    of_firm = firms.held.setdefault(firm.id, {})
    if kind not in of_firm or of_firm[kind].valid_from <= day:
        of_firm[kind] = Version(day, firms.now, tuple(items))


def _lists(change: RegistryChange, person_key: PersonKey) -> Iterator[tuple[str, list[RegisteredItem]]]:
    """Yield what a row says besides names and what a score reads, by kind."""
    if change.legal_representative is not None:
        known = change.representative_id
        yield (
            "representative",
            [RegisteredItem(change.legal_representative, person_key=person_key(known) if known else None)],
        )
    if change.address is not None:
        yield "address", [RegisteredItem(change.address)]
    lists = (("shareholder", change.shareholders), ("branch", change.branches), ("guarantee", change.guarantees))
    for kind, given in lists:
        if given is not None:
            yield kind, [_item(one, person_key) for one in given]


def _item(one: ListedItem, person_key: PersonKey) -> RegisteredItem:
    return RegisteredItem(
        one.name, one.uscc, person_key(one.person_id) if one.person_id else None, one.share_bps, one.amount_fen
    )
