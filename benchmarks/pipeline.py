"""Computation without HTTP: indicators and profiles, of one firm and of many at once (intake is in intake.py).

python benchmarks/pipeline.py [--firms N] [--json]
"""

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path

import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.compute import compute
from creditlink.engine.matching.book import compile_book
from creditlink.engine.profile.pipeline import profile_many
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city


def timed(call, repeat=1):
    """Return seconds of the quickest of so many calls."""
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firms", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {}
    settings = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40})
    live = load_live(settings)
    _, products = load_seed(ROOT / "config" / "products.toml")
    book = compile_book(products, BY_NAME, matching_settings(ROOT / "config"))
    as_of = date(2026, 11, 20)
    with tempfile.TemporaryDirectory() as folder:
        write_city(Path(folder), firms=given.firms, months=36, seed=5, until=date(2026, 10, 1))
        records = RecordSet.of(**{name: pl.read_parquet(f"{folder}/{name}/*.parquet") for name in FRAME_SCHEMAS})
    one = RecordSet.of(**{n: records.frame(n).filter(pl.col("firm") == 3) for n in FRAME_SCHEMAS})
    compute(one, as_of, live.reference)
    results["one_firm_indicators_ms"] = timed(lambda: compute(one, as_of, live.reference), 10) * 1e3
    results["one_firm_profile_ms"] = timed(lambda: profile_many(one, as_of=as_of, live=live, book=book), 10) * 1e3
    results["firms_per_second_indicators"] = given.firms / timed(lambda: compute(records, as_of, live.reference), 2)
    results["firms_per_second_profile"] = given.firms / timed(
        lambda: profile_many(records, as_of=as_of, live=live, book=book), 2
    )
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for name, value in results.items():
        print(f"{name:32} {value:12,.2f}")


if __name__ == "__main__":
    main()
