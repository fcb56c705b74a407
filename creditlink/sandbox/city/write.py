"""Write a city to disk, partition by partition."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.sandbox.city import activity as activities
from creditlink.sandbox.city import latent
from creditlink.sandbox.city.economy import Calendar
from creditlink.sandbox.city.folder import MANIFEST, replaced_at_once
from creditlink.sandbox.city.hazard import HazardTable
from creditlink.sandbox.city.records import events, income_tax, invoices, meters, names, payroll, tax
from creditlink.sandbox.city.records.payments import enum_of

GENERATOR_VERSION = "4"
"""Raised whenever the same seed no longer gives the same bytes."""

BYTES_PER_FIRM_MONTH = 100
"""Room to ask for on the disk; at the usual coverage a city takes about 75."""

TRUTH_SCHEMA = {
    "firm": pl.Int32,
    "as_of": pl.Date,
    "kind": pl.Enum([kind.name for kind in latent.KINDS]),
    "inflates": pl.String,  # category that a manipulator makes look better; null for the honest
    "hazard_12m": pl.Float64,  # null where the firm is not at risk: not yet there, gone, or in default
    "default_on": pl.Date,  # null: never within the simulated time
}
FIRMS_SCHEMA = {
    "firm": pl.Int32,
    "uscc": pl.String,
    "name_zh": pl.String,
    "name_en": pl.String,
    "legal_representative": pl.String,
}
Progress = Callable[[int, int], None]
"""Called with firms done and firms in all."""


def simulate_block(
    seed: int,
    block: int,
    calendar: Calendar,
    coverage: Mapping[str, float],
    hazards: HazardTable,
    hazard_times: float = 1.0,
) -> dict[str, pl.DataFrame]:
    """Return all frames of one block of firms, with `firms` and `truth`."""
    firms = latent.draw_firms(seed, block, calendar, coverage)
    paths = latent.draw_paths(firms, calendar, hazard_times)
    doing = activities.simulate(firms, paths, calendar)
    office = tax.TaxRecords(firms, doing, calendar)
    months, sold, bought = invoices.InvoiceRecords(firms, doing, calendar).frame()
    declarations, course = office.declarations(sold, bought)
    standing, age = office.standing(course)
    return {
        "registration": names.registration(firms),
        "vat_declarations": declarations,
        "income_tax_returns": income_tax.income_tax_returns(firms, doing, calendar, course),
        "invoice_months": months,
        "tax_standing": standing,
        "tax_events": income_tax.tax_events(firms, doing, calendar, course, age),
        "payroll_months": payroll.payroll_months(firms, doing, calendar),
        "fund_months": payroll.fund_months(firms, doing, calendar),
        "meter_months": meters.meter_months(firms, doing, calendar),
        "credit_events": events.credit_events(firms, doing, calendar),
        "contract_months": events.contract_months(firms, doing, calendar),
        "property_grants": events.property_grants(firms, doing, calendar),
        "shipment_months": events.shipment_months(firms, doing, calendar),
        "customs_months": events.customs_months(firms, doing, calendar),
        "firms": names.firms_frame(firms),
        "truth": _truth(firms, paths, calendar, hazards),
    }


def _truth(firms: latent.Firms, paths: latent.Paths, calendar: Calendar, hazards: HazardTable) -> pl.DataFrame:
    rows = latent.truth(firms, paths, calendar, hazards)
    index = rows.index
    default = paths.default_day[index]
    # The last day of the quarter's last month.
    as_of = calendar.starts[rows.snapshot + 1] - 1
    return pl.DataFrame(
        {
            "firm": firms.firm[index].astype(np.int32),
            "as_of": pl.Series(as_of.astype(np.int32)).cast(pl.Date),
            "kind": enum_of("kind", firms.kind[index], TRUTH_SCHEMA["kind"]),
            "inflates": pl.Series(latent.INFLATES).gather(firms.inflates[index]).replace({"": None}),
            "hazard_12m": pl.Series(rows.hazard_12m).fill_nan(None),
            "default_on": pl.Series(default.astype(np.int32))
            .set(pl.Series(default == latent.NEVER), None)
            .cast(pl.Date),
        },
        schema=TRUTH_SCHEMA,
    )


def merge_coverage(coverage: Mapping[str, float] | None) -> dict[str, float]:
    """Return the coverage of each source with the given ones set.

    `utility` sets electricity, and water and gas in their usual proportion to it.

    Raises
    ------
    ValueError
        A source is unknown or a share is not within 0 … 1.
    """
    given = dict(coverage or {})
    for name, share in given.items():
        if name not in latent.COVERAGE and name != "utility":
            raise ValueError(f"coverage: unknown source {name!r}, one of {', '.join(latent.COVERAGE)}, utility")
        if not 0 <= share <= 1:
            raise ValueError(f"coverage: {name} must be within 0 … 1, got {share}")
    merged = dict(latent.COVERAGE)
    if "utility" in given:
        share = given.pop("utility")
        for name in ("water", "gas"):
            merged[name] = min(share * latent.COVERAGE[name] / latent.COVERAGE["electricity"], 1.0)
        merged["electricity"] = share
    return {**merged, **given}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class WrittenManifest(TypedDict):
    """A city's `manifest.json`: what it was made from, and what is in it."""

    generator_version: str
    seed: int
    firms: int
    months: int
    first_period: str
    last_period: str
    known_until: str
    partition_firms: int
    coverage: dict[str, float]
    shock: list[str]
    relief: list[str]
    rows: dict[str, int]
    sha256: dict[str, str]
    hazard_times: NotRequired[float]


