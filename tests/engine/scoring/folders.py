"""Model folders for the tests of loading and scoring."""

import json

import numpy as np
import polars as pl

from creditlink.engine.scoring.calibration.calibration import Calibration
from creditlink.engine.scoring.model import sha256_of
from tests.engine.scoring.boosters import fitted, matrix

NAMES = ("sales", "headcount", "late", "usage", "age")


def peers_json(rows):
    """peers.json where every comparison is from 40 firms, its tenths evenly about the median."""
    spread = {
        cell: {n: [40, *(m + k / 10 for k in range(-4, 5))] for n, m in row.items()} for cell, row in rows.items()
    }
    return json.dumps({"least_firms": 20, "rows": spread}).encode()


def write_folder(folder, *, names=NAMES, calibration=None, seed=0, manifest=None, files=None, **parameters):
    """Fit a small booster on random firms and write it as the trainer does; return its folder."""
    rng = np.random.default_rng(seed)
    booster = fitted(rng, matrix(rng, 600, len(names)), 25, **parameters)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "model.ubj": bytes(booster.save_raw("ubj")),
        "calibration.json": (calibration or Calibration("platt", 0.9, -0.4)).to_json().encode(),
        "card.md": b"# A model of random firms\n",
        "peers.json": peers_json({"*": dict.fromkeys(names, 0.0), "C": {"sales": 0.5}}),
        **(files or {}),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    stated = {
        "model_id": folder.name,
        "purpose": "underwriting",
        "created_at": "2026-01-05T00:00:00Z",
        "features": [{"name": name, "version": 1} for name in names],
        "files": {name: sha256_of(content) for name, content in contents.items()},
        "base_rate": 0.03,
        "packages": {"xgboost": "3"},
        "training": {"seed": seed},
    }
    (folder / "manifest.json").write_text(json.dumps(stated | (manifest or {})))
    return folder


def frame(rows=50, names=NAMES, seed=1, missing=0.2):
    """Firms' features as `engine.features.compute` gives them: null where missing."""
    x = matrix(np.random.default_rng(seed), rows, len(names), missing).astype(np.float64)
    return pl.DataFrame({name: x[:, i] for i, name in enumerate(names)}).fill_nan(None)
