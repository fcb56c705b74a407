"""What the register says of the firm, on its own pages: each entry with where to say that it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.disputes import service, versions
from creditlink.disputes.rules import registration
from creditlink.disputes.rules.states import STATES
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of
from creditlink.portal.firm.records.disputes import shown


@dataclass(frozen=True)
class EntryShown:
    """One entry of the register, and the open dispute about it, if there is one."""

    record: str
    label: str
    said: str
    known_on: str
    dispute: str | None
    state_label: str


def entries_of(session: Session, firm: Enterprise, now: datetime) -> list[EntryShown]:
    """Return all entries of a firm that can be disputed, in the order of the register."""
    open_ones = {one.subkey: one for one in service.open_of(session, firm.id) if one.datum.is_registered}
    found = []
    for version in versions.registered(session, firm, now):
        name = version.datum.subkey
        entry, dispute = registration.ENTRIES[name], open_ones.get(name)
        found.append(
            EntryShown(
                record=str(version.datum),
                label=shown.own((entry.zh, entry.en)),
                said=shown.entry_value(name, version.values[name]),
                known_on="–" if version.values[name] is None else day_of(version.known_at).isoformat(),
                dispute=None if dispute is None else dispute.wire_id,
                state_label="" if dispute is None else shown.own(STATES[dispute.state]),
            )
        )
    return found
