"""A city's invoices in the layout of real ones: read back they give the city's months."""

from datetime import date

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.engine.facts.frames import FRAME_SCHEMAS, as_known
from creditlink.engine.facts.invoices import invoice_months
from creditlink.records.files.invoice_folder import read_invoice_folder
from creditlink.sandbox.city import FolderRefused, write_city
from creditlink.sandbox.invoice_folder import write_invoice_folder

pytestmark = pytest.mark.pure

UNTIL = date(2026, 10, 1)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city")
    write_city(folder, firms=40, months=14, seed=4, until=UNTIL)
    return folder


def test_read_back_they_give_the_months_of_the_city(city, tmp_path):
    count = write_invoice_folder(city, tmp_path / "invoices", firms=12)
    held = read_invoice_folder(tmp_path / "invoices")
    assert held.rejects.is_empty()
    assert held.invoices.height == count > 500
    assert held.firms.height == 12
    columns = [c for c in FRAME_SCHEMAS["invoice_months"] if c not in ("known_on", "hhi")]
    found = (
        invoice_months(held.invoices).select(columns).with_columns(pl.col("firm").str.strip_prefix("S").cast(pl.Int32))
    )
    told = as_known(pl.read_parquet(city / "invoice_months" / "*.parquet"), "invoice_months", date(2026, 12, 1))
    told = told.filter(pl.col("firm").is_in(found["firm"].implode())).select(columns)
    assert found.cast(told.schema).sort("firm", "period", "direction").equals(told.sort("firm", "period", "direction"))


def test_single_invoices_look_written_not_computed(city, tmp_path):
    write_invoice_folder(city, tmp_path / "invoices", firms=12)
    rows = pl.read_parquet(tmp_path / "invoices" / "nocredit_output_invoices.parquet")
    assert rows["invoice_no"].n_unique() > 0.99 * rows.height
    assert (rows["date"].dt.weekday() > 5).mean() < 0.12
    repeated = rows.select((pl.len().over("firm", "counterparty", "amount") > 1).mean()).item()
    assert 0.1 < repeated < 0.7


def test_bad_input_is_named(city, tmp_path):
    with pytest.raises(FolderRefused, match="holds no city"):
        write_invoice_folder(tmp_path, tmp_path / "out", firms=3)
    with pytest.raises(ValueError, match="firms: must be at least 1"):
        write_invoice_folder(city, tmp_path / "out", firms=0)
    result = CliRunner().invoke(sandbox, ["invoices", "--city", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "holds no city" in result.output
    assert not (tmp_path / "out").exists()


def test_a_damaged_city_is_named(city, tmp_path):
    (tmp_path / "city" / "invoice_months").mkdir(parents=True)
    (tmp_path / "city" / "manifest.json").write_bytes((city / "manifest.json").read_bytes())
    (tmp_path / "city" / "invoice_months" / "part-0.parquet").write_text("no parquet")
    with pytest.raises(FolderRefused, match=r"part-0\.parquet: not readable as Parquet"):
        write_invoice_folder(tmp_path / "city", tmp_path / "out", firms=3)
