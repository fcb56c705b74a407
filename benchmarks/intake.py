"""How fast records come in: invoices to monthly facts, facts into PostgreSQL, one firm's facts out again.

    python benchmarks/intake.py [--invoices N] [--firms N] [--json]

Without DATABASE_URL an embedded server in a temporary folder is used. Figures are per second and per
firm on this machine; the share of the budget (1 M invoices in a minute) does not depend on it much.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import uuid4

import numpy as np
import polars as pl

from creditlink.engine.facts.invoices import INVOICE_SCHEMA, invoice_months
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import uscc
from creditlink.kit.clock import add_months
from creditlink.kit.postgres import db, embedded, schema
from creditlink.records import store
from creditlink.records.connectors.tax_invoices import Page, monthly_facts
from creditlink.records.pulls.delivery import Fact

_PAGE = 1000
_MONTHS = 36
_FIRST = date(2023, 1, 1)


def invoices(n: int, firms: int) -> pl.DataFrame:
    """Return n invoices of so many firms over three years: 5 % void, some red, 3 % registered late."""
    rng = np.random.default_rng(1)
    days = rng.integers(0, 365 * 3, n)
    frame = pl.DataFrame(
        {
            "firm": rng.integers(0, firms, n).astype(np.int32),
            "output": rng.random(n) < 0.5,
            "issued_on": np.datetime64(_FIRST) + days.astype("timedelta64[D]"),
            "counterparty": (rng.zipf(1.5, n) % 4000).astype(str),
            "amount_fen": rng.integers(-50_000, 2_000_000, n),
            "is_void": rng.random(n) < 0.05,
            "late": rng.random(n) < 0.03,
            "number": np.arange(n),
        }
    )
    released = pl.col("issued_on").dt.month_end().cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return frame.with_columns(
        pl.when("output")
        .then(pl.lit("output"))
        .otherwise(pl.lit("input"))
        .cast(INVOICE_SCHEMA["direction"])
        .alias("direction"),
        pl.col("issued_on").cast(pl.Date),
        (pl.col("amount_fen") * 13 // 100).alias("tax_fen"),
        pl.format("FX{}", "number").alias("record_id"),
        pl.lit(0, pl.Int32).alias("version"),
        (released + pl.duration(days=pl.col("late").cast(pl.Int64) * 20 + 1)).alias("recorded_at"),
    ).select("firm", *INVOICE_SCHEMA)


def wire_pages(n: int) -> list[Page]:
    """Return n invoices of one firm as the tax bureau's JSON rows, a thousand a page, ordered by day."""
    rows = [
        {
            "lsh": f"FX{i}",
            "bbh": 0,
            "fphm": str(i),
            "kprq": f"{_FIRST + timedelta(days=i * 1090 // n):%Y%m%d}",
            "fx": "XJ"[i % 2],
            "dfdm": f"C{i * 7919 % 400}",
            "je": f"{i % 9000 + 1}.50",
            "se": "1.00",
            "hj": f"{i % 9000 + 2}.50",
            "zt": "0",
            "lrsj": "20260201020000+0800",
        }
        for i in range(n)
    ]
    return [Page(1 + k // _PAGE, rows[k : k + _PAGE], whole=True) for k in range(0, n, _PAGE)]


def facts_of_one_firm() -> list[Fact]:
    """Return three years of one firm from all sources: 252 facts."""
    made = []
    for i in range(_MONTHS):
        period = add_months(_FIRST, i)
        known = datetime(period.year, period.month, 28, tzinfo=UTC)
        day = period.isoformat()
        due = {"due_on": day, "paid_on": day}
        declared = dict.fromkeys(
            ("taxable_sales_fen", "output_tax_fen", "input_tax_fen", "payable_fen", "paid_fen"), 1_000_000 + i
        )
        made.append(Fact("vat_declarations", period, "", declared | {"due_on": day, "filed_on": day}, known))
        standing = {"taxpayer_grade": "B", "taxpayer_kind": "general", "arrears_fen": 0, "arrears_days": 0}
        made.append(Fact("tax_standing", period, "", standing | {"penalties": 0}, known))
        counts = dict.fromkeys(("invoices", "void_invoices", "red_invoices", "counterparties"), 5)
        sums = dict.fromkeys(("amount_fen", "tax_fen", "red_amount_fen", "top1_amount_fen", "top5_amount_fen"), 999 + i)
        made += [Fact("invoice_months", period, d, counts | sums | {"hhi": 0.25}, known) for d in ("output", "input")]
        people = dict.fromkeys(("headcount", "joiners", "leavers", "fund_headcount"), 10)
        paid = dict.fromkeys(("base_fen", "due_fen", "paid_fen"), 100_000 + i)
        made.append(Fact("payroll_months", period, "", people | paid | due, known))
        bill = {"usage": 1234.5, "amount_fen": 5000, "method": "transfer", "read_quality": "actual"}
        kinds = ("electricity/P1", "water/P1")
        made += [Fact("meter_months", period, k, bill | due | {"disconnected": False}, known) for k in kinds]
    return made


def best(repeat: int, work) -> float:
    """Return the shortest of several times: what the work costs when nothing else runs."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def measure_store(url: str, firms: int) -> dict[str, float]:
    """Return facts a second into the store (new, and again) and the time to read one firm."""
    database = db.Database(url)
    schema.upgrade(database)
    now = datetime.now(UTC)
    facts, ids = facts_of_one_firm(), []
    with database.transaction("owner") as session:
        for i in range(firms):
            body = f"91440699MA{i:07d}"
            firm = Enterprise(
                id=uuid4(), uscc=body + uscc.check_value(body), name=f"Bench {i}", industry="C33", region="440600",
                entity_type="company", status="active", linked_struck_off=False, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(firm)
            ids.append(firm.id)

    # As the owner: a worker's rows need a live consent, and what that costs `row_security.py` measures by itself.
    def save_all():
        for firm in ids:
            with database.transaction("owner") as session:
                store.save_facts(session, facts, enterprise_id=firm, source="bench", pull_id=None, now=now)

    first, again = best(1, save_all), best(1, save_all)

    def read(session, firm):
        categories = ("tax", "social_security", "electricity")
        return store.read_inputs(session, [firm], categories=categories, since=_FIRST, as_of=date(2026, 6, 1))

    times = []
    with database.transaction("worker") as session:
        read(session, ids[0])
        for firm in ids[:200]:
            began = time.perf_counter()
            read(session, firm)
            times.append(time.perf_counter() - began)
    database.close()
    return {
        "facts_per_second_new": round(len(facts) * firms / first),
        "facts_per_second_again": round(len(facts) * firms / again),
        "read_one_firm_ms_p50": round(median(times) * 1e3, 2),
        "read_one_firm_ms_min": round(min(times) * 1e3, 2),
        "facts_of_one_firm": len(facts),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", type=int, default=1_000_000, help="default 1,000,000")
    parser.add_argument("--firms", type=int, default=100, help="firms whose facts are stored; default 100")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    if asked.invoices < 1 or asked.firms < 1:
        parser.error("--invoices and --firms must be at least 1")
    frame = invoices(asked.invoices, max(1, asked.invoices // 2400))
    aggregate = best(2, lambda: invoice_months(frame))
    found = {"invoices": asked.invoices, "aggregate_seconds": round(aggregate, 2)}
    pages = wire_pages(asked.invoices)
    wire = best(1, lambda: monthly_facts(pages, _FIRST, date(2026, 1, 31)))
    found |= {
        "aggregate_invoices_per_second": round(asked.invoices / aggregate),
        "wire_to_facts_seconds": round(wire, 2),
        "wire_to_facts_invoices_per_second": round(asked.invoices / wire),
        "seconds_for_a_million_of_60": round((aggregate + wire) / asked.invoices * 1e6, 1),
    }
    with tempfile.TemporaryDirectory(prefix="creditlink-bench-") as folder:
        server = os.environ.get("DATABASE_URL") or embedded.start(Path(folder) / "pg")
        found |= measure_store(db.ensure_database(server, f"bench_intake_{os.getpid()}"), asked.firms)
    if asked.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):40s} {value:>12,}")


if __name__ == "__main__":
    main()
