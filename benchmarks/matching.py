"""Matching: one firm against 369, 1,000 and 10,000 products, every rule explained; many firms; how good the order is.

    python benchmarks/matching.py [--sizes 369,1000,10000] [--firms N] [--repeats N] [--year FILE] [--json]

For each size, twice: `varied` draws each rule's limit from a grid of twenty, as lenders round; `all different` lets no
two products share a limit on a number. Times are the median and the 95th percentile of one call, in milliseconds:

explained   every rule of every product: pass, fail or unknown, observed, limit, gap; limit, price, yearly cost and
            score of every product; the order. What a request computes.
in words    the first ten products and five near misses as sentences in two languages, on top of that
all words   every product as objects with sentences

Then a simulated year of lending (`creditlink sandbox year --plan-only`): how often the truly best product was first, or
among the first three, in the order by learned odds, by the published rule alone, and cheapest first; and whether
approval odds held on answers that they were not learned from.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import match_many
from creditlink.engine.matching.products.subjects import subjects_of
from creditlink.engine.matching.products.terms import Rule
from creditlink.engine.vocabulary import GRADES_BY_RANK
from creditlink.kit.settings import ROOT
from creditlink.products.files.seed import load_seed
from creditlink.products.files.settings import load_settings

BUDGET_MS = 5.0
BUDGET_PRODUCTS = 10_000


def products(seeded, count, *, distinct, rng):
    """Return `count` products: the seed's, with other limits each time round."""

    def moved(rule):
        if not isinstance(rule.limit, float) or rule.limit == 0:
            return rule
        factor = rng.uniform(0.5, 1.5) if distinct else 0.5 + rng.integers(20) / 20
        return Rule(rule.subject, rule.operator, rule.limit * factor)

    made = []
    for k in range(count):
        terms = seeded[k % len(seeded)]
        made.append(replace(terms, code=f"{terms.code}-{k}", rules=tuple(dict.fromkeys(map(moved, terms.rules)))))
    return made


def firms(count, rng):
    """Return firms with values in the range of the rules, a tenth of them missing."""
    features = {"firm": np.arange(count, dtype=np.int32)}
    for name, indicator in BY_NAME.items():
        values = rng.random(count) * (5e9 if indicator.unit == "fen" else 20 if indicator.unit == "people" else 1.5)
        values[rng.random(count) < 0.1] = np.nan
        features[name] = pl.Series(values, nan_to_null=True, dtype=pl.Float64)
    registration = pl.DataFrame(
        {
            "firm": features["firm"],
            "industry": rng.choice(["C30", "C39", "F51", "A01", "H62", "I65"], count),
            "region": rng.choice(["440604", "440306", "330203", "500151"], count),
            "entity_type": rng.choice(["company", "sole_trader"], count),
            "status": ["active"] * count,
            "established_on": [date(2018, 3, 20)] * count,
            "registered_capital_fen": [100_000_000] * count,
            "paid_in_capital_fen": [100_000_000] * count,
            "linked_struck_off": [False] * count,
        }
    )
    return subjects_of(
        registration=registration,
        features=pl.DataFrame(features),
        pd_12m=rng.uniform(0.001, 0.1, count),
        points=rng.uniform(500, 800, count),
        grade=rng.choice(GRADES_BY_RANK, count),
        as_of=date(2026, 1, 15),
    )


def explained(book, subject):
    """Do what one request computes, and return it."""
    one = match_many(book, subject).explain(0)
    one.rule_table()
    _ = one.order
    return one


def timed(call, repeats):
    """Return the median and the 95th percentile of `repeats` calls, in milliseconds, after two to warm up."""
    taken = []
    for k in range(repeats + 2):
        began = time.perf_counter()
        call(k)
        taken.append((time.perf_counter() - began) * 1e3)
    return {"p50": round(float(np.median(taken[2:])), 3), "p95": round(float(np.percentile(taken[2:], 95)), 3)}


