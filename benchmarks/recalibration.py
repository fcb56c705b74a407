"""What `train recalibrate` does on a city whose firms go bad twice as often as the model learned.

    python benchmarks/recalibration.py --firms 20000 --times 2
    python benchmarks/recalibration.py --city var/twice

Half of the firms have outcomes, which the model is recalibrated with; the other half judges: ECE and coverage of the
firms' true probabilities by the interval, before and after.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel, load
from creditlink.kit.clock import utc_now
from creditlink.kit.settings import ROOT, load_settings
from creditlink.sandbox.city import write_city
from creditlink.training.city import read_city
from creditlink.training.dataset import plan_for, read_day
from creditlink.training.recalibration.outcomes import read_outcomes
from creditlink.training.recalibration.package import recalibrate
from creditlink.training.validation import metrics


def figures(model: CreditModel, rows: pl.DataFrame) -> dict[str, float]:
    """Return how near a model comes to the outcomes and the truth of some firms."""
    scores, hazard = model.score(rows), rows["hazard_12m"].to_numpy()
    within = np.ones(len(scores), bool)
    if scores.pd_low is not None and scores.pd_high is not None:
        within = (scores.pd_low <= hazard) & (hazard <= scores.pd_high)
    return {
        "mean_pd": float(scores.pd_12m.mean()),
        "bad_rate": float(rows["is_bad"].mean() or 0.0),  # type: ignore[arg-type]  # a share
        "ece": metrics.ece(rows["is_bad"].to_numpy(), scores.pd_12m),
        "ece_against_hazard": metrics.ece(hazard, scores.pd_12m),
        "interval_coverage": float(within.mean()),
        "interval_width": float((scores.pd_high - scores.pd_low).mean()) if scores.pd_high is not None else 0.0,
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firms", type=int, default=20_000)
    parser.add_argument("--times", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=911)
    parser.add_argument("--city", type=Path, help="A city that is there already.")
    asked = parser.parse_args()
    parent = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}).model
    folder = ROOT / "models" / parent
    model = load(folder)
    with tempfile.TemporaryDirectory() as room:
        path = asked.city or Path(room) / "city"
        if asked.city is None:
            write_city(
                *(path,), firms=asked.firms, months=36, seed=asked.seed, until=date(2026, 10, 1),
                hazard_times=asked.times,
            )  # fmt: skip
        city = read_city(path)
        reference = Reference.from_json(json.loads((folder / "reference.json").read_text()))
        rows = read_day(city, plan_for(city.snapshots, city.first_period).test, reference).rows()
        told, judging = rows.filter(pl.col("firm") % 2 == 0), rows.filter(pl.col("firm") % 2 == 1)
        told.select("firm", "as_of", "is_bad", *model.features).write_parquet(Path(room) / "outcomes.parquet")
        outcomes = read_outcomes(Path(room) / "outcomes.parquet", model)
        manifest, document = recalibrate(folder, outcomes, Path(room) / "recalibrated", created_at=utc_now())
        after = load(Path(room) / "recalibrated")
        print(
            json.dumps(
                {
                    "recalibration": manifest["recalibration"],
                    "told": {"before": document["before"], "after": document["after"]},
                    "judging": {"before": figures(model, judging), "after": figures(after, judging)},
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
