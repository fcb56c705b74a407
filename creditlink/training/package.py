"""Writing a model folder: every file, its hash, and the card; all of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.scoring.manifest import ModelManifest
from creditlink.engine.scoring.model import MANIFEST, load, sha256_of
from creditlink.engine.scoring.settings import ScorableSettings
from creditlink.kit.clock import add_months
from creditlink.training.card import render_card
from creditlink.training.city import City, CityManifest
from creditlink.training.dataset import OUTCOME_MONTHS
from creditlink.training.fitting.champion import BOOSTED, Champion, Step
from creditlink.training.fitting.seasons import seasons
from creditlink.training.folder import versions
from creditlink.training.validation.document import rounded
from creditlink.training.validation.figures import Challenger, validate
from creditlink.watch.rules import reference as drift


def write_model(
    out: Path,
    champion: Champion,
    city: City,
    *,
    purposes: Sequence[str],
    created_at: datetime,
    replace: bool = False,
    challenger: Challenger | None = None,
    evidence: ScorableSettings | None = None,
    step: Step = lambda _: None,
) -> ModelManifest:
    """Write the folder of a model, judged on the day of `city` that it did not learn from; return its manifest.

    The folder appears whole: it is written beside its place and renamed, so no process ever
    loads half of one. The model is judged as it will be loaded; the card is drawn from the
    validation's figures.

    Parameters
    ----------
    challenger, evidence : see `validate`
    step : called with what was measured, `validation.steps_of()` times

    Raises
    ------
    FileExistsError
        The folder exists and `replace` is false.
    """
    if out.exists() and not replace:
        raise FileExistsError(f"{out} exists; a model is never overwritten, give it another name or --replace it")
    contents = {
        "model.ubj": bytes(champion.fitted.booster.save_raw("ubj")),
        "calibration.json": champion.calibration.to_json().encode(),
        "interval.json": champion.interval.to_json().encode(),
        "peers.json": _compact(champion.peers.to_json()),
        "reference.json": _json(champion.reference.to_json()),
    }
    manifest = _manifest(out.name, champion, city.manifest, purposes, created_at)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _fill(beside, contents, manifest)
        model = load(beside)
        contents |= {
            drift.FILE: _compact(dict(seasons(model, champion.reference, city, champion.plan.test).to_json())),
            **{name: _json(cast(Mapping[str, object], document)) for name, document in champion.files.items()},
        }
        _fill(beside, contents, manifest)
        figures = validate(load(beside), champion.reference, city, challenger=challenger, evidence=evidence, step=step)
        if figures["scorability"]:
            manifest["not_scorable"] = rounded(figures)["scorability"][0]
        contents |= {
            "validation.json": _json(rounded(figures)),
            "card.md": render_card(manifest, rounded(figures)).encode(),
        }
        _fill(beside, contents, manifest)
        beside.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        os.replace(beside, out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return manifest


def _fill(folder: Path, contents: Mapping[str, bytes], manifest: ModelManifest) -> None:
    manifest["files"] = {name: sha256_of(content) for name, content in sorted(contents.items())}
    for name, content in (*contents.items(), (MANIFEST, _json(manifest))):
        (folder / name).write_bytes(content)


def _manifest(
    model_id: str, champion: Champion, city_manifest: CityManifest, purposes: Sequence[str], created_at: datetime
) -> ModelManifest:
    plan = champion.plan
    return {
        "model_id": model_id,
        "purposes": list(purposes),
        "created_at": created_at.isoformat(timespec="seconds"),
        "target": "90 days past due within 12 months after as_of",
        "base_rate": champion.base_rate,
        "features": [{"name": i.name, "version": i.version, "direction": i.direction} for i in CATALOGUE],
        "training": {
            "data": "synthetic city",
            "method": champion.method,
            "city": {
                k: city_manifest.get(k)
                for k in ("generator_version", "seed", "firms", "months", "first_period", "last_period")
            },
            "snapshots": [day.isoformat() for day in plan.train],
            "window": [
                plan.train[0].isoformat(),
                add_months(plan.train[-1], OUTCOME_MONTHS, ends_stay=True).isoformat(),
            ],
            "test_snapshot": plan.test.isoformat(),
            "seed": champion.seed,
            "rows": champion.rows,
            "parameters": champion.parameters.to_json() if champion.method == BOOSTED else {},
            "rounds": champion.fitted.rounds,
            "leak_warnings": [leak.to_dict() for leak in champion.leaks],
        },
        "packages": versions(),
        "grade_bands_version": 1,
        "interval_level": champion.interval.level,
        "files": {},  # filled with the files
    }


def _json(members: Mapping[str, object]) -> bytes:
    return (json.dumps(members, indent=1, ensure_ascii=False) + "\n").encode()


def _compact(members: Mapping[str, object]) -> bytes:
    """As `_json`, on one line: a table of ten thousand numbers is not read by people."""
    return (json.dumps(members, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
