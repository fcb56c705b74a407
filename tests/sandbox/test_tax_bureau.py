"""The tax bureau over a city made by hand: filers of every kind, pages, versions, faults."""

import json
import re
import time
import uuid
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.kit.clock import add_months, day_of, month_start, utc_now
from creditlink.records.connectors.tax import signature
from creditlink.sandbox.bureaus.real_invoices import FILES, FIRMS, code_of
from creditlink.sandbox.bureaus.serving import bureau_app
from creditlink.sandbox.bureaus.tax import FRAMES, RESOURCES

pytestmark = pytest.mark.pure

MANUAL = Path(__file__).parents[2] / "docs" / "bureaus.md"
MONTHLY, QUARTERLY, BY_OCCASION, CLEAN, ELSEWHERE = (f"9144060000000000{n}X" for n in range(5))
MONEY = ("ysxse", "msxse", "xxse", "jxse", "ynse", "yjse")


def declared(firm, period, months, filing, *, sales=1000, exempt=0, filed=True, known=None):
    due = add_months(period, months).replace(day=15)
    values = (sales, exempt, sales // 10, sales // 100, 7, 7) if filed else (None,) * 6
    return (firm, period, months, filing, *values, due, due.replace(day=9) if filed else None, known or due)


def standing(firm, period):
    return (firm, period, "B", "small_scale", 0, 0, add_months(period, 1))


JANUARY, APRIL, MAY, JULY = (date(2025, month, 1) for month in (1, 4, 5, 7))
YEAR = date(2024, 1, 1)
ROWS = {
    "vat_declarations": [
        *(declared(0, add_months(JANUARY, n), 1, "monthly", sales=1000 + n) for n in range(8)),
        declared(1, JANUARY, 3, "quarterly", sales=0, exempt=26_234_500),
        declared(1, APRIL, 3, "quarterly", sales=90_000_007),
        *(declared(2, add_months(JANUARY, n), 1, "occasion", sales=100_003 + n) for n in range(6)),
        declared(2, JULY, 1, "occasion", filed=False),
        declared(2, JULY, 1, "occasion", sales=77_777, known=date(2025, 10, 1)),
        declared(2, JULY, 1, "occasion", sales=77_779, known=date(2025, 11, 1)),
    ],
    "income_tax_returns": [
        (1, YEAR, "settlement", 5_000, -700, -60, -60, date(2025, 5, 31), date(2025, 5, 20), date(2025, 6, 1)),
        (1, JANUARY, "prepayment", 900, 80, 4, 4, date(2025, 4, 15), date(2025, 4, 9), date(2025, 4, 16)),
        (1, APRIL, "prepayment", None, None, None, None, date(2025, 7, 15), None, date(2025, 7, 16)),
        (1, APRIL, "prepayment", 1_900, 160, 4, 4, date(2025, 7, 15), date(2025, 8, 1), date(2025, 8, 2)),
    ],
    "invoice_months": [],
    "tax_standing": [standing(0, JANUARY), standing(3, JANUARY)],
    "tax_events": [
        (0, APRIL, "refund", date(2025, 4, 2), 1, 321_000, date(2025, 4, 20), date(2025, 4, 21)),
        (0, MAY, "penalty", date(2025, 5, 18), 2, 50_000, None, date(2025, 5, 20)),
        (0, MAY, "penalty", date(2025, 5, 18), 2, 50_000, date(2025, 6, 30), date(2025, 7, 1)),
        (0, MAY, "violation", date(2025, 5, 4), 3, None, None, date(2025, 5, 20)),
    ],
}


def write_city_by_hand(folder):
    firms = {"firm": [0, 1, 2, 3, 4], "uscc": [MONTHLY, QUARTERLY, BY_OCCASION, CLEAN, ELSEWHERE]}
    tables = {"firms": pl.DataFrame(firms, schema_overrides={"firm": pl.Int32})}
    tables |= {name: pl.DataFrame(ROWS[name], schema=FRAME_SCHEMAS[name], orient="row") for name in FRAMES}
    for name, table in tables.items():
        (folder / name).mkdir()
        table.write_parquet(folder / name / "part-0.parquet")
    (folder / "manifest.json").write_text(json.dumps({"seed": 3}))


def asking(app):
    """A function that asks a bureau, signed."""
    client = app.test_client()

    def send(resource, uscc, first="202401", last="202512", **more):
        path = f"/swj/v1/{resource}/query"
        body = json.dumps({"tyshxydm": uscc, "ssqQ": first, "ssqZ": last} | more).encode()
        now, nonce = str(int(time.time() * 1000)), uuid.uuid4().hex
        signed = signature(b"sandbox-tax-secret", "POST", path, now, nonce, body)
        headers = {"X-App-Id": "creditlink-sandbox", "X-Timestamp": now, "X-Nonce": nonce, "X-Signature": signed}
        return client.post(path, data=body, headers=headers).json

    return send


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("by-hand")
    write_city_by_hand(folder)
    return bureau_app("tax", folder, None, {})


@pytest.fixture
def ask(app):
    yield asking(app)
    app.test_client().delete("/_faults")


def fen(text):
    return int(text.replace(".", ""))


class TestRows:
    @pytest.mark.parametrize(
        ("resource", "uscc", "heading"),
        [
            ("zzssb", MONTHLY, "declarations"),
            ("qysds", QUARTERLY, "returns of income tax"),
            ("nsrzt", MONTHLY, "standing"),
            ("wfcf", MONTHLY, "events"),
        ],
    )
    def test_a_row_has_the_fields_of_the_manual(self, ask, resource, uscc, heading):
        table = MANUAL.read_text().split(f"| {heading} | |\n")[1].split("\n\n")[0]
        named = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
        for row in ask(resource, uscc)["data"]:
            assert set(row) == named | {"lsh", "bbh", "lrsj"}

    def test_an_exempt_quarter_is_filed_with_zero_tax(self, ask):
        row = ask("zzssb", QUARTERLY)["data"][0]
        assert (row["skssqQ"], row["skssqZ"], row["sbfs"]) == ("202501", "202503", "2")
        assert (row["ysxse"], row["msxse"]) == ("0.00", "262345.00")

    def test_a_quarter_comes_when_it_ends_in_the_range(self, ask):
        def quarters(first, last):
            return [row["skssqQ"] for row in ask("zzssb", QUARTERLY, first, last)["data"]]

        assert quarters("202501", "202505") == ["202501"]
        assert quarters("202503", "202506") == ["202501", "202504"]
        assert quarters("202504", "202506") == ["202504"]
        assert quarters("202507", "202509") == []

    def test_returns_come_with_their_last_month(self, ask):
        def kinds(first, last):
            return [(row["skssqQ"], row["sblx"], row["bbh"]) for row in ask("qysds", QUARTERLY, first, last)["data"]]

        assert kinds("202412", "202412") == [("202401", "2", 0)]
        assert kinds("202401", "202411") == []
        assert kinds("202503", "202512") == [("202501", "1", 0), ("202504", "1", 0), ("202504", "1", 1)]

    def test_a_settlement_with_a_refund(self, ask):
        row = ask("qysds", QUARTERLY, "202412", "202412")["data"][0]
        assert (row["skssqZ"], row["lrze"], row["ybtse"], row["yjse"]) == ("202412", "-7.00", "-0.60", "-0.60")

    def test_a_late_return_is_a_correction(self, ask):
        before, after = ask("qysds", QUARTERLY, "202506", "202506")["data"]
        assert (before["lsh"], before["sbrq"], before["yysr"]) == (after["lsh"], "", "")
        assert (after["sbrq"], after["yysr"], after["lrsj"][:8]) == ("20250801", "19.00", "20250802")

    def test_events_by_day_and_their_settlement_as_a_correction(self, ask):
        rows = ask("wfcf", MONTHLY)["data"]
        assert [(r["fsrq"], r["sjlx"], r["bbh"], r["bjrq"], r["je"]) for r in rows] == [
            ("20250402", "3", 0, "20250420", "3210.00"),
            ("20250504", "1", 0, "", ""),
            ("20250518", "2", 0, "", "500.00"),
            ("20250518", "2", 1, "20250630", "500.00"),
        ]
        assert rows[2]["lsh"] == rows[3]["lsh"]
        assert [r["fsrq"] for r in ask("wfcf", MONTHLY, "202504", "202504")["data"]] == ["20250402"]


class TestOccasions:
    @pytest.fixture
    def rows(self, ask):
        return ask("zzssb", BY_OCCASION)["data"]

    def test_they_add_up_to_the_month_in_every_version(self, rows):
        city = pl.DataFrame(ROWS["vat_declarations"], schema=FRAME_SCHEMAS["vat_declarations"], orient="row")
        of = city.filter(firm=2).sort("period", "known_on").with_columns(version=pl.int_range(pl.len()).over("period"))
        columns = [name for name in FRAME_SCHEMAS["vat_declarations"] if name.endswith("_fen")]
        for month in of.iter_rows(named=True):
            parts = [r for r in rows if r["skssqQ"] == f"{month['period']:%Y%m}" and r["bbh"] == month["version"]]
            assert parts
            for field, column in zip(MONEY, columns, strict=True):
                if month[column] is None:
                    assert {part[field] for part in parts} == {""}
                else:
                    assert sum(fen(part[field]) for part in parts) == month[column]
                    assert all(fen(part[field]) >= 0 for part in parts)
            filed = f"{month['filed_on']:%Y%m%d}" if month["filed_on"] else ""
            assert max(part["sbrq"] for part in parts) == filed
            assert min(part["sbqx"] for part in parts) == f"{month['due_on']:%Y%m%d}"
            assert {part["sbfs"] for part in parts} == {"3"}

    def test_months_have_one_to_three_of_them_with_their_own_ids(self, rows):
        first = {}
        for row in rows:
            if row["bbh"] == 0:
                first.setdefault(row["skssqQ"], []).append(row["lsh"])
        counts = {len(ids) for ids in first.values()}
        assert len(counts) > 1
        assert counts <= {1, 2, 3}
        ids = [(row["lsh"], row["bbh"]) for row in rows]
        assert len(ids) == len(set(ids))

    def test_pages_neither_overlap_nor_leave_gaps(self, ask, rows):
        seen = []
        for number in range(1, 99):
            page = ask("zzssb", BY_OCCASION, pageNum=number, pageSize=2)
            assert (page["total"], page["wzbz"]) == (len(rows), "Y")
            if not page["data"]:
                break
            seen += page["data"]
        assert seen == rows
        keys = [(row["skssqQ"], row["lsh"], row["bbh"]) for row in rows]
        assert keys == sorted(keys)


class TestNoRecord:
    def test_a_clean_taxpayer_has_no_events_which_is_an_answer(self, ask):
        answer = ask("wfcf", CLEAN)
        assert (answer["code"], answer["total"], answer["data"]) == ("0000", 0, [])

    @pytest.mark.parametrize("resource", RESOURCES)
    def test_a_firm_of_another_office_has_no_record(self, ask, resource):
        for uscc in (ELSEWHERE, "9" * 18):
            assert ask(resource, uscc)["code"] == "4004"

    def test_a_taxpayer_without_returns(self, ask):
        assert ask("qysds", CLEAN)["code"] == "4004"
        assert ask("qysds", QUARTERLY, "202601", "202612")["code"] == "0000"


class TestFaults:
    def spoil(self, app, **fault):
        assert app.test_client().post("/_faults", json=fault).status_code == 201

    @pytest.mark.parametrize("resource", RESOURCES)
    def test_one_resource_alone(self, app, ask, resource):
        self.spoil(app, uscc="*", mode="no_record", resource=resource, times=1)
        other = next(name for name in ("nsrzt", "zzssb") if name != resource)
        assert ask(other, MONTHLY)["code"] == "0000"
        assert ask(resource, MONTHLY)["code"] == "4004"

    @pytest.mark.parametrize(
        ("resource", "uscc", "spoiled"),
        [("zzssb", MONTHLY, ("sbqx", "ysxse")), ("wfcf", MONTHLY, ("fsrq",)), ("qysds", QUARTERLY, ("sbqx",))],
    )
    def test_malformed_rows_are_every_fourth(self, app, ask, resource, uscc, spoiled):
        good = ask(resource, uscc)["data"]
        self.spoil(app, uscc=uscc, mode="malformed")
        bad = ask(resource, uscc)["data"]
        changed = {number: {f for f in row if row[f] != bad[number].get(f)} for number, row in enumerate(good)}
        assert changed == {n: {spoiled[n // 4]} if n % 4 == 0 else set() for n in range(len(good))}

    def test_partial_pages_say_so(self, app, ask):
        self.spoil(app, uscc=BY_OCCASION, mode="partial")
        answer = ask("zzssb", BY_OCCASION)
        assert answer["wzbz"] == "N"
        assert len(answer["data"]) == answer["total"] // 2


class TestRefusals:
    @pytest.mark.parametrize("resource", [name for name in RESOURCES if name != "fapiao"])
    def test_only_invoices_have_a_direction(self, ask, resource):
        assert ask(resource, MONTHLY, fx="X") == {"code": "2001", "msg": "未知字段", "field": "fx"}

    @pytest.mark.parametrize("resource", RESOURCES)
    @pytest.mark.parametrize("month", ["202413", "2024-01", "", None, 202401, "1899\u0000"])
    def test_a_month_that_is_none_is_named(self, ask, resource, month):
        refused = ask(resource, MONTHLY, first=month)
        assert (refused["code"], refused["field"]) == ("2001", "ssqQ")


class TestRealInvoices:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / FIRMS).write_text("firm,name\nE7,***建筑有限公司\n", encoding="utf-8")
        rows = {
            "firm": ["E7", "E7", "E7"],
            "invoice_no": ["10", "10", "11"],
            "date": [date(2019, 12, 3), date(2020, 1, 8), date(2020, 2, 1)],
            "counterparty": ["A1", "A1", "E7"],
            "amount": [100.0, -20.0, 3.0],
            "tax": [13.0, -2.6, 0.39],
            "total": [113.0, -22.6, 3.39],
            "status": ["valid", "valid", "void"],
        }
        for name in FILES.values():
            pl.DataFrame(rows).write_parquet(tmp_path / name)
        return tmp_path

    def test_they_are_served_and_nothing_else_of_those_firms(self, folder, tmp_path_factory):
        city = tmp_path_factory.mktemp("city-of-others")
        write_city_by_hand(city)
        ask = asking(bureau_app("tax", city, folder, {}))
        today = month_start(day_of(utc_now()))
        asked = {"first": f"{add_months(today, -12):%Y%m}", "last": f"{today:%Y%m}"}
        for resource in RESOURCES:
            answer = ask(resource, code_of("E7"), **asked)
            assert answer["code"] == ("0000" if resource == "fapiao" else "4004"), resource
        sold = ask("fapiao", code_of("E7"), **asked, fx="X")["data"]
        # The last full month, January, becomes the last complete one before today.
        months = [f"{add_months(today, -2):%Y%m}", f"{add_months(today, -1):%Y%m}"]
        assert [row["kprq"][:6] for row in sold] == months
        assert [row["je"] for row in sold] == ["100.00", "-20.00"]
