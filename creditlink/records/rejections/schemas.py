"""What the operator sees of rejected rows, and sends."""

from __future__ import annotations

from dataclasses import dataclass

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text
from creditlink.records.rejections.identity import STATES, RejectionState


@dataclass(frozen=True)
class RejectionQuery:
    """Which entries to list, and a place in their list."""

    limit: int
    state: str | None = None
    resource: str | None = None
    cursor: str | None = None


@dataclass(frozen=True)
class RejectionMove:
    """What becomes of an entry."""

    state: RejectionState
    note: str | None = None


class RejectionQuerySchema(Schema):
    """Which entries to list."""

    loads_into = RejectionQuery
    state = text("Only entries in this state", validate=ma.validate.OneOf(STATES))
    resource = text("Only of this resource of the source", validate=ma.validate.Length(min=1, max=80))
    limit = number("Entries per page", load_default=50, validate=ma.validate.Range(min=1, max=200))
    cursor = text("Where the page before ended: its `next_cursor`")


class RejectionMoveSchema(Schema):
    """What becomes of an entry."""

    loads_into = RejectionMove
    state = text(
        "`sent`: the office was told; `dismissed`: it needs no correction; `open`: taken back. That a row is "
        "`corrected` only the office's next answer says",
        required=True,
        validate=ma.validate.OneOf(("open", "sent", "dismissed")),
    )
    note = text("Why; required to dismiss", allow_none=True, validate=ma.validate.Length(min=1, max=400))


class RejectionSchema(Schema):
    """A row that a source sent and that did not read: one entry for each record."""

    id = text("The entry's id")
    source = text("The source")
    uscc = text("The firm's code, as the source was asked by")
    resource = text("Which of the source's resources")
    record_id = text("The source's own id of the record; null where it does not read", allow_none=True)
    version = number("The newest version of the record that did not read", allow_none=True)
    position = text("Where in the answer it was met last")
    field = text("Field that is wrong")
    excerpt = text("The beginning of its value")
    reason = text("What is wrong with it")
    state = text("`open`, `sent`, `corrected` or `dismissed`")
    times = number("Pulls that met it")
    first_seen_at = instant("When it was met first")
    last_seen_at = instant("When it was met last")
    changed_at = instant("When it came into its state")
    changed_by = text("Who brought it there; `system`: a pull")
    note = text("Why it was dismissed, or how it was corrected", allow_none=True)


class RejectionPageSchema(Schema):
    """One page of entries, the newest first."""

    items = ma.fields.List(ma.fields.Nested(RejectionSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
