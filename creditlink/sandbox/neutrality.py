"""What missing a category does to firms' scores: category × cause × goods and bads, on a city.

Every firm is profiled with everything and with one category gone, by each cause as the product meets it: refused (not
granted), or granted and without a row (the source is down, not connected, or has no record).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from creditlink.engine.facts.frames import CATEGORY_FRAMES, OPTIONAL_CATEGORIES, empty
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.training.city import City
from creditlink.training.dataset import known_records, outcomes, plan_for

CAUSES = ("not_granted", "source_down", "not_connected", "no_record")


def shifts(city: City, live: LiveModel, book: ProductBook) -> list[dict[str, object]]:
    """Return a row per category and cause: mean PD and points, less those with everything.

    Firms with a score both ways count. `error` is the shift's standard error; `implied_bads` is how far bads would move
    if both PDs were exact: the mean of an exact PD p over those who go bad is E[p²] / E[p].
    """
    as_of = plan_for(city.snapshots, city.first_period).test
    labels = outcomes(city, as_of)
    records = known_records(city.records, as_of, labels["firm"])
    bad, hazard = labels["is_bad"].to_numpy() == 1, labels["hazard_12m"].to_numpy()
    before = profile_many(records, as_of=as_of, live=live, book=book)
    rows = []
    for category in sorted(OPTIONAL_CATEGORIES):
        without = replace(records, **{name: empty(name) for name in CATEGORY_FRAMES[category]})
        for cause in CAUSES:
            granted = None if cause != "not_granted" else frozenset(OPTIONAL_CATEGORIES) - {category}
            after = profile_many(without, as_of=as_of, live=live, book=book, granted=granted)
            here = scorable(before.features, live.rules.scorable) & scorable(after.features, live.rules.scorable)
            p, q = before.scores.pd_12m[here], after.scores.pd_12m[here]
            points = (after.scores.points_exact - before.scores.points_exact)[here]
            b, h, moved = bad[here], hazard[here], q - p
            rows.append(
                {
                    "category": category,
                    "cause": cause,
                    "firms": int(here.sum()),
                    "mean_pd": float(p.mean()),
                    "shift": float(moved.mean()),
                    "error": float(moved.std() / np.sqrt(len(moved))),
                    "relative": float(moved.mean() / p.mean()),
                    # Over goods and bads by the city's true hazard: the outcome is one draw of it.
                    "shift_goods": float((moved * (1 - h)).sum() / (1 - h).sum()),
                    "shift_bads": float((moved * h).sum() / h.sum()),
                    "implied_bads": float((q**2).sum() / q.sum() - (p**2).sum() / p.sum()),
                    "points": float(points.mean()),
                    "points_goods": float(points[~b].mean()),
                    "points_bads": float(points[b].mean()) if b.any() else 0.0,
                }
            )
    return rows
