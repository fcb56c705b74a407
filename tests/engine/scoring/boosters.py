"""Boosters and matrices for the tests of explanations."""

import json
import warnings

import numpy as np
import xgboost as xgb


def matrix(rng, rows, width, missing=0.2, ties=False):
    x = rng.normal(size=(rows, width)).astype(np.float32)
    if ties:
        x = np.round(x * 2).astype(np.float32) / 2
    x[rng.random(x.shape) < missing] = np.nan
    return x


def fitted(rng, x, rounds=20, **parameters):
    informative = np.nan_to_num(x[:, : max(1, x.shape[1] // 2)]).sum(axis=1)
    y = (informative + rng.normal(size=len(x)) > 0.5).astype(np.float32)
    defaults = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "nthread": 1, "seed": 1}
    return xgb.train(defaults | parameters, xgb.DMatrix(x, y), rounds)


def exact_margins(booster, x):
    """The margin of each row in double precision, walking every tree: slow and plain."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    p = float(np.float32(learner["learner_model_param"]["base_score"].strip("[]")))
    total = np.full(len(x), np.log(p / (1 - p)))
    for tree in learner["gradient_booster"]["model"]["trees"]:
        for i, row in enumerate(x):
            node = 0
            while tree["left_children"][node] != -1:
                value = row[tree["split_indices"][node]]
                if np.isnan(value):
                    left = tree["default_left"][node]
                else:
                    left = value < np.float32(tree["split_conditions"][node])
                node = tree["left_children" if left else "right_children"][node]
            total[i] += float(np.float32(tree["split_conditions"][node]))
    return total


def imported_shap():
    """Import shap past the deprecation warnings that its plots raise against a newer matplotlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    return shap
