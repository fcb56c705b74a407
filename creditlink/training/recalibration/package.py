"""Writing the folder of a recalibrated model: its parent's trees, a new calibration and interval, and the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict, cast

from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.engine.scoring.manifest import ManifestRecalibration, ModelManifest
from creditlink.engine.scoring.model import CALIBRATION, INTERVAL, MANIFEST, MODEL, PEERS, CreditModel, load, sha256_of
from creditlink.training.folder import written_at_once
from creditlink.training.recalibration.adjustment import (
    Adjustment,
    AdjustmentFigures,
    Floats,
    figures,
    fit_adjustment,
    held_out,
)
from creditlink.training.recalibration.card import render_recalibration
from creditlink.training.recalibration.outcomes import RealOutcomes
from creditlink.training.validation.document import six_digits

KEPT = (MODEL, PEERS, "reference.json")
"""Files of the parent that the new folder has byte for byte."""

RECALIBRATION = "recalibration.json"


class RecalibrationDocument(TypedDict):
    """recalibration.json: the adjustment, and how near PDs came to the outcomes, before and after.

    `after` is of rows that the adjustment was not fitted to.
    """

    adjustment: Mapping[str, float | None]
    before: AdjustmentFigures
    after: AdjustmentFigures


def recalibrate(
    parent: Path, outcomes: RealOutcomes, out: Path, *, created_at: datetime
) -> tuple[ModelManifest, RecalibrationDocument]:
    """Write a model with the trees of `parent` and the level of `outcomes`; return its manifest and the figures.

    The folder appears whole, and is loaded before it does.

    Raises
    ------
    FileExistsError
        There is something at `out`: a model is never overwritten.
    OutcomesUnusable
        Too few firms went bad, or too few stayed good.
    ModelFolderError
        The parent cannot be used.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists; a model is never overwritten, give the new one another name")
    model = load(parent)
    adjustment = fit_adjustment(outcomes)
    document = _document(model, outcomes, adjustment)
    manifest = _manifest(model, parent, outcomes, adjustment, out.name, created_at)
    contents = {name: (parent / name).read_bytes() for name in KEPT if name in model.manifest["files"]}
    calibration = model.calibration.rescaled(adjustment.slope, adjustment.level)
    contents[CALIBRATION] = calibration.to_json().encode()
    if model.interval is not None:
        interval = model.interval.rescaled(adjustment.slope, adjustment.level, adjustment.level_error)
        contents[INTERVAL] = interval.to_json().encode()
    contents[RECALIBRATION] = _json(document)
    card = (parent / "card.md").read_text(encoding="utf-8") if "card.md" in model.manifest["files"] else ""
    contents["card.md"] = render_recalibration(manifest, document["before"], document["after"], card).encode()
    manifest["files"] = {name: sha256_of(content) for name, content in sorted(contents.items())}
    written_at_once(out, {**contents, MANIFEST: _json(manifest)})
    return manifest, document


def _document(model: CreditModel, outcomes: RealOutcomes, adjustment: Adjustment) -> RecalibrationDocument:
    def judged(logit: Floats) -> AdjustmentFigures:
        return figures(outcomes, logit, model.scale.grade(sigmoid(logit)))

    document = {
        "adjustment": dict(vars(adjustment)),
        "before": judged(outcomes.logit),
        "after": judged(held_out(outcomes)),
    }
    return cast("RecalibrationDocument", six_digits(document))


def _manifest(
    model: CreditModel, parent: Path, outcomes: RealOutcomes, fitted: Adjustment, model_id: str, created_at: datetime
) -> ModelManifest:
    recalibration: ManifestRecalibration = {
        "parent": model.model_id,
        "parent_manifest_sha256": sha256_of((parent / MANIFEST).read_bytes()),
        "source": outcomes.source,
        "outcomes_sha256": outcomes.sha256,
        "rows": len(outcomes.logit),
        "bads": int(outcomes.is_bad.sum()),
        "firms": None if outcomes.firm is None else outcomes.bad_firms + outcomes.good_firms,
        "since": None if outcomes.since is None else outcomes.since.isoformat(),
        "until": None if outcomes.until is None else outcomes.until.isoformat(),
        "slope": fitted.slope,
        "level": fitted.level,
        "level_error": fitted.level_error,
    }
    weighted = float((outcomes.weight * outcomes.is_bad).sum() / outcomes.weight.sum())
    manifest = cast("ModelManifest", dict(model.manifest))
    # How firms without a score fared was measured elsewhere.
    manifest.pop("not_scorable", None)
    manifest["model_id"] = model_id
    manifest["created_at"] = created_at.isoformat(timespec="seconds")
    manifest["base_rate"] = weighted
    manifest["recalibration"] = recalibration
    return manifest


def _json(members: object) -> bytes:
    return (json.dumps(members, indent=1, ensure_ascii=False) + "\n").encode()
