"""What an indicator reads: enough of the records to compute it again, and no more."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from creditlink.engine.explanation.lineage import (
    FrameReading,
    IndicatorReading,
    Span,
    StoredRow,
    reading_of,
)
from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS, RecordSet, as_known
from creditlink.engine.features.catalogue import BY_NAME, CATALOGUE
from creditlink.engine.features.compute import compute, reference_values
from creditlink.engine.features.reference import fit_reference
from tests.engine.features.builders import AS_OF, economy

pytestmark = pytest.mark.pure

ECONOMY = economy(24)
REFERENCE = fit_reference(
    ECONOMY.registration.sort("firm")["industry"],
    reference_values(ECONOMY, AS_OF).drop("firm"),
    ECONOMY.registration.sort("firm")["firm"] % 9 == 0,
)


def cut(records: RecordSet, indicator: str) -> RecordSet:
    """Keep of the records only what the indicator says that it reads: rows, and values of columns."""
    reading = reading_of(indicator)
    kept = {}
    for name in FRAME_SCHEMAS:
        if name == "registration":
            columns = {"firm", *reading.registration}
            kept[name] = blanked(records.registration, columns)
            continue
        one = reading.of(name)
        if one is None:
            continue
        frame = as_known(records.frame(name), name, AS_OF)
        whole = pl.DataFrame(
            [
                row
                for firm in frame.partition_by("firm", maintain_order=True)
                for row in chosen(reading, name, firm, records)
            ],
            schema=FRAME_SCHEMAS[name],
        )
        kept[name] = blanked(whole, {*FRAME_KEYS[name], "period", "known_on", *one.columns})
    return RecordSet.of(**kept)


def chosen(reading: IndicatorReading, name: str, firm: pl.DataFrame, records: RecordSet) -> list[dict]:
    """The rows of a firm's frame that are read; a declaration decides which invoices are."""
    rows, number = {}, firm["firm"][0]
    for one in reading.frames:
        known = as_known(records.frame(one.frame), one.frame, AS_OF).filter(pl.col("firm") == number)
        rows[one.frame] = [stored(one, row) for row in known.to_dicts()]
    read = reading.rows_read(rows, AS_OF)[name]
    return [row for place, row in enumerate(firm.to_dicts()) if place in read]


def stored(one: FrameReading, row: dict) -> StoredRow:
    kind = row[one.kind_column] if one.kind_column else None
    return StoredRow(kind, row["period"], row.get(one.span_column) or 1, row)


def blanked(frame: pl.DataFrame, columns: set[str]) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(None, dtype=kind).alias(name) for name, kind in frame.schema.items() if name not in columns
    )


@pytest.mark.parametrize("name", [i.name for i in CATALOGUE])
def test_an_indicator_computed_from_what_it_reads_alone_is_the_same_to_the_bit(name):
    whole, again = (compute(records, AS_OF, REFERENCE)[name] for records in (ECONOMY, cut(ECONOMY, name)))
    assert whole.to_list() == again.to_list()


@pytest.mark.parametrize("name", [i.name for i in CATALOGUE])
def test_what_it_reads_is_of_its_categories(name):
    from creditlink.engine.facts.frames import FRAME_CATEGORY

    reading = reading_of(name)
    read = {FRAME_CATEGORY[one.frame] for one in reading.frames}
    assert read <= set(BY_NAME[name].categories)
    assert set(reading.registration) <= set(FRAME_SCHEMAS["registration"])
    for one in reading.frames:
        assert one.columns or one.bounds
        assert set(one.columns) <= set(FRAME_SCHEMAS[one.frame])


def test_an_unknown_indicator_is_a_key_error():
    with pytest.raises(KeyError):
        reading_of("no_such")


def reads(one: FrameReading, months: int, *, kind: str | None = None, covers: int = 1) -> bool:
    return one.reads(StoredRow(kind, back(months), covers), AS_OF)


class TestGrowthOfThreeMonths:
    reading = reading_of("electricity_growth_3").of("meter_months")

    def test_reads_its_two_windows_and_not_the_months_between(self):
        assert self.reading.spans == {Span("electricity", 1, 3), Span("electricity", 13, 15)}
        assert [n for n in range(20) if reads(self.reading, n, kind="electricity")] == [1, 2, 3, 13, 14, 15]

    def test_reads_one_column(self):
        assert self.reading.columns == ("usage",)


