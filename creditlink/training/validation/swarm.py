"""What moves a model's scores over the firms of a city, with exact interactions of its trees."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import xgboost
from numpy.typing import NDArray

from creditlink.engine.features.compute import compute
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.swarm import ModelSwarm, swarm_of
from creditlink.training.city import City
from creditlink.training.dataset import known_records, outcomes

MOST_FIRMS = 400
MOST_PAIRED = 60
"""Firms of which the interactions are computed: a matrix of pairs for each."""


def swarm(
    model: CreditModel, reference: Reference, city: City, day: date, *, sample: Mapping[str, object], seed: int
) -> ModelSwarm:
    """Return what moves a model's scores over a sample of a city's firms on a day.

    Raises
    ------
    ValueError
        The city has too few firms on that day.
    """
    firms = outcomes(city, day)["firm"].sort()
    chosen = firms.sample(min(MOST_FIRMS, len(firms)), seed=seed)
    features = compute(known_records(city.records, day, chosen), day, reference)
    scores = model.score(features)
    pairs = interactions(model.booster, scores.x[:MOST_PAIRED])
    return swarm_of(
        model.features,
        scores.x,
        scores.points_contributions,
        pairs * abs(scores.points_per_logit),
        manifest_sha256=model.sha256,
        sample=dict(sample) | {"as_of": day.isoformat(), "sampled": len(chosen)},
        seed=seed,
    )


def interactions(booster: xgboost.Booster, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean absolute SHAP interaction of each pair of inputs, shape (k, k), in log-odds."""
    names = booster.feature_names
    found = booster.predict(xgboost.DMatrix(np.ascontiguousarray(x), feature_names=names), pred_interactions=True)
    pairs: NDArray[np.float64] = np.abs(found[:, :-1, :-1]).mean(axis=0, dtype=np.float64)
    return pairs
