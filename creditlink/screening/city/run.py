"""A screening from beginning to end: what is left to do, the partitions, the manifest, the summary, the lists."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numba
import numpy as np
import polars as pl

from creditlink import __version__
from creditlink.engine.scoring.trees.library import xgboost
from creditlink.screening.city.counts import PartitionCounts, ScreeningManifest
from creditlink.screening.city.engines import Engine
from creditlink.screening.city.inputs import partitions
from creditlink.screening.city.partition import FIRMS, part_file, subject_names
from creditlink.screening.city.plan import BEST, ScreeningPlan, tools
from creditlink.screening.city.storage import DataFolder, open_folder
from creditlink.screening.city.summary import summary

MANIFEST, SUMMARY = "manifest.json", "summary.json"

Progress = Callable[[int, int, int], None]
"""Called with partitions done, partitions in all, and firms screened so far."""


class AnotherRun(ValueError):
    """The folder has the results of another screening."""


@dataclass(frozen=True)
class ScreeningOutcome:
    """The outcome of a run: its manifest, and the partitions set aside with their reasons."""

    manifest: ScreeningManifest
    rejected: dict[str, str]


def screen(plan: ScreeningPlan, engine: Engine, *, now: datetime, progress: Progress | None = None) -> ScreeningOutcome:
    """Screen what is not yet screened of a city, and write manifest and summary.

    A partition counts as screened when its counts are there, computed with the same plan, and its firms
    are there: both were written whole. So a run that was killed continues where it stopped.

    Raises
    ------
    AnotherRun
        The folder has results of another model, day, products or code.
    CityUnusable
        The city has no partition.
    EngineError
        The workers were lost; finished partitions stay.
    """
    began = time.perf_counter()
    out = open_folder(plan.out)
    names = partitions(open_folder(plan.city))
    key = plan.key
    if out.exists(MANIFEST) and json.loads(out.read(MANIFEST)).get("key") != key:
        raise AnotherRun(f"{plan.out}: holds another screening (other model, day, products or code); choose another")
    earlier = {name: part for name in names if (part := _finished(out, name, key)) is not None}
    left = [name for name in names if name not in earlier]
    if not out.exists(MANIFEST):
        _write(out, MANIFEST, {"key": key, "state": "running", "city": plan.city, "as_of": plan.as_of.isoformat()})
    parts, rejected = dict(earlier), dict[str, str]()
    firms = sum(part["firms"] for part in earlier.values())
    if progress:
        progress(len(earlier), len(names), firms)
    for done in engine.run(plan, left) if left else ():
        if done.counts is None:
            rejected[done.name] = done.rejected or ""
        else:
            parts[done.name] = done.counts
            firms += done.counts["firms"]
        if progress:
            progress(len(parts) + len(rejected), len(names), firms)
    ordered = [parts[name] for name in names if name in parts]
    manifest = _manifest(plan, ordered, rejected, resumed=len(earlier))
    manifest["finished_at"] = now.isoformat()
    manifest["seconds"] = {"this_run": round(time.perf_counter() - began, 3), **_seconds(ordered)}
    _write(out, SUMMARY, summary(ordered, manifest["products"]))
    _write(out, MANIFEST, manifest)
    return ScreeningOutcome(manifest, rejected)


def _finished(out: DataFolder, name: str, key: str) -> PartitionCounts | None:
    try:
        part: PartitionCounts = json.loads(out.read(part_file(name)))
    except (FileNotFoundError, ValueError):
        return None
    return part if part.get("key") == key and out.exists(f"{FIRMS}/{name}") else None


def _manifest(
    plan: ScreeningPlan, parts: Sequence[PartitionCounts], rejected: dict[str, str], *, resumed: int
) -> ScreeningManifest:
    used = tools(plan)
    return {
        "key": plan.key,
        "state": "complete" if not rejected else "incomplete",
        "city": plan.city,
        "as_of": plan.as_of.isoformat(),
        "model": used.live.model_id,
        "model_sha256": plan.model_sha256,
        "versions": {
            "creditlink": __version__,
            "numba": numba.__version__,
            "numpy": np.__version__,
            "polars": pl.__version__,
            "xgboost": xgboost.__version__,
        },
        "partitions": len(parts),
        "partitions_resumed": resumed,
        "firms": sum(part["firms"] for part in parts),
        "rows": sum(part["rows"] for part in parts),
        "rejected": rejected,
        "products": [terms.code for terms in used.book.products],
        "best_kept": BEST,
        "reasons": [*used.live.reasons.groups, *(f"missing:{name}" for name in used.live.reasons.categories)],
        "features": list(used.live.model.features),
        "subjects": list(subject_names(used)),
        "inputs": {name: digest for part in parts for name, digest in sorted(part["inputs"].items())},
    }


def _seconds(parts: Sequence[PartitionCounts]) -> dict[str, float]:
    stages: dict[str, float] = {}
    for part in parts:
        for stage, seconds in part["seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    return {f"{stage}_of_all_workers": round(seconds, 3) for stage, seconds in stages.items()}


def _write(out: DataFolder, name: str, content: Mapping[str, object]) -> None:
    out.write(name, json.dumps(content, ensure_ascii=False, indent=1).encode())
