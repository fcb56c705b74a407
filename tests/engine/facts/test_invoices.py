"""Monthly facts from individual invoices: by hand, against a slow re-telling, and on dirty folders."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.engine.facts.invoices import INVOICE_SCHEMA, invoice_months
from creditlink.kit.clock import add_months, day_of, month_start
from creditlink.records.connectors import tax_invoices
from creditlink.records.connectors.tax_invoices import Page
from creditlink.records.files.invoice_folder import FIRMS_FILE, INVOICE_FILES, InvoiceFolderError, read_invoice_folder

pytestmark = pytest.mark.pure

APRIL, MAY = date(2024, 4, 1), date(2024, 5, 1)


def at(day, hour=2):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def invoice(number, amount, day=date(2024, 4, 18), **changes):
    row = {
        "firm": 1,
        "direction": "output",
        "issued_on": day,
        "counterparty": "A",
        "amount_fen": amount,
        "tax_fen": amount * 13 // 100,
        "is_void": False,
        "record_id": f"R{number}",
        "version": 0,
        "recorded_at": at(add_months(month_start(day), 1)),
    }
    return row | changes


def months(*rows, by=("firm",)):
    schema = ({"firm": pl.Int32} if by else {}) | INVOICE_SCHEMA
    return invoice_months(pl.DataFrame([{k: row[k] for k in schema} for row in rows], schema=schema), by=by)


class TestInvoiceMonths:
    def test_columns_are_those_of_the_record_frame(self):
        made = months(invoice(1, 100)).drop("known_at")
        assert dict(made.select(FRAME_SCHEMAS["invoice_months"].keys()).schema) == FRAME_SCHEMAS["invoice_months"]

    def test_void_red_and_zero_invoices(self):
        [row] = months(
            invoice(1, 10_000),
            invoice(2, 30_000, counterparty="B"),
            invoice(3, 99_999, is_void=True),
            invoice(4, -5_000, is_void=True),
            invoice(5, -4_000),
            invoice(6, 0, counterparty="C"),
        ).to_dicts()
        assert (row["invoices"], row["void_invoices"], row["red_invoices"]) == (2, 2, 1)
        assert (row["amount_fen"], row["red_amount_fen"]) == (36_000, 4_000)
        assert (row["counterparties"], row["top1_amount_fen"], row["top5_amount_fen"]) == (2, 30_000, 40_000)
        assert row["hhi"] == 0.25**2 + 0.75**2

    def test_a_month_of_void_invoices_only_has_no_concentration(self):
        [row] = months(invoice(1, 500, is_void=True)).to_dicts()
        assert (row["invoices"], row["amount_fen"], row["counterparties"], row["hhi"]) == (0, 0, 0, None)

    def test_a_late_batch_makes_a_further_version_of_the_month(self):
        made = months(invoice(1, 100), invoice(2, 50, recorded_at=at(date(2024, 6, 20))))
        assert made["known_on"].to_list() == [date(2024, 5, 1), date(2024, 6, 20)]
        assert made["amount_fen"].to_list() == [100, 150]

    def test_a_correction_takes_the_place_of_its_former_version(self):
        made = months(invoice(1, 100), invoice(1, 80, version=1, recorded_at=at(date(2024, 6, 20), 5)))
        assert made["amount_fen"].to_list() == [100, 80]
        assert made["known_at"].to_list()[1] == at(date(2024, 6, 20), 5)

    def test_a_correction_can_move_an_invoice_to_another_month(self):
        moved = invoice(1, 100, date(2024, 5, 3), version=1, recorded_at=at(date(2024, 6, 20)))
        made = months(invoice(1, 100), moved)
        assert made.select("period", "known_on", "amount_fen").rows() == [
            (APRIL, date(2024, 5, 1), 100),
            (APRIL, date(2024, 6, 20), 0),
            (MAY, date(2024, 6, 20), 100),
        ]

    def test_a_row_that_came_twice_counts_once(self):
        assert months(invoice(1, 100), invoice(1, 100))["amount_fen"].to_list() == [100]

    def test_the_day_of_knowledge_is_shanghais(self):
        made = months(invoice(1, 100, recorded_at=datetime(2024, 4, 30, 17, tzinfo=UTC)))
        assert made["known_on"].to_list() == [date(2024, 5, 1)]


rows = st.lists(
    st.builds(
        lambda n, version, month, day, amount, who, void, late, direction, firm: invoice(
            n,
            amount,
            date(2024, month, day),
            version=version,
            counterparty=who,
            is_void=void,
            recorded_at=at(date(2024, 6, 1)) + timedelta(hours=late, days=version * 30),
            direction=direction,
            firm=firm,
        ),
        st.integers(0, 12),
        st.integers(0, 2),
        st.integers(3, 5),
        st.integers(1, 28),
        st.integers(-500, 5_000),
        st.sampled_from("ABCDEFGH"),
        st.booleans(),
        st.integers(0, 400),
        st.sampled_from(["output", "input"]),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row["firm"], row["record_id"], row["version"]),
)


def retold(given_rows):
    """The definitions, one firm, month, direction and day at a time."""
    facts = {}
    ids = {(r["firm"], r["record_id"]) for r in given_rows}
    versions = {
        i: sorted((r for r in given_rows if (r["firm"], r["record_id"]) == i), key=lambda r: r["version"]) for i in ids
    }
    for day in sorted({day_of(r["recorded_at"]) for r in given_rows}):
        known = [[r for r in vs if day_of(r["recorded_at"]) <= day] for vs in versions.values()]
        held = [vs[-1] for vs in known if vs]
        keys = {(r["firm"], r["direction"], month_start(r["issued_on"])) for vs in known for r in vs}
        for key in keys:
            mine = [r for r in held if (r["firm"], r["direction"], month_start(r["issued_on"])) == key]
            valid = [r for r in mine if not r["is_void"]]
            sales = {}
            for r in valid:
                if r["amount_fen"] > 0:
                    sales[r["counterparty"]] = sales.get(r["counterparty"], 0) + r["amount_fen"]
            top = sorted(sales.values(), reverse=True)
            facts[(*key, day)] = (
                sum(r["amount_fen"] > 0 for r in valid),
                sum(r["amount_fen"] for r in valid),
                sum(r["is_void"] for r in mine),
                -sum(r["amount_fen"] for r in valid if r["amount_fen"] < 0),
                len(top),
                sum(top[:5]),
                pytest.approx(sum((t / sum(top)) ** 2 for t in top)) if top else None,
            )
    return facts


@settings(max_examples=60, deadline=None)
@given(rows)
def test_the_months_as_known_on_every_day(given_rows):
    made = months(*given_rows)
    columns = ("invoices", "amount_fen", "void_invoices", "red_amount_fen", "counterparties", "top5_amount_fen", "hhi")
    for (firm, direction, period, day), expected in retold(given_rows).items():
        known = made.filter(
            (pl.col("firm") == firm)
            & (pl.col("direction") == direction)
            & (pl.col("period") == period)
            & (pl.col("known_on") <= day)
        )
        assert known.select(columns).rows()[-1] == expected


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(given_rows, random):
    shuffled = list(given_rows)
    random.shuffle(shuffled)
    assert months(*given_rows).equals(months(*shuffled))


wire_values = st.fixed_dictionaries(
    {
        "lsh": st.sampled_from(["FX-1", "", "x" * 41, "ü"]),
        "bbh": st.sampled_from([0, 1, -1, "0", None, True, 2**40]),
        "kprq": st.sampled_from(["20240418", "20240230", "2024-4-1", "20231231", " 0240418", "２０２４0418"]),
        "fx": st.sampled_from(["X", "J", "x", ""]),
        "dfdm": st.sampled_from(["G7", "", 7]),
        "je": st.sampled_from(["100.00", "-0.01", "1e3", "n/a", "100", "9999999999999.99", "+1.00", " 1.00"]),
        "se": st.sampled_from(["13.00", "0.00"]),
        "zt": st.sampled_from(["0", "1", "2", 0]),
        "lrsj": st.sampled_from(
            ["20240503021455+0800", "20240503021455", "20241303021455+0800", "20240503021455+8000"]
        ),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(wire_values, min_size=1, max_size=6))
def test_columns_and_fields_read_alike(raw):
    """What reads column by column is exactly what reads field by field."""
    from creditlink.kit.money import fen_from_yuan, yuan_text
    from creditlink.records.connectors.fields import FieldError, SourceRow

    for row in raw:
        try:
            row["hj"] = yuan_text(fen_from_yuan(row["je"]) + fen_from_yuan(row["se"]))
        except ValueError:
            row["hj"] = "0.00"
    frame = tax_invoices._columns(raw)
    for row, fits, *values in frame.select("fits", *INVOICE_SCHEMA).with_row_index().iter_rows():
        try:
            slow = tax_invoices._invoice(SourceRow(raw[row]), date(2023, 12, 1), date(2024, 12, 31))
        except FieldError:
            slow = None
        if fits:
            assert slow == dict(zip(INVOICE_SCHEMA, values, strict=True))
        elif slow is not None:
            # The slow reader may know more shapes; then the row is taken in through it.
            assert tax_invoices.monthly_facts([Page(1, [raw[row]], whole=True)], APRIL, MAY)[1] == []


@pytest.fixture
def folder(tmp_path):
    """A folder in the layout of the contest data; returns a function that writes it."""

    def write(rows=(), firms="firm,name\nE1,甲\nE2,乙 \n", **columns):
        (tmp_path / FIRMS_FILE).write_text(firms)
        base = {
            "firm": "E1",
            "invoice_no": "1",
            "date": datetime(2019, 10, 10),  # noqa: DTZ001 (the files hold days without a zone)
            "counterparty": "C1",
            "amount": 100.0,
            "tax": 13.0,
            "total": 113.0,
            "status": "valid",
        }
        made = pl.DataFrame([base | row for row in rows] or [base])
        for name in INVOICE_FILES.values():
            made.with_columns(**columns).write_parquet(tmp_path / name)
        return tmp_path

    return write


class TestFolder:
    def test_clean_rows(self, folder):
        read = read_invoice_folder(folder([{}, {"firm": "E2", "amount": -1.005, "tax": 0.0, "total": -1.005}]))
        assert read.firms["name"].to_list() == ["甲", "乙"]
        assert read.rejects.is_empty()
        assert read.invoices.height == 4
        assert read.invoices["recorded_at"].to_list()[0] == datetime(2019, 10, 31, 18, tzinfo=UTC)
        months = invoice_months(read.invoices)
        assert months.filter(firm="E1")["amount_fen"].to_list() == [10_000, 10_000]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"firm": "E9"}, "firm"),
            ({"firm": None}, "firm"),
            ({"date": None}, "date"),
            ({"date": datetime(1066, 10, 14)}, "date"),  # noqa: DTZ001 (as above)
            ({"counterparty": ""}, "counterparty"),
            ({"amount": None}, "amount"),
            ({"amount": float("nan")}, "amount"),
            ({"tax": float("inf")}, "tax"),
            ({"total": 1.0}, "total"),
            ({"amount": 1e15, "total": 1e15}, "amount"),
            ({"status": "maybe"}, "status"),
        ],
    )
    def test_a_dirty_row_is_reported_and_the_rest_is_read(self, folder, change, field):
        read = read_invoice_folder(folder([{}, change, {}]))
        assert read.invoices.height == 4
        assert read.rejects["row"].to_list() == [1, 1]
        assert read.rejects["field"].to_list() == [field, field]
        assert all(read.rejects["reason"])
        assert set(read.rejects["file"]) == set(INVOICE_FILES.values())

    @pytest.mark.parametrize("name", [FIRMS_FILE, *INVOICE_FILES.values()])
    def test_a_missing_file_is_named(self, folder, name):
        path = folder()
        (path / name).unlink()
        with pytest.raises(InvoiceFolderError, match=name):
            read_invoice_folder(path)

    def test_a_file_of_another_kind_is_named(self, folder):
        path = folder()
        (path / INVOICE_FILES["input"]).write_text("no parquet")
        with pytest.raises(InvoiceFolderError, match=INVOICE_FILES["input"]):
            read_invoice_folder(path)

    def test_a_wrong_type_is_named(self, folder):
        path = folder(amount=pl.lit("100"))
        with pytest.raises(InvoiceFolderError, match="'amount' has type String"):
            read_invoice_folder(path)

    def test_a_missing_column_is_named(self, folder):
        path = folder()
        name = INVOICE_FILES["output"]
        pl.read_parquet(path / name).drop("tax").write_parquet(path / name)
        with pytest.raises(InvoiceFolderError, match=f"{name}: column 'tax' is missing"):
            read_invoice_folder(path)

    @pytest.mark.parametrize("firms", ["firm\nE1\n", "firm,name\nE1,a\nE1,b\n", "", "firm,name\n,b\n"])
    def test_bad_lists_of_firms_are_named(self, folder, firms):
        with pytest.raises(InvoiceFolderError, match=FIRMS_FILE):
            read_invoice_folder(folder(firms=firms))
