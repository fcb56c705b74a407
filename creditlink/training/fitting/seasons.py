"""What a model's inputs and scores looked like through its newest year: the reference of the watch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.compute import compute
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel
from creditlink.training.city import City
from creditlink.training.dataset import known_records, outcomes
from creditlink.watch.rules.reference import GRADE, POINTS, DriftReference, days_measured, measured
from creditlink.watch.rules.segments import FEWEST, parts_of

Floats = NDArray[np.float64]


def seasons(model: CreditModel, reference: Reference, city: City, last: date) -> DriftReference:
    """Return the counts of a city's firms on two days of each of the twelve months up to `last`, an end of a month.

    Only inputs and scores are counted, never outcomes: the newest year may be one that the model did not learn from.
    """
    days: list[tuple[date, Mapping[str, Floats]]] = []
    segments: dict[date, Mapping[str, NDArray[np.bool_]]] = {}
    for day in days_measured(last):
        # The firms of the newest day whose truth the city tells: those that were alive then.
        firms = outcomes(city, max(one for one in city.snapshots if one <= day))["firm"]
        records = known_records(city.records, day, firms)
        features = compute(records, day, reference)
        scores = model.score(features)
        days.append(
            (
                day,
                {
                    **{name: _values(features, name) for name in model.features},
                    POINTS: scores.points.astype(np.float64),
                    GRADE: model.scale.grade_number(scores.pd_12m).astype(np.float64),
                },
            )
        )
        registration = features.select("firm").join(records.registration, on="firm", how="left", maintain_order="left")
        segments[day] = _parts(registration)
    return measured(days, segments)


def _parts(registration: pl.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Return part -> which firms belong to it, for parts of enough firms."""
    of_firm = [parts_of(row) for row in registration.iter_rows(named=True)]
    names = sorted({part for parts in of_firm for part in parts})
    inside = {name: np.array([name in parts for parts in of_firm]) for name in names}
    return {name: mask for name, mask in inside.items() if mask.sum() >= FEWEST}


def _values(features: pl.DataFrame, name: str) -> Floats:
    return features[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
