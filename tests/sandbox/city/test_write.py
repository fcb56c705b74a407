"""A city on disk: the same for the same arguments, complete or absent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS
from creditlink.sandbox.city import FolderRefused, write, write_city

pytestmark = pytest.mark.pure

UNTIL = date(2026, 10, 1)
SMALL: dict[str, Any] = {"firms": 30, "months": 12, "seed": 1, "until": UNTIL}
Frame = Callable[[str], pl.DataFrame]


def _all(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(sorted((folder / name).glob("*.parquet")))


class TestSameSeedSameBytes:
    def test_twice(self, tmp_path):
        one = write_city(tmp_path / "a", firms=300, months=14, seed=5, until=UNTIL)
        two = write_city(tmp_path / "b", firms=300, months=14, seed=5, until=UNTIL)
        other = write_city(tmp_path / "c", firms=300, months=14, seed=6, until=UNTIL)
        assert one == two
        assert not set(one["sha256"].values()) & set(other["sha256"].values())

    def test_how_it_is_cut_changes_no_record_and_a_small_city_begins_a_larger_one(self, tmp_path):
        write_city(tmp_path / "cut", firms=5000, months=8, seed=5, until=UNTIL, partition_firms=2000)
        write_city(tmp_path / "whole", firms=4500, months=8, seed=5, until=UNTIL)
        assert len(list((tmp_path / "cut" / "truth").iterdir())) == 3
        for name in (*FRAME_SCHEMAS, "firms", "truth"):
            cut = _all(tmp_path / "cut", name).filter(pl.col("firm") < 4500)
            assert cut.equals(_all(tmp_path / "whole", name)), name

    def test_several_processes_write_the_same_bytes(self, tmp_path):
        given = {"firms": 4100, "months": 8, "seed": 5, "until": UNTIL, "partition_firms": 2000}
        seen = []
        alone = write_city(tmp_path / "alone", **given)
        several = write_city(
            tmp_path / "several", **given, processes=2, progress=lambda done, of: seen.append((done, of))
        )
        assert alone == several
        assert seen[-1] == (4100, 4100)
        assert len(seen) == 3

    def test_the_manifest_tells_the_digest_of_every_file(self, city):
        folder, manifest = city
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
        assert set(manifest["sha256"]) == files
        assert manifest == json.loads((folder / "manifest.json").read_text())
        assert all(write._sha256(folder / name) == digest for name, digest in manifest["sha256"].items())


def by_last_month(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the last month of what they are about as their period: a quarter is over when it ends."""
    if "months" not in rows.columns:
        return rows
    return rows.with_columns(pl.col("period").dt.offset_by(pl.format("{}mo", pl.col("months") - 1)))


class TestTwoClocks:
    @pytest.mark.parametrize("name", sorted(set(FRAME_SCHEMAS) - {"registration"}))
    def test_frames_are_as_declared_and_nothing_is_known_before_it_happened_or_after_the_city_ends(
        self, city, frame: Frame, name: str
    ):
        rows = frame(name)
        assert dict(rows.schema) == FRAME_SCHEMAS[name]
        assert rows.height == city[1]["rows"][name] > 0
        assert rows.select((pl.col("known_on") > pl.col("period")).all()).item()
        assert rows["known_on"].max() <= date.fromisoformat(city[1]["known_until"])
        assert rows["firm"].is_sorted()

    @pytest.mark.parametrize("name", ["vat_declarations", "invoice_months", "payroll_months", "meter_months"])
    def test_some_facts_come_late_and_some_are_corrected(self, frame: Frame, name: str):
        rows = by_last_month(frame(name))
        versions = rows.group_by(FRAME_KEYS[name]).agg(
            pl.len().alias("versions"), pl.col("known_on").n_unique().alias("days"), pl.col("known_on").min()
        )
        assert versions["versions"].max() == 2
        assert versions.select((pl.col("versions") == pl.col("days")).all()).item()
        assert 0.005 < (versions["versions"] == 2).mean() < 0.5
        waited = versions.select((pl.col("known_on") - pl.col("period").dt.month_end()).dt.total_days()).to_series()
        assert 0.005 < (waited > 33).mean() < 0.06

    def test_a_correction_changes_the_fact(self, frame: Frame):
        rows = frame("invoice_months").sort("known_on")
        keys = list(FRAME_KEYS["invoice_months"])
        both = rows.filter(pl.struct(keys).is_duplicated()).group_by(keys, maintain_order=True)
        change = both.agg((pl.col("invoices").last() - pl.col("invoices").first()).alias("more"))
        assert (change["more"] > 0).all()


