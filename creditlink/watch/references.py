"""Where a model's reference is kept: in its folder, or beside the folders for models from before there was one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from creditlink.engine.scoring.model import CreditModel
from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.settings import SettingError
from creditlink.watch.rules.reference import FILE, DriftJson, DriftReference, from_json, reference_of

FOLDER = "seasons"
"""Beside the folders of models: one file for each model that has no reference of its own."""


class SeasonsJson(TypedDict):
    """A reference that was measured later, bound to the one model that it is of."""

    manifest_sha256: str
    city: dict[str, object]
    reference: DriftJson


def reference_for(model: CreditModel, models_dir: Path) -> DriftReference:
    """Return what a model is held against; bins alone where nothing was kept.

    Raises
    ------
    SettingError
        What was kept cannot be read, or is of another model.
    """
    path = models_dir / FOLDER / f"{model.model_id}.json"
    try:
        if FILE in model.contents or not path.exists():
            return reference_of(model)
        kept: SeasonsJson = json.loads(path.read_text(encoding="utf-8"))
        if kept["manifest_sha256"] != model.sha256:
            raise SettingError(f"{FOLDER}/{path.name}: it is of another model than the folder {model.model_id}")
        return from_json(kept["reference"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingError(f"the reference of model {model.model_id}: {type(error).__name__}: {error}") from error


def write_reference(
    model: CreditModel, reference: DriftReference, models_dir: Path, *, city: dict[str, object]
) -> Path:
    """Write the reference of a model beside the folders; return the file."""
    path = models_dir / FOLDER / f"{model.model_id}.json"
    path.parent.mkdir(exist_ok=True)
    kept: SeasonsJson = {"manifest_sha256": model.sha256, "city": city, "reference": reference.to_json()}
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(canonical_json(kept) + "\n", encoding="utf-8")
    beside.replace(path)
    return path
