"""What a process scores with: the live model, its reference, the score's rules, and the products of today."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from creditlink.engine.explanation.levers import levers_of
from creditlink.engine.explanation.ranking import reason_book
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.reference import Reference
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring import registry
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.model import MANIFEST, CreditModel, ModelFolderError, load, sha256_of
from creditlink.engine.scoring.settings import ScoreSettings
from creditlink.kit.processes.metrics import MODEL_INFO
from creditlink.kit.settings import SettingError, Settings

REGISTRY = "registry.json"


def load_live(settings: Settings) -> LiveModel:
    """Load the model that the settings name.

    Raises
    ------
    SettingError
        The folder is absent or damaged, or the model reads indicators in versions that this code
        does not compute.
    """
    rules = settings.parsed("score.toml", score_settings.parse)
    live = live_model(settings.models_dir / settings.model, rules)
    _check_register(settings, settings.models_dir / settings.model, live.model)
    MODEL_INFO.labels(live.model_id).set(1)
    return live


def live_model(folder: Path, rules: ScoreSettings) -> LiveModel:
    """Load a model folder with the rules of the score; what a worker of a screening does.

    Raises
    ------
    SettingError
        As for `load_live`.
    """
    try:
        model = load(folder, rules.scale)
        reference = Reference.from_json(json.loads((folder / "reference.json").read_text()))
    except OSError as error:
        raise SettingError(f"setting model={folder.name!r}: {error.filename}: {error.strerror}") from error
    except (ModelFolderError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingError(f"setting model={folder.name!r}: {_message(error)}") from error
    wrong = model.version_mismatches({name: indicator.version for name, indicator in BY_NAME.items()})
    if wrong:
        raise SettingError(f"setting model={folder.name!r}: {'; '.join(wrong)}")
    # Sentences and improvements follow the model, also where the catalogue has since freed or bound an indicator.
    held = {name: replace(BY_NAME[name], direction=direction) for name, direction in model.directions.items()}
    reasons = reason_book(model.features, {**BY_NAME, **held}, rules.reasons.groups)
    return LiveModel(model, reference, rules, reasons, levers_of(model, reasons), model.purposes)


def _message(error: Exception) -> str:
    """Return the message of an error, with its kind where the message alone says little (a KeyError's is a name)."""
    return str(error) if isinstance(error, ModelFolderError) else f"{type(error).__name__}: {error}"


def _check_register(settings: Settings, folder: Path, model: CreditModel) -> None:
    """Refuse a model that the register of models does not let serve."""
    path = settings.models_dir / REGISTRY
    try:
        entries = registry.from_json(path.read_text(encoding="utf-8")) if path.exists() else ()
        standing = registry.standings(entries).get(model.model_id)
    except registry.RegistryError as error:
        raise SettingError(f"{path.name}: {error}") from error
    found = sha256_of((folder / MANIFEST).read_bytes())
    why = registry.refusal(standing, manifest_sha256=found, production=settings.is_production)
    if why:
        raise SettingError(f"setting model={settings.model!r}: the model {why}")
