"""What an indicator reads: enough of the records to compute it again, and no more."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from creditlink.engine.explanation.lineage import FrameReading, Span, reading_of
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
        rows = [row for row in frame.to_dicts() if is_read(one, row)]
        whole = pl.DataFrame(rows, schema=FRAME_SCHEMAS[name])
        kept[name] = blanked(whole, {*FRAME_KEYS[name], "period", "known_on", *one.columns})
    return RecordSet.of(**kept)


def is_read(one: FrameReading, row: dict) -> bool:
    kind = row[one.kind_column] if one.kind_column else None
    return one.reads(kind, row["period"], AS_OF, months=row.get("months") or 1)


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
        assert one.columns
        assert set(one.columns) <= set(FRAME_SCHEMAS[one.frame])


def test_an_unknown_indicator_is_a_key_error():
    with pytest.raises(KeyError):
        reading_of("no_such")


class TestGrowthOfThreeMonths:
    reading = reading_of("shipments_growth_3").of("shipment_months")

    def test_reads_its_two_windows_and_not_the_months_between(self):
        assert self.reading.spans == {Span(None, 1, 3), Span(None, 13, 15)}
        read = [n for n in range(20) if self.reading.reads(None, back(n), AS_OF)]
        assert read == [1, 2, 3, 13, 14, 15]

    def test_reads_one_column(self):
        assert self.reading.columns == ("shipments",)
        assert self.reading.furthest == 15


class TestKinds:
    def test_one_meter_is_read_where_one_is_named(self):
        assert reading_of("electricity_growth_12").of("meter_months").kinds == ("electricity",)

    def test_every_meter_is_read_where_all_are_added(self):
        one = reading_of("bills_late_6").of("meter_months")
        assert one.kinds == ()
        assert one.reads("gas", back(6), AS_OF)
        assert not one.reads("gas", back(7), AS_OF)


def test_turnover_reads_declarations_and_the_invoices_that_stand_in_for_them():
    reading = reading_of("sales_12_fen")
    assert {one.frame for one in reading.frames} == {"vat_declarations", "invoice_months"}
    assert reading.of("invoice_months").kinds == ("output",)
    assert not reading.of("invoice_months").reads("input", back(3), AS_OF)


def test_a_row_of_several_months_is_read_if_one_of_them_is():
    reading = FrameReading("vat_declarations", ("taxable_sales_fen",), frozenset({Span(None, 1, 12)}))
    assert reading.reads(None, back(14), AS_OF, months=3)
    assert not reading.reads(None, back(15), AS_OF, months=3)
    assert reading.reads(None, back(1), AS_OF, months=3)
    assert not reading.reads(None, back(0), AS_OF, months=3)


def test_events_count_from_their_day():
    one = reading_of("dishonest_debtor").of("credit_events")
    assert one.spans is None
    assert one.reads("penalty", AS_OF.replace(day=1), AS_OF)
    assert not one.reads("penalty", date(2099, 1, 1), AS_OF)
    assert {"severity", "amount_fen", "ended_on"} <= set(one.columns)


def back(months: int) -> date:
    index = AS_OF.year * 12 + AS_OF.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
