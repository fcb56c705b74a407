"""What the operator sees of background work."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, text


class DeadLetterQuerySchema(Schema):
    """Which dead letters to list."""

    task = text("Only of this task")
    open = ma.fields.Boolean(load_default=True, metadata={"description": "Only open ones (default), or only closed"})
    cursor = text("Where the page before ended: its `next_cursor`")
    limit = ma.fields.Integer(
        load_default=50, validate=ma.validate.Range(1, 200), metadata={"description": "Rows per page"}
    )


class DeadLetterSchema(Schema):
    """A job that failed for good, or an item that a sweep could not do."""

    id = text("Its id")
    kind = text("`job`: it waits for you; `item`: its sweep tries again at `next_try_at`")
    task = text("Which work")
    item = text("On what: an id, or the job's name in the queue")
    job_id = ma.fields.Integer(allow_none=True, metadata={"description": "The job that failed last"})
    queue = text("Its queue", allow_none=True)
    error = text("What went wrong, without values; the log has the trace", allow_none=True)
    failures = ma.fields.Integer(metadata={"description": "How often it failed in a row"})
    first_failed_at = instant("When it failed first")
    last_failed_at = instant("When it failed last")
    next_try_at = instant("When the sweep tries again", allow_none=True)
    resolved_at = instant("When it was closed", allow_none=True)
    resolution = text("`succeeded`, `retried` or `dropped`", allow_none=True)


class DeadLetterPageSchema(Schema):
    """One page of dead letters, the last failure first."""

    items = ma.fields.List(ma.fields.Nested(DeadLetterSchema), metadata={"description": "The letters"})
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
