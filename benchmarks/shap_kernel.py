"""Exact SHAP values: CreditLink's tables against xgboost and shap.TreeExplainer, on identical rows and threads.

Each is measured on rows enough for its speed, in turns, and its best turn counts: a noisy machine
slows all of them down. The share of memory bandwidth compares with a plain copy of as many bytes as
the tables read and write per row: a kernel that did no arithmetic at all would reach 100 %.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

OTHER = """
import sys, time
import numpy as np, xgboost
folder, threads, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
booster = xgboost.Booster(model_file=folder + "/model.ubj")
booster.set_param({"nthread": threads})
booster.feature_names = None
rows = np.load(folder + "/rows.npy")
matrix = xgboost.DMatrix(rows, nthread=threads)
seconds = []
for _ in range(turns + 1):  # the first only warms up
    began = time.perf_counter()
    found = booster.predict(matrix, pred_contribs=True)
    seconds.append(time.perf_counter() - began)
np.save(folder + "/found.npy", found)
print(xgboost.__version__, len(rows) / min(seconds[1:]))
"""
"""What another interpreter runs: its xgboost on the same model and rows."""


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--rows", type=int, default=200_000, help="rows for the tables (default 200000)")
    parser.add_argument("--reference-rows", type=int, default=1500, help="rows for the two others (default 1500)")
    parser.add_argument("--threads", type=int, default=2, help="threads for all three (default 2)")
    parser.add_argument("--turns", type=int, default=3, help="turns, of which the best counts (default 3)")
    parser.add_argument("--features", type=int, default=60, help="features of the random models (default 60)")
    parser.add_argument("--trees", type=int, nargs="*", default=[100, 300], help="random models of so many trees")
    parser.add_argument("--model", type=Path, help="also a model folder, such as models/city-2026g")
    parser.add_argument(
        "--other-python", type=Path, metavar="PYTHON",
        help="an interpreter with numpy and another xgboost (3.4 needs Python 3.12), to compare with that too",
    )  # fmt: skip
    parser.add_argument("--no-champion", action="store_true", help="leave out the committed champion")
    return parser.parse_args()


def best(turns, task):
    """Return the shortest time of some turns, in seconds."""
    times = []
    for _ in range(turns):
        began = time.perf_counter()
        task()
        times.append(time.perf_counter() - began)
    return min(times)


def random_model(np, xgboost, features, trees, threads):
    """Fit a booster on random firms of which a fifth of all values is missing."""
    random = np.random.default_rng(trees)
    x = rows_of(np, random, 4000, features)
    y = (np.nan_to_num(x[:, :10]).sum(axis=1) + random.normal(size=len(x)) > 3).astype(np.float32)
    settings = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.1, "nthread": threads, "seed": trees}
    return xgboost.train(settings, xgboost.DMatrix(x, y), trees), lambda count: rows_of(np, random, count, features)


def rows_of(np, random, count, features):
    """Draw rows, a fifth of whose values is missing."""
    x = random.normal(size=(features, count)).astype(np.float32)
    x[random.random(x.shape) < 0.2] = np.nan
    return x.T  # by column, as indicators come


def folder_model(np, xgboost, folder):
    """Load a model folder, and draw rows around its own thresholds."""
    from creditlink.engine.scoring.model import load
    from creditlink.engine.scoring.trees.explain import prepare
    from creditlink.engine.scoring.trees.tabulation import ShapTables

    booster = load(folder).booster
    booster.feature_names = None  # rows come without names here
    tables = prepare(booster)
    random = np.random.default_rng(0)

    def rows(count):
        x = np.full((booster.num_features(), count), np.nan, np.float32)
        for feature in range(len(x)) if isinstance(tables, ShapTables) else ():
            cuts = tables.thresholds[tables.targets == feature]
            if cuts.size:
                x[feature] = random.choice(cuts, count) * random.normal(1, 0.1, count)
        x[random.random(x.shape) < 0.2] = np.nan
        return x.T

    return booster, rows


def measure(np, xgboost, shap, name, booster, rows, options):
    """Compare the three on one model."""
    from creditlink.engine.scoring.trees.explain import explain, prepare

    booster.set_param({"nthread": options.threads})
    began = time.perf_counter()
    tables = prepare(booster)
    build_seconds = time.perf_counter() - began
    few, many = rows(options.reference_rows), rows(options.rows)
    began = time.perf_counter()
    ours = explain(tables, few)
    first_call_seconds = time.perf_counter() - began
    # Rows in a DMatrix already: what is compared is explaining, not copying.
    matrix = xgboost.DMatrix(few, nthread=options.threads)
    reference = shap.TreeExplainer(booster)
    by_xgboost = booster.predict(matrix, pred_contribs=True)
    by_shap = reference.shap_values(few)
    copied = np.empty((many.shape[1], len(many)), np.float64)
    seconds = {"ours": [], "xgboost": [], "shap": [], "copy": []}
    for _ in range(options.turns):
        seconds["ours"].append(best(1, lambda: explain(tables, many, threads=options.threads)))
        seconds["xgboost"].append(best(1, lambda: booster.predict(matrix, pred_contribs=True)))
        seconds["shap"].append(best(1, lambda: reference.shap_values(few)))
        seconds["copy"].append(best(1, lambda: np.copyto(copied, many.T)))
    rate = {
        key: (options.rows if key in ("ours", "copy") else options.reference_rows) / min(s)
        for key, s in seconds.items()
    }
    one = few[:1]
    other = by_another(np, options, booster, few, ours, rate["ours"]) if options.other_python else {}
    return other | {
        "model": name,
        "trees": booster.num_boosted_rounds(),
        "features": booster.num_features(),
        "threads": options.threads,
        "rows_per_second": {key: round(rate[key]) for key in ("ours", "xgboost", "shap")},
        "ratio_to_xgboost": round(rate["ours"] / rate["xgboost"], 1),
        "ratio_to_shap": round(rate["ours"] / rate["shap"], 1),
        "largest_difference_to_xgboost": float(np.abs(ours.contributions - by_xgboost[:, :-1]).max()),
        "largest_difference_to_shap": float(np.abs(ours.contributions - by_shap).max()),
        "base_plus_contributions_less_margin": float(
            np.abs(ours.base_value + ours.contributions.sum(axis=1) - ours.margin).max()
        ),
        "one_row_microseconds": {
            "ours": round(1e6 * best(200, lambda: explain(tables, one)), 1),
            "xgboost": round(1e6 * best(20, lambda: booster.predict(xgboost.DMatrix(one), pred_contribs=True)), 1),
        },
        "share_of_memory_bandwidth": round(rate["ours"] / rate["copy"], 4),
        "build_seconds": round(build_seconds, 3),
        "first_call_seconds": round(first_call_seconds, 3),
    }


def by_another(np, options, booster, rows, ours, rate):
    """Let the xgboost of another interpreter explain the same rows; return its speed and difference."""
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(f"{folder}/model.ubj")
        np.save(f"{folder}/rows.npy", rows)
        command = [options.other_python, "-c", OTHER, folder, str(options.threads), str(options.turns)]
        environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
        environment.pop("PYTHONPATH", None)
        told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
        found = np.load(f"{folder}/found.npy")
    return {
        "other_xgboost": told[0],
        "other_rows_per_second": round(float(told[1])),
        "ratio_to_other_xgboost": round(rate / float(told[1]), 1),
        "largest_difference_to_other": float(np.abs(ours.contributions - found[:, :-1]).max()),
    }


def main():
    """Measure each model and print the comparison."""
    options = arguments()
    # shap.TreeExplainer and xgboost take their threads from OpenMP, which reads this once.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import numpy as np
    import xgboost

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap's plots and a newer matplotlib
        import shap

    results = []
    for trees in options.trees:
        booster, rows = random_model(np, xgboost, options.features, trees, options.threads)
        results.append(measure(np, xgboost, shap, f"random, {trees} trees", booster, rows, options))
    folders = [options.model] if options.model else []
    if not options.no_champion:
        folders += sorted((Path(__file__).resolve().parent.parent / "models").glob("city-*"))
    for folder in folders:
        booster, rows = folder_model(np, xgboost, folder)
        results.append(measure(np, xgboost, shap, folder.name, booster, rows, options))
    versions = {"python": platform.python_version(), "xgboost": xgboost.__version__, "shap": shap.__version__}
    if options.json:
        print(json.dumps({"versions": versions, "results": results}))
        return
    print("  ".join(f"{name} {version}" for name, version in versions.items()))
    for r in results:
        rate = r["rows_per_second"]
        print(
            f"{r['model']}, {r['trees']} trees × {r['features']} features, {r['threads']} threads:\n"
            f"  rows/s  ours {rate['ours']:,}  xgboost {rate['xgboost']:,} (× {r['ratio_to_xgboost']})  "
            f"shap {rate['shap']:,} (× {r['ratio_to_shap']})\n"
            f"  largest difference  xgboost {r['largest_difference_to_xgboost']:.1e}  "
            f"shap {r['largest_difference_to_shap']:.1e}  own sum {r['base_plus_contributions_less_margin']:.1e}\n"
            f"  one row  ours {r['one_row_microseconds']['ours']} µs  xgboost {r['one_row_microseconds']['xgboost']} µs"
            f"   memory bandwidth {r['share_of_memory_bandwidth']:.0%}"
            f"   tables {r['build_seconds']} s, first call {r['first_call_seconds']} s"
        )
        if "other_xgboost" in r:
            print(
                f"  xgboost {r['other_xgboost']}: {r['other_rows_per_second']:,} rows/s "
                f"(× {r['ratio_to_other_xgboost']}), largest difference {r['largest_difference_to_other']:.1e}"
            )


if __name__ == "__main__":
    main()