class TestKinds:
    def test_one_meter_is_read_where_one_is_named(self):
        assert reading_of("electricity_growth_12").of("meter_months").kinds == ("electricity",)

    def test_every_meter_is_read_where_all_are_added(self):
        one = reading_of("bills_late_6").of("meter_months")
        assert one.kinds == ()
        assert reads(one, 6, kind="gas")
        assert not reads(one, 7, kind="gas")


class TestTrade:
    def test_turnover_reads_declarations_and_the_invoices_that_stand_in_for_them(self):
        reading = reading_of("sales_12_fen")
        assert {one.frame for one in reading.frames} == {"vat_declarations", "invoice_months"}
        assert reading.of("invoice_months").kinds == ("output",)
        assert not reads(reading.of("invoice_months"), 3, kind="input")

    def roles(self, name: str, declared: list[StoredRow], invoiced: list[int]) -> tuple[dict, dict]:
        reading = reading_of(name)
        rows = {
            "vat_declarations": declared,
            "invoice_months": [StoredRow("output", back(n), values={"amount_fen": 1}) for n in invoiced],
        }
        found = reading.rows_read(rows, AS_OF)
        invoices = {invoiced[place]: role for place, role in found["invoice_months"].items()}
        return found["vat_declarations"], invoices

    def declaration(self, months_back: int, covers: int, sales: int | None = 1) -> StoredRow:
        return StoredRow(
            None, back(months_back), covers, {"taxable_sales_fen": sales, "exempt_sales_fen": sales, "months": covers}
        )

    def test_a_quarter_that_a_window_cuts_is_spread_by_its_invoices(self):
        declared, invoices = self.roles("sales_3_fen", [self.declaration(5, 3)], [1, 2, 3, 4, 5, 6, 7])
        assert declared == {0: "value"}
        assert invoices == {1: "value", 2: "value", 3: "value", 4: "spread", 5: "spread", 7: "bounds"}

    def test_a_months_declaration_is_not_spread(self):
        _, invoices = self.roles("sales_3_fen", [self.declaration(3, 1)], [1, 2, 3, 4, 5, 6])
        assert invoices == {1: "value", 2: "value", 3: "value", 6: "bounds"}

    def test_where_the_record_begins_and_ends_is_read_and_nothing_between(self):
        monthly = [self.declaration(n, 1) for n in (1, 5, 20, 30)]
        declared, _ = self.roles("sales_3_fen", monthly, [])
        assert declared == {0: "value", 3: "bounds"}

    def test_what_was_not_filed_bounds_nothing(self):
        rows = [self.declaration(1, 1), self.declaration(20, 1), self.declaration(30, 1, sales=None)]
        declared, _ = self.roles("sales_3_fen", rows, [])
        assert declared == {0: "value", 1: "bounds"}

    def test_what_lies_beyond_every_window_bounds_nothing(self):
        declared, _ = self.roles("sales_3_fen", [self.declaration(20, 1), self.declaration(37, 1)], [])
        assert declared == {0: "bounds"}


def test_a_row_of_several_months_is_read_if_one_of_them_is():
    one = FrameReading("vat_declarations", ("taxable_sales_fen",), frozenset({Span(None, 1, 12)}))
    assert reads(one, 14, covers=3)
    assert not reads(one, 15, covers=3)
    assert reads(one, 1, covers=3)
    assert not reads(one, 0, covers=3)


def test_a_row_that_is_read_once_is_read_in_its_newest_month():
    one = FrameReading("vat_declarations", ("due_on",), frozenset({Span(None, 3, 12, once=True)}))
    assert reads(one, 5, covers=3)
    assert not reads(one, 4, covers=3)
    assert reads(one, 14, covers=3)
    one = FrameReading("vat_declarations", ("due_on",), frozenset({Span(None, 1, 12, once=True)}))
    assert reads(one, 2, covers=3)  # it ends in the month of the day, of which nothing is read yet


def test_events_count_from_their_day():
    one = reading_of("dishonest_debtor").of("credit_events")
    assert one.spans is None
    assert one.reads(StoredRow("penalty", AS_OF.replace(day=1)), AS_OF)
    assert not one.reads(StoredRow("penalty", date(2099, 1, 1)), AS_OF)
    assert {"severity", "amount_fen", "ended_on"} <= set(one.columns)


def back(months: int) -> date:
    index = AS_OF.year * 12 + AS_OF.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
