"""Which rejected rows are the same, and when one is put right. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from creditlink.records.pulls.delivery import Delivery, Reject

RejectionState = Literal["open", "sent", "corrected", "dismissed"]

STATES: tuple[RejectionState, ...] = ("open", "sent", "corrected", "dismissed")
"""open: nobody has told the office. sent: it knows. corrected: it has put the record right. dismissed: it need not."""

WAITING: tuple[RejectionState, ...] = ("open", "sent")
"""States in which a row waits for its office."""

MOVES: Mapping[RejectionState, frozenset[RejectionState]] = {
    "open": frozenset({"sent", "dismissed"}),
    "sent": frozenset({"open", "dismissed"}),
    "dismissed": frozenset({"open"}),
    "corrected": frozenset(),  # what the office's own answer says, nobody takes back
}
"""What an operator may do; that a row is corrected only the office's next answer says."""

LATER_VERSION = "a later version of the record was accepted"
SAME_RECORD = "the record was accepted when it came again"
NO_LONGER_SENT = "a full answer of the office no longer holds the row"


@dataclass(frozen=True)
class MetRow:
    """A rejected row of one delivery, and whether the same delivery puts it right."""

    reject: Reject
    fingerprint: bytes
    version: int | None
    is_corrected: bool

    @property
    def state(self) -> RejectionState:
        """Return the state in which it is met."""
        return "corrected" if self.is_corrected else "open"


@dataclass(frozen=True)
class WaitingRow:
    """A row of an earlier delivery that waits for its office."""

    id: int
    resource: str
    record_id: str | None
    version: int | None
    fingerprint: bytes
    is_covered: bool  # the delivery was asked for all the months that the earlier one was asked for


def fingerprint_of(reject: Reject) -> bytes:
    """Return what is the same whenever the same record does not read.

    Of a row with the office's id of the record that is the id; of another its content; and where nobody looked at the
    row, what is wrong with it and where. In a later answer a row may stand elsewhere, and be wrong in another field.
    """
    row = reject.row
    if row is not None and row.record_id is not None:
        parts = ["record", reject.resource, row.record_id]
    elif row is not None:
        parts = ["row", reject.resource, row.sha256]
    else:
        parts = ["place", reject.resource, reject.position, reject.field, reject.reason, reject.excerpt]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).digest()


def met_rows(delivery: Delivery) -> list[MetRow]:
    """Return the rejected rows of a delivery, one for each record, in an order that is always the same.

    Offices serve every version of a record for ever: a bad one with a good one after it is no longer wrong.
    """
    newest: dict[bytes, MetRow] = {}
    for reject in delivery.rejects:
        fingerprint = fingerprint_of(reject)
        row = reject.row
        version = None if row is None else row.version
        accepted = _accepted(delivery, reject.resource, None if row is None else row.record_id)
        met = MetRow(
            reject, fingerprint, version, accepted is not None and accepted > (-1 if version is None else version)
        )
        before = newest.get(fingerprint)
        if before is None or (version or 0) >= (before.version or 0):
            newest[fingerprint] = met
    return [newest[key] for key in sorted(newest)]


def put_right(delivery: Delivery, waiting: Iterable[WaitingRow], met: Iterable[bytes]) -> dict[int, str]:
    """Return which waiting rows a delivery puts right, and how: id -> the words.

    Parameters
    ----------
    waiting : rows of earlier deliveries of the same source and firm
    met : fingerprints of the rows that did not read in this one
    """
    again = set(met)
    found: dict[int, str] = {}
    for row in waiting:
        if row.fingerprint in again:
            continue
        accepted = _accepted(delivery, row.resource, row.record_id)
        if accepted is not None and (row.version is None or accepted >= row.version):
            found[row.id] = LATER_VERSION if accepted > (row.version or 0) else SAME_RECORD
        elif accepted is None and row.is_covered and _is_whole(delivery, row.resource):
            found[row.id] = NO_LONGER_SENT
    return found


def _accepted(delivery: Delivery, resource: str, record_id: str | None) -> int | None:
    return None if record_id is None else delivery.accepted.get(resource, {}).get(record_id)


def _is_whole(delivery: Delivery, resource: str) -> bool:
    result = delivery.resources.get(resource)
    return result is not None and result.status == "DELIVERED"
