"""What the operator hands in of the registry, and what it sees of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import marshmallow as ma

from creditlink.enterprises.registry import clearing, loads
from creditlink.enterprises.registry.clearing import ClearingQuery
from creditlink.kit.http.api import Day, Schema
from creditlink.kit.http.fields import instant, number, text

MOST_ROWS = 1_000

_ROW = (
    "A row: `sequence` (the registrar's number, needed for a change), `uscc`, and what is said of the firm: "
    "`former_uscc` where its code changed, `name`, `name_en`, `status`, `entity_type`, `industry`, `region`, "
    "`established_on`, `registered_capital_fen`, `paid_in_capital_fen`, `legal_representative`, `representative_id` "
    "(kept as a digest), `address`, `shareholders`, `branches`, `guarantees` (whole lists), `valid_from` (the day from "
    "which it is in force). What a row does not name stays as it is"
)


def _rows() -> ma.fields.List[dict[object, object]]:
    return ma.fields.List(
        ma.fields.Dict(metadata={"description": _ROW}),
        required=True,
        validate=ma.validate.Length(0, MOST_ROWS),
        metadata={
            "description": f"At most {MOST_ROWS} rows; a wrong one is kept aside and undoes nothing of the others"
        },
    )


_COMPLETE = "Whether these are the last rows: then the load is taken"


@dataclass(frozen=True)
class LoadRequest:
    """A load that is handed in, or its beginning."""

    source: str
    kind: str
    rows: Sequence[Mapping[str, object]]
    region: str
    most_unlisted_bps: int
    complete: bool


@dataclass(frozen=True)
class RowsRequest:
    """Further rows of a load."""

    rows: Sequence[Mapping[str, object]]
    complete: bool


@dataclass(frozen=True)
class RefusedQuery:
    """A place among the refused rows of a load."""

    limit: int
    cursor: str = "0"

    @property
    def after(self) -> int:
        """Return the place of the last row of the page before."""
        return int(self.cursor)


class LoadRequestSchema(Schema):
    """A delivery of the registry: the whole list of a region, or changes."""

    loads_into = LoadRequest

    source = text("Which registrar; `sequence` counts within it", required=True, validate=ma.validate.Length(1, 64))
    kind = text("`full` or `incremental`", required=True, validate=ma.validate.OneOf(loads.KINDS))
    region = text("Of a full list: the first 2, 4 or 6 digits of GB/T 2260 that it is complete for", load_default="")
    most_unlisted_bps = number(
        "Of a full list: it marks nobody as no longer listed if it lacks more of the known firms than this, in basis "
        "points",
        strict=True,
        load_default=loads.MOST_UNLISTED_BPS,
        validate=ma.validate.Range(0, 10_000),
    )
    rows = _rows()
    complete = ma.fields.Boolean(load_default=True, metadata={"description": _COMPLETE})


class RowsRequestSchema(Schema):
    """Further rows of an open load."""

    loads_into = RowsRequest

    rows = _rows()
    complete = ma.fields.Boolean(load_default=True, metadata={"description": _COMPLETE})


class RowCountsSchema(Schema):
    """How many rows of a load are in each state."""

    waiting = number("Not looked at yet")
    applied = number("They changed something")
    unchanged = number("The registry said so already")
    repeated = number("They had been taken before, under the same number")
    refused = number("Kept aside, with the reasons")


class LoadSchema(Schema):
    """What became of a load."""

    id = text("Its id")
    source = text("Which registrar")
    kind = text("`full` or `incremental`")
    region = text("What a full list is complete for; null: everywhere", allow_none=True)
    state = text("`open`: takes rows; `ready`: is being taken; `done`")
    rows = ma.fields.Nested(RowCountsSchema, metadata={"description": "Its rows by state"})
    unlisted = number("Firms that are marked as no longer listed, since this full list lacks them", allow_none=True)
    not_unlisted_because = text("Why none was marked", allow_none=True)
    began_at = instant("When it was opened")
    ended_at = instant("When all of it was taken", allow_none=True)


class RowProblemSchema(Schema):
    """One thing that is wrong with a row."""

    field = text("Which field")
    value = text("The start of its value")
    problem = text("What is wrong with it")


class RefusedRowSchema(Schema):
    """A row that was kept aside."""

    row = number("Its place in the load")
    sequence = text("The registrar's number", allow_none=True)
    uscc = text("Its firm's code, where it can be read", allow_none=True)
    problems = ma.fields.List(ma.fields.Nested(RowProblemSchema), metadata={"description": "Everything that is wrong"})


class RefusedQuerySchema(Schema):
    """Which refused rows to list."""

    loads_into = RefusedQuery

    limit = number("Rows per page", load_default=100, validate=ma.validate.Range(1, 1_000))
    cursor = text("Where the page before ended: its `next_cursor`", validate=ma.validate.Regexp(r"^[0-9]{1,18}\Z"))


class RefusedRowsSchema(Schema):
    """Refused rows by place."""

    items = ma.fields.List(ma.fields.Nested(RefusedRowSchema), metadata={"description": "The rows"})
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class ClearingQuerySchema(Schema):
    """Which codes to list."""

    loads_into = ClearingQuery

    state = text("`open` (default), `exception`, `corrected`", load_default="open",
                 validate=ma.validate.OneOf(clearing.STATES))  # fmt: skip
    kind = text("`wrong`, `duplicate` or `near_duplicate`", load_default=None, allow_none=True,
                validate=ma.validate.OneOf(clearing.KINDS))  # fmt: skip
    owner = text("Only what this person clears", load_default=None, allow_none=True)
    cursor = text("Where the page before ended: its `next_cursor`", load_default=None, allow_none=True)
    limit = number("Rows per page", load_default=50, validate=ma.validate.Range(1, 200))


@dataclass(frozen=True)
class ClearingAct:
    """What is done with an entry."""

    act: str
    text: str
    ends_on: date | None = None


class ClearingActSchema(Schema):
    """What is done with an entry."""

    loads_into = ClearingAct

    act = text(
        "`claim`: `text` is who clears it; `except`: the code is real, `text` is the evidence and `ends_on` the first "
        "day on which it is open again; `expire`: an exception no longer holds, `text` says why; `close`: it was "
        "corrected at the source, `text` says how",
        required=True,
        validate=ma.validate.OneOf(("claim", "except", "expire", "close")),
    )
    text = text("Who, what shows it, why, or how", required=True, validate=ma.validate.Length(1, clearing.LONGEST_TEXT))
    ends_on = Day(metadata={"description": "Of an exception, and of nothing else"})

    @ma.validates_schema
    def check_end(self, values: Mapping[str, object], **_: object) -> None:
        """Refuse an exception without an end, and an end of anything else."""
        if (values.get("act") == "except") != ("ends_on" in values):
            raise ma.ValidationError("an exception has an end, nothing else has one", field_name="ends_on")


class ClearingExportQuerySchema(Schema):
    """Which codes to write."""

    loads_into = ClearingQuery

    state = text("`open` (default), `exception`, `corrected`", load_default="open",
                 validate=ma.validate.OneOf(clearing.STATES))  # fmt: skip
    kind = text("`wrong`, `duplicate` or `near_duplicate`", load_default=None, allow_none=True,
                validate=ma.validate.OneOf(clearing.KINDS))  # fmt: skip


class ClearingSchema(Schema):
    """A code that must be cleared with the registrar."""

    id = text("Its id")
    kind = text("`wrong`: fails its check; `duplicate`: two firms have it; `near_duplicate`: a slip from another's")
    uscc = text("The code")
    other_uscc = text("Of a near duplicate: the other firm's code", allow_none=True)
    evidence = ma.fields.Dict(metadata={"description": "What shows it: names, the check, places that differ, the row"})
    owner = text("Who clears it", allow_none=True)
    state = text("`open`, `exception` (confirmed with evidence, until a day), `corrected`")
    exception_evidence = text("Why the code is real", allow_none=True)
    exception_ends_on = Day(allow_none=True, metadata={"description": "From this day on it is open again"})
    resolution = text("How it was corrected", allow_none=True)
    opened_at = instant("When it came on the list")
    changed_at = instant("When it was last changed")


class ClearingPageSchema(Schema):
    """One page of the list, the newest first."""

    items = ma.fields.List(ma.fields.Nested(ClearingSchema), metadata={"description": "The codes"})
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
