"""What a record frame may hold: nothing else reaches a compiled loop."""

from datetime import date

import polars as pl
import pytest

from creditlink.engine.facts.frame_checks import fault, needed
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.compute import compute

pytestmark = pytest.mark.pure

GOOD = {"industry": "C33", "region": "440606", "entity_type": "company", "status": "active", "hhi": 0.5}


def frame_of(name, rows=3):
    """Return rows of a frame in which every value can be."""

    def value(column, kind):
        if column in GOOD:
            return GOOD[column]
        if kind == pl.Date:
            return date(2026, 10, 1)
        return kind.categories[0] if isinstance(kind, pl.Enum) else True if kind == pl.Boolean else 1

    columns = {c: pl.Series([value(c, k)] * rows, dtype=k) for c, k in FRAME_SCHEMAS[name].items()}
    return pl.DataFrame(columns).with_columns(firm=pl.int_range(pl.len(), dtype=pl.Int32))


def changed(frame, column, value):
    at = pl.int_range(pl.len()) == 1
    kind = frame.schema[column]
    return frame.with_columns(pl.when(at).then(pl.lit(value, kind)).otherwise(pl.col(column)).alias(column))


COLUMNS = [(name, column) for name, schema in FRAME_SCHEMAS.items() for column in schema]


@pytest.mark.parametrize("name", FRAME_SCHEMAS)
def test_what_can_be_is_without_fault_and_so_is_nothing(name):
    assert fault(frame_of(name), name) is None
    assert fault(frame_of(name, 0), name) is None


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_null_is_named_where_it_cannot_be_and_taken_where_it_can(name, column):
    found = fault(changed(frame_of(name), column, None), name)
    if column in needed(name):
        assert str(found) == f"column {column} is null in row 1"
    else:
        assert found is None


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_value_out_of_all_range_is_named_by_column_and_row(name, column):
    kind = FRAME_SCHEMAS[name][column]
    absurd = {
        pl.Int8: 9, pl.Int32: -1, pl.Int64: 10**18, pl.Float64: float("inf"), pl.Date: date(1000, 1, 1),
        pl.String: "nowhere",
    }.get(type(kind) if isinstance(kind, pl.DataType) else kind)  # fmt: skip
    if absurd is None:  # a category or a flag has no other value
        assert isinstance(kind, pl.Enum) or kind == pl.Boolean
        return
    found = fault(changed(frame_of(name), column, absurd), name)
    assert (found.column, found.row) == (column, 1)


def test_a_period_is_the_first_day_of_its_month():
    found = fault(changed(frame_of("payroll_months"), "period", date(2026, 10, 2)), "payroll_months")
    assert str(found) == "column period is 2026-10-02, not the first day of a month, in row 1"


@pytest.mark.parametrize(
    ("name", "column"), [("invoice_months", "direction"), ("meter_months", "kind"), ("property_grants", "kind")]
)
def test_a_loop_refuses_a_kind_that_it_has_no_room_for(name, column):
    records = RecordSet.of(**{"registration": frame_of("registration"), name: changed(frame_of(name), column, None)})
    with pytest.raises(ValueError, match=f"{name}: column {column} is null or unknown in row 1"):
        compute(records, date(2026, 11, 20))
