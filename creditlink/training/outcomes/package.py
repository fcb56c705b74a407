"""Writing the folder of a model that learned from outcomes alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.manifest import ManifestOutcomes, ModelManifest
from creditlink.engine.scoring.model import CALIBRATION, MANIFEST, MODEL, PEERS, load, sha256_of
from creditlink.training.fitting.peers import peer_table
from creditlink.training.folder import versions, written_at_once
from creditlink.training.outcomes.applicants import Applicants
from creditlink.training.outcomes.card import render_datasheet, render_outcome_card
from creditlink.training.outcomes.fitting import OutcomeModel, fit_outcomes
from creditlink.training.outcomes.validation import OutcomeValidation, validate_outcomes
from creditlink.training.recalibration.outcomes import AS_OF, FIRM
from creditlink.training.validation.document import six_digits

OUTCOMES, REFERENCE, DATASHEET = "outcomes.json", "reference.json", "datasheet.md"


def train_on_outcomes(
    parent: Path,
    applicants: Applicants,
    out: Path,
    *,
    seed: int,
    purposes: Sequence[str],
    created_at: datetime,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[ModelManifest, OutcomeValidation]:
    """Write a model fitted to the labelled rows; return its manifest and how good it is.

    The folder appears whole, and is loaded before it does.

    Parameters
    ----------
    parent : the model under whose reference table the indicators were computed; the medians in it stay, its default
        rates, which are the city's, do not

    Raises
    ------
    FileExistsError
        There is something at `out`: a model is never overwritten.
    OutcomesUnusable
        Too few firms went bad or stayed good, or a value cannot be.
    ModelFolderError
        The parent cannot be used.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists; a model is never overwritten, give the new one another name")
    reference = Reference.from_json(json.loads(load(parent).contents[REFERENCE]))
    rows = applicants.labelled()
    model = fit_outcomes(rows.features, rows.is_bad, rows.firm, seed=seed, step=step)
    figures = cast("OutcomeValidation", six_digits(validate_outcomes(model, rows, seed=seed)))
    manifest = _manifest(out.name, model, rows, parent.name, purposes, created_at)
    newest = rows.rows.sort(AS_OF, nulls_last=False).unique(FIRM, keep="last", maintain_order=True)
    contents = {
        MODEL: bytes(model.booster.save_raw("ubj")),
        CALIBRATION: model.calibration.to_json().encode(),
        PEERS: _json(peer_table(newest).to_json()),
        REFERENCE: _json(Reference(reference.spread, {}).to_json()),
        OUTCOMES: _json(figures),
        DATASHEET: render_datasheet(manifest, figures).encode(),
        "card.md": render_outcome_card(manifest, figures).encode(),
    }
    manifest["files"] = {name: sha256_of(content) for name, content in sorted(contents.items())}
    written_at_once(out, {**contents, MANIFEST: _json(manifest)})
    return manifest, figures


def _manifest(
    model_id: str, model: OutcomeModel, rows: Applicants, parent: str, purposes: Sequence[str], created_at: datetime
) -> ModelManifest:
    days = rows.rows[AS_OF].drop_nulls()
    outcomes: ManifestOutcomes = {
        "source": rows.source,
        "sha256": rows.sha256,
        "rows": rows.rows.height,
        "bads": int(rows.is_bad.sum()),
        "since": None if days.is_empty() else str(days.min()),
        "until": None if days.is_empty() else str(days.max()),
        "horizon_months": rows.horizon_months,
        "cut": None if rows.cut is None else rows.cut.isoformat(),
        "reference_of": parent,
    }
    return {
        "model_id": model_id,
        "purposes": list(purposes),
        "created_at": created_at.isoformat(timespec="seconds"),
        "target": f"90 days past due within {rows.horizon_months} months after as_of",
        "base_rate": float(rows.is_bad.mean()),
        "features": [
            {"name": name, "version": BY_NAME[name].version, "direction": BY_NAME[name].direction}
            for name in model.names
        ],
        "training": {
            "data": "outcomes of real loans",
            "seed": model.seed,
            "rows": {"fit": rows.rows.height},
            "parameters": model.parameters.to_json(),
            "rounds": model.rounds,
        },
        "outcomes": outcomes,
        "packages": versions(),
        "grade_bands_version": 1,
        "files": {},  # filled with the files
    }


def _json(members: object) -> bytes:
    return (json.dumps(members, indent=1, ensure_ascii=False) + "\n").encode()