def one_firm(seeded, size, settings, repeats, rng, *, distinct):
    """Measure one firm against `size` products."""
    book = compile_book(products(seeded, size, distinct=distinct, rng=rng), BY_NAME, settings)
    subjects = firms(repeats + 2, rng)
    each = [subjects.take(i) for i in range(len(subjects))]

    def in_words(k):
        one = explained(book, each[k])
        return one.top(10), one.near_misses(5)

    return {
        "products": size,
        "limits": "all different" if distinct else "varied",
        "rules": len(book.entries),
        "distinct_rules": len(book.rule_set),
        "explained_ms": timed(lambda k: explained(book, each[k]), repeats),
        "in_words_ms": timed(in_words, repeats),
        "all_words_ms": timed(lambda k: list(explained(book, each[k])), max(repeats // 10, 2)),
    }


def many_firms(seeded, count, settings, rng):
    """Measure a partition of firms against the seed's products: states, then the three best of each."""
    book = compile_book(seeded, BY_NAME, settings)
    subjects = firms(count, rng)
    began = time.perf_counter()
    matches = match_many(book, subjects)
    matched = time.perf_counter()
    matches.best(3)
    ranked = time.perf_counter()
    return {
        "firms": count,
        "products": len(book),
        "matched_seconds": round(matched - began, 3),
        "ranked_seconds": round(ranked - matched, 3),
        "firms_per_second": round(count / (ranked - began)),
    }


def a_year(seed):
    """Plan a year of lending on a city made for it; return its report."""
    environment = {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40} | os.environ

    def creditlink(*arguments):
        command = [sys.executable, "-m", "creditlink", "sandbox", *map(str, arguments)]
        told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, env=environment)
        return told.stdout.decode()

    with tempfile.TemporaryDirectory() as folder:
        city = Path(folder, "city")
        creditlink("city", "--firms", 2000, "--months", 48, "--seed", 20260, "--out", city)
        asked = ("year", "--city", city, "--out", Path(folder, "year"), "--seed", seed, "--plan-only", "--json")
        return json.loads(creditlink(*asked))


def main():
    """Run the benchmark; exit with 1 where the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="369,1000,10000", help="numbers of products, separated by commas")
    parser.add_argument("--firms", type=int, default=20_000, help="firms of the partition (default 20000)")
    parser.add_argument("--repeats", type=int, default=100, help="calls timed for each figure (default 100)")
    parser.add_argument("--year", type=Path, help="year.json of `creditlink sandbox year`; without it one is planned")
    parser.add_argument("--year-seed", type=int, default=1, help="seed of the year that is planned (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rng = np.random.default_rng(2026)
    settings = load_settings(ROOT / "config" / "matching.toml")
    seeded = load_seed(ROOT / "config" / "products.toml")[1]
    rows = [
        one_firm(seeded, int(size), settings, options.repeats, rng, distinct=distinct)
        for size in options.sizes.split(",")
        for distinct in (False, True)
    ]
    held = all(row["explained_ms"]["p50"] < BUDGET_MS for row in rows if row["products"] <= BUDGET_PRODUCTS)
    year = json.loads(options.year.read_text()) if options.year else a_year(options.year_seed)
    report = {
        "one_firm": rows,
        "many_firms": many_firms(seeded, options.firms, settings, rng),
        "budget": {"products": BUDGET_PRODUCTS, "explained_ms": BUDGET_MS, "held": held},
        "year": {name: year[name] for name in ("requests", "applications", "ranking", "approval_odds")},
    }
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0 if held else 1


def show(report):
    """Print the figures as a table."""
    print(f"{'products':>9} {'limits':>14} {'rules':>7} {'distinct':>9} {'explained':>17} {'in words':>17} {'all':>9}")
    for row in report["one_firm"]:
        cells = [f"{row[name]['p50']:7.2f} / {row[name]['p95']:6.2f}" for name in ("explained_ms", "in_words_ms")]
        print(
            f"{row['products']:>9,} {row['limits']:>14} {row['rules']:>7,} {row['distinct_rules']:>9,} "
            f"{cells[0]:>17} {cells[1]:>17} {row['all_words_ms']['p50']:9.1f}"
        )
    many = report["many_firms"]
    print(
        f"{many['firms']:,} firms × {many['products']} products: states {many['matched_seconds']} s, "
        f"three best {many['ranked_seconds']} s, {many['firms_per_second']:,} firms/s"
    )
    for row in report["year"]["ranking"]["orders"]:
        print(
            f"{row['order']:>15}: best product first {row['top1']:.1%}, among three {row['top3']:.1%}; "
            f"{row['lenders_tried']:.2f} lenders asked until one offers, "
            f"{row['cost_above_best_bps'] / 100:.2f} points dearer"
        )
    for row in report["year"]["approval_odds"]:
        print(
            f"{row['odds']:>15}, {row['over']}: {row['answers']:,} answers, approved {row['approved']:.1%}, "
            f"mean odds {row['mean_odds']:.1%}, ECE {row['ece']:.3f}, Brier {row['brier']:.3f}"
        )
    budget = report["budget"]
    print(f"budget {budget['explained_ms']} ms at {budget['products']:,}: {'held' if budget['held'] else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
