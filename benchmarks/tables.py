"""How good `train table` is beside a plain xgboost on the same folds: on a made-up table, and on real ones.

    python benchmarks/tables.py [--data FOLDER] [--only NAME ...] [--folds N] [--leaf-wise] [--json]

The made-up table has a state of 51 levels and a later quarter. FOLDER holds `polish_bankruptcy`, `sba_case` and
`german_credit`; what it lacks is said. Plain is 300 trees of depth 5, eta .05, subsample .8, colsample .6, categories
split as they are; `rates` is the same with each category's smoothed rate of events instead, learned within the fold.
The lender's case is judged on the half that its authors did not select too, by a fit on the half they did.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from creditlink.training.fitting.fit import fit_whole, margin
from creditlink.training.table import model
from creditlink.training.table.file import RawTable, read_table
from creditlink.training.table.members import LevelMember
from creditlink.training.table.run import Trainer, cross_validate, out_of_time
from creditlink.training.table.table import Roles, prepare

LATE = ("Term", "ChgOffDate", "ChgOffPrinGr", "BalanceGross", "MIS_Status", "xx", "daysterm", "Recession", "RealEstate")
SEED = 2026


@dataclass(frozen=True)
class Plain:
    """A fitted booster and its encoder."""

    encoder: model.Encoder
    member: LevelMember

    def pd(self, columns):
        """Return the uncalibrated probability."""
        return 1 / (1 + np.exp(-margin(self.member.booster, self.encoder.encode(columns))))


def plain(most_levels):
    """Return what fits a plain booster; categories of more levels become rates."""

    def fit(table, rows, seed):
        columns, is_bad = table.columns[rows], table.is_bad[rows]
        usual, model.FEW_LEVELS = model.FEW_LEVELS, most_levels
        try:
            encoder, x = model.Encoder.fit(columns, is_bad, seed)
        finally:
            model.FEW_LEVELS = usual
        booster = fit_whole(
            x, is_bad, weight=table.weight[rows], types=encoder.types, names=[f"c{k}" for k in range(x.shape[1])],
            directions=[0] * x.shape[1], parameters=model.TableParameters(), rounds=300, seed=seed, threads=1,
        )  # fmt: skip
        return Plain(encoder, LevelMember(booster))

    return fit


def made_up(rows=6000):
    """Return loans of 51 states, whose rates differ, over six years."""
    rng = np.random.default_rng(SEED)
    state, year = rng.choice(51, rows, p=rng.dirichlet(np.full(51, 2.0))), rng.integers(2015, 2021, rows)
    size, debt = rng.normal(size=rows), rng.normal(size=rows)
    risk = -1.5 + rng.normal(0, 0.9, 51)[state] + 0.6 * debt - 0.5 * size + 0.5 * debt * (state % 4 == 0)
    bad = rng.random(rows) < 1 / (1 + np.exp(-risk))
    return pl.DataFrame(
        {"state": [f"S{k:02}" for k in state], "year": year * 1.0, "size": size, "debt": debt, "bad": bad * 1.0}
    )


def cases(folder, only):
    """Yield name and table of each case that is there."""
    if "states" in only:
        yield "states", RawTable("states", made_up(), ()), Roles("bad", time="year")
    wanted = {
        "polish1": ("polish_bankruptcy/1year.parquet", Roles("class")),
        "polish5": ("polish_bankruptcy/5year.parquet", Roles("class")),
        "sba": ("sba_case/SBAcase_noname.csv", None),
        "german": ("german_credit/german.data", Roles("column_21")),
    }
    for name in (name for name in wanted if name in only):
        path, roles = wanted[name]
        if folder is None or not (folder / path).exists():
            print(f"{name}: no {path}: name the folder of real data with --data", file=sys.stderr)
            continue
        raw = read_table(folder / path, header=name != "german")
        if roles is None:
            frame = raw.frame.with_columns(judged=1 - pl.col("Selected"))
            raw = RawTable(raw.name, frame, raw.findings)
            roles = Roles("Default", time="judged", ids=("LoanNr_ChkDgt",), exclude=("Selected", *LATE))
        yield name, raw, roles


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["states", "polish1", "polish5", "sba", "german"]
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="real tables")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="which cases; default all")
    parser.add_argument("--folds", type=int, default=5, help="default 5")
    parser.add_argument("--leaf-wise", action="store_true", help="also with LightGBM's boosters (training extra)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    if asked.data is not None and not asked.data.is_dir():
        parser.error(f"--data: there is no folder {asked.data}")
    fits = {"ours": Trainer(), "plain": plain(model.FEW_LEVELS), "rates": plain(0)}
    if asked.leaf_wise:
        fits["leaf-wise"] = Trainer(leaf_wise=True)
    found = {}
    for name, raw, roles in cases(asked.data, asked.only):
        table = prepare(raw, roles, folds=asked.folds)
        for who, fit in fits.items():
            if who == "rates" and "category" not in {table.kind(column) for column in table.columns.columns}:
                continue
            began = time.perf_counter()
            judged = cross_validate(table, fit, folds=asked.folds, seed=SEED)
            row = {"auc": round(judged["auc"], 4), "ece": round(judged["ece"], 4)}
            if table.time is not None:
                row["later_auc"] = round(out_of_time(table, fit, seed=SEED)["auc"], 4)
            found.setdefault(name, {})[who] = row | {"seconds": round(time.perf_counter() - began, 1)}
            if not asked.json:
                later = f"  later {row['later_auc']:.4f}" if "later_auc" in row else ""
                print(f"{name:8} {who:10} AUC {row['auc']:.4f}  ECE {row['ece']:.4f}{later}", flush=True)
    if asked.json:
        print(
            json.dumps({k: {w: {m: round(v, 4) for m, v in r.items()} for w, r in c.items()} for k, c in found.items()})
        )


if __name__ == "__main__":
    main()