def write_city(
    out: Path,
    *,
    firms: int,
    months: int,
    seed: int,
    until: date,
    partition_firms: int = 100_000,
    progress: Progress | None = None,
    coverage: Mapping[str, float] | None = None,
    hazard_times: float = 1.0,
    overwrite: bool = False,
    processes: int = 1,
) -> WrittenManifest:
    """Write a synthetic city and return its manifest. The same arguments give the same bytes.

    The folder appears when the city is complete; before that, and if anything fails, there is nothing.

    Parameters
    ----------
    out
        Folder to write to, absent or empty.
    firms, months
        How many firms (any city is the beginning of a larger one of the same seed), and how many months of
        records up to and including the month of `until`. Nothing recorded later than the 20th of the
        following month is in the city.
    seed
        0 or more.
    partition_firms
        Firms per file, rounded up to whole blocks; it changes neither the firms nor their records.
    progress
        Called with firms done and firms in all.
    coverage
        Share of firms known to a source, by name: `tax`, `social_security`, `electricity`, `utility` …
    hazard_times
        How many times as often firms go bad: a city that a model was not trained on.
    overwrite
        Replace a city that `out` already holds; anything else in `out` is never replaced.
    processes
        How many processes write partitions at once; more than one needs a main module that can be imported.

    Raises
    ------
    ValueError
        A number is out of range; the message names it.
    FolderRefused
        `out` cannot take a city: it is not empty, cannot be written, or its disk is too full.
    """
    for name, value, least, most in (
        ("firms", firms, 1, 100_000_000),
        ("months", months, 6, 240),
        ("seed", seed, 0, 2**63 - 1),
        ("partition_firms", partition_firms, 1, 10_000_000),
        ("processes", processes, 1, 1024),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name}: must be within {least} … {most}, got {value}")
    if not 0.1 <= hazard_times <= 10:
        raise ValueError(f"hazard_times: must be within 0.1 … 10, got {hazard_times}")
    shares = merge_coverage(coverage)
    calendar = Calendar(until.replace(day=1), months)
    needed = firms * months * BYTES_PER_FIRM_MONTH
    with replaced_at_once(out, overwrite=overwrite, needed_bytes=needed) as folder:
        per_part = -(-partition_firms // latent.BLOCK_FIRMS)
        blocks = -(-firms // latent.BLOCK_FIRMS)
        parts = [
            _Partition(
                *(folder, number, range(first, min(first + per_part, blocks)), firms, seed, calendar, shares),
                hazard_times,
            )
            for number, first in enumerate(range(0, blocks, per_part))
        ]
        digests, rows = _write_partitions(parts, processes, progress)
        manifest: WrittenManifest = {
            "generator_version": GENERATOR_VERSION,
            "seed": seed,
            "firms": firms,
            "months": months,
            "first_period": calendar.day(0).isoformat(),
            "last_period": calendar.day(months - 1).isoformat(),
            "known_until": np.datetime64(calendar.cut, "D").item().isoformat(),
            "partition_firms": per_part * latent.BLOCK_FIRMS,
            "coverage": shares,
            "shock": [calendar.day(month).isoformat() for month in calendar.shock],
            "relief": [calendar.day(month).isoformat() for month in calendar.relief],
            "rows": rows,
            "sha256": dict(sorted(digests.items())),
        }
        if hazard_times != 1:
            manifest["hazard_times"] = hazard_times
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


@dataclass(frozen=True)
class _Partition:
    """What it takes to write one file of each frame, in this process or another."""

    folder: Path
    number: int
    blocks: range
    firms: int  # of the whole city
    seed: int
    calendar: Calendar
    coverage: dict[str, float]
    hazard_times: float

    def write(self, progress: Callable[[], None] | None = None) -> tuple[dict[str, str], dict[str, int]]:
        """Write the partition; return the sha256 by file and the rows by frame."""
        hazards = HazardTable(self.calendar)
        done: list[dict[str, pl.DataFrame]] = []
        for block in self.blocks:
            done.append(simulate_block(self.seed, block, self.calendar, self.coverage, hazards, self.hazard_times))
            if progress:
                progress()
        digests: dict[str, str] = {}
        rows: dict[str, int] = {}
        for name in (*FRAME_SCHEMAS, "firms", "truth"):
            frame = pl.concat([frames.pop(name) for frames in done], rechunk=False).filter(pl.col("firm") < self.firms)
            path = self.folder / name / f"part-{self.number:05d}.parquet"
            path.parent.mkdir(exist_ok=True)
            # Made to be read fast and whole: one group of rows is one piece of memory, and LZ4 takes half the time of
            # zstd, for a third more bytes.
            frame.write_parquet(path, compression="lz4", row_group_size=max(frame.height, 1))
            digests[path.relative_to(self.folder).as_posix()] = _sha256(path)
            rows[name] = frame.height
        return digests, rows


def _write_partitions(
    parts: list[_Partition], processes: int, progress: Progress | None
) -> tuple[dict[str, str], dict[str, int]]:
    """Write all partitions; return the sha256 by file and the rows by frame.

    Numpy holds the interpreter's lock in most of what a city does: only processes make it faster.
    """
    firms, written = parts[0].firms, 0

    def report(blocks: int) -> None:
        nonlocal written
        written += blocks
        if progress:
            progress(min(written * latent.BLOCK_FIRMS, firms), firms)

    done: list[tuple[dict[str, str], dict[str, int]]] = []
    workers = min(processes, len(parts))
    if workers < 2:
        done = [part.write(lambda: report(1)) for part in parts]
    else:
        # Spawned, as polars' threads do not survive a fork.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            tasks = {pool.submit(part.write): part for part in parts}
            for task in as_completed(tasks):
                done.append(task.result())
                report(len(tasks[task].blocks))
    rows = {name: sum(counted[name] for _, counted in done) for name in done[0][1]}
    return {name: digest for digests, _ in done for name, digest in digests.items()}, rows