class TestBadInput:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"firms": 0}, "firms: must be within"),
            ({"months": 5}, "months: must be within"),
            ({"seed": -1}, "seed: must be within"),
            ({"partition_firms": 0}, "partition_firms: must be within"),
            ({"processes": 0}, "processes: must be within"),
            ({"coverage": {"tax": 1.2}}, "coverage: tax must be within"),
            ({"coverage": {"steam": 0.5}}, "coverage: unknown source 'steam'"),
        ],
    )
    def test_a_wrong_number_is_named_and_nothing_is_made(self, tmp_path, changed, said):
        with pytest.raises(ValueError, match=said):
            write_city(tmp_path / "c", **{**SMALL, **changed})
        assert not list(tmp_path.iterdir())

    def test_a_folder_with_something_in_it_is_refused_before_any_work(self, tmp_path, monkeypatch):
        monkeypatch.setattr(write, "simulate_block", None)
        (tmp_path / "letter.txt").write_text("mine")
        with pytest.raises(FolderRefused, match="not empty"):
            write_city(tmp_path, **SMALL)
        with pytest.raises(FolderRefused, match="never replaced"):
            write_city(tmp_path, **SMALL, overwrite=True)
        with pytest.raises(FolderRefused, match="a file of this name"):
            write_city(tmp_path / "letter.txt", **SMALL, overwrite=True)
        with pytest.raises(FolderRefused, match="cannot be made"):
            write_city(tmp_path / "letter.txt" / "c", **SMALL)
        assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]

    def test_a_full_disk_is_told_before_any_work(self, tmp_path, monkeypatch):
        monkeypatch.setattr(write, "simulate_block", None)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=10_000))
        with pytest.raises(FolderRefused, match=r"about .* GB are needed"):
            write_city(tmp_path / "c", **SMALL)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_an_interrupted_city_leaves_what_was_there(self, tmp_path, monkeypatch, error):
        write_city(tmp_path / "c", **SMALL)
        before = (tmp_path / "c" / "manifest.json").read_text()

        def fails(_path: Path) -> str:
            raise error

        monkeypatch.setattr(write, "_sha256", fails)
        with pytest.raises((FolderRefused, KeyboardInterrupt)):
            write_city(tmp_path / "c", **{**SMALL, "seed": 2}, overwrite=True)
        with pytest.raises((FolderRefused, KeyboardInterrupt)):
            write_city(tmp_path / "new", **SMALL)
        assert [path.name for path in tmp_path.iterdir()] == ["c"]
        assert (tmp_path / "c" / "manifest.json").read_text() == before

    def test_the_command_replaces_a_city_only_when_told(self, tmp_path):
        call = ["city", "--firms", "20", "--months", "8", "--until", "2026-10", "--out", str(tmp_path / "c")]
        run = CliRunner().invoke
        assert run(sandbox, call).exit_code == 0
        refused = run(sandbox, call)
        assert refused.exit_code == 1
        assert "not empty (--force replaces a city)" in refused.output
        assert run(sandbox, [*call, "--force", "--coverage", "utility=0.5", "--seed", "9"]).exit_code == 0
        assert json.loads((tmp_path / "c" / "manifest.json").read_text())["coverage"]["water"] == 0.4

    @pytest.mark.parametrize(
        ("extra", "said"),
        [
            (["--coverage", "utility"], "needs SOURCE=SHARE"),
            (["--coverage", "utility=much"], "needs SOURCE=SHARE"),
            (["--coverage", "utility=7"], "coverage: utility must be within 0 … 1"),
            (["--until", "2026-13"], "needs YYYY-MM"),
            (["--firms", "0"], "--firms"),
            (["--months", "none"], "--months"),
        ],
    )
    def test_the_command_names_a_wrong_option(self, tmp_path, extra, said):
        result = CliRunner().invoke(sandbox, ["city", "--out", str(tmp_path / "c"), *extra])
        assert result.exit_code != 0
        assert said in result.output
        assert not list(tmp_path.iterdir())


def test_dates_of_shock_and_relief_are_in_the_manifest(city):
    manifest = city[1]
    shock, relief = ([date.fromisoformat(day) for day in manifest[name]] for name in ("shock", "relief"))
    assert shock[0] < relief[0] < shock[1] < relief[1]
    assert relief[0] - shock[0] < timedelta(days=32)
