"""Which reasons firms get: how many, of which kind and how strong, under each pattern of consent.

    python benchmarks/reasons.py --city var/city --json
    python benchmarks/reasons.py --invoices FOLDER --as-of 2020-01-15

`missing`: told of records that are too short; `last`: of those, the share in the last place; `firms`: share of firms
that get one; `like the others`: the value is that of the median of the peers. Shares of all reasons that cost points.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from creditlink.engine.explanation.reasons import FirmReasons, reasons_for
from creditlink.engine.facts.frames import OPTIONAL_CATEGORIES
from creditlink.engine.features.compute import compute
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.kit.settings import load_settings
from creditlink.profiles.serving.live import load_live
from creditlink.records.files.invoice_folder import read_invoice_folder
from creditlink.screening import invoices as screening
from creditlink.training.city import read_city
from creditlink.training.dataset import LABELS, plan_for, read_day
from creditlink.training.validation.measure import MEASURED_CASES, rows_of

Case = tuple[str, pl.DataFrame, list[str | None], dict[str, str]]


def cases_of_city(folder: Path, live: LiveModel) -> Iterator[Case]:
    """Yield each pattern: its name, indicators, industries and what is missing of all firms."""
    city = read_city(folder)
    day = read_day(city, plan_for(city.snapshots, city.first_period).test, live.reference)
    for case in MEASURED_CASES:
        rows = rows_of(day, case, 1)
        kind, _, name = case.partition(" ")
        missing = {name: "not_granted"} if kind == "without" and name in OPTIONAL_CATEGORIES else {}
        yield case, rows.drop(LABELS), rows["industry"].to_list(), missing


def cases_of_invoices(folder: Path, as_of: date, live: LiveModel) -> Iterator[Case]:
    """Yield the one pattern of a folder of invoices."""
    read = read_invoice_folder(folder)
    records = screening.records_of(read, as_of)
    features = compute(records, as_of, live.reference)
    yield folder.name, features.drop("firm"), [None] * features.height, screening.NOT_CONNECTED


def figures(told: list[FirmReasons]) -> dict[str, float]:
    """Return how many reasons there are and of which kind, as shares."""
    every = [(firm, place, reason) for firm in told for place, reason in enumerate(firm.adverse)]
    missing = [(firm, place) for firm, place, reason in every if reason.kind == "missing"]
    equal = [r for _, _, r in every if r.comparison is not None and r.comparison.relation == "equal"]
    count = max(len(every), 1)
    return {
        "firms": len(told),
        "reasons": len(every),
        "per_firm": len(every) / max(len(told), 1),
        "missing": len(missing) / count,
        "last": sum(place == len(firm.adverse) - 1 for firm, place in missing) / max(len(missing), 1),
        "firms_with_missing": len({id(firm) for firm, _ in missing}) / max(len(told), 1),
        "like_the_others": len(equal) / count,
        "median_points": float(np.median([-r.points_contribution for _, _, r in every])) if every else 0.0,
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--city", type=Path)
    parser.add_argument("--invoices", type=Path)
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2020, 1, 15))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    live = load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))
    found: dict[str, dict[str, float]] = {}
    for cases in (
        cases_of_city(asked.city, live) if asked.city else iter(()),
        cases_of_invoices(asked.invoices, asked.as_of, live) if asked.invoices else iter(()),
    ):
        for name, features, industries, missing in cases:
            kept = scorable(features, live.rules.scorable)
            chosen = features.filter(pl.Series(kept))
            told = reasons_for(
                live.model.score(chosen), chosen, live.model, live.reasons, settings=live.rules.reasons,
                industries=[one for one, keep in zip(industries, kept, strict=True) if keep],
                missing=[missing] * chosen.height,
            )  # fmt: skip
            found[name] = figures(told)
    if asked.json:
        print(json.dumps(found))
        return
    print(
        f"{'case':28}{'firms':>7}{'per firm':>9}{'missing':>9}{'last':>7}{'firms':>7}{'like others':>12}{'points':>8}"
    )
    for name, f in found.items():
        print(
            f"{name:28}{f['firms']:7.0f}{f['per_firm']:9.2f}{f['missing']:9.1%}{f['last']:7.0%}"
            f"{f['firms_with_missing']:7.1%}{f['like_the_others']:12.1%}{f['median_points']:8.1f}"
        )


if __name__ == "__main__":
    main()
