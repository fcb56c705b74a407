"""What a process scores with: the live model, its reference, the score's rules, and the products of today."""

from __future__ import annotations

from pathlib import Path

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.profile.live_model import REFERENCE, LiveModel, live_from
from creditlink.engine.scoring import registry
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.model import CreditModel, ModelFolderError, load
from creditlink.engine.scoring.settings import ScoreSettings
from creditlink.kit.processes.metrics import MODEL_INFO
from creditlink.kit.settings import SettingError, Settings


def load_live(settings: Settings) -> LiveModel:
    """Load the model that the settings name.

    Raises
    ------
    SettingError
        The folder is absent or damaged, or the model reads indicators in versions that this code
        does not compute.
    """
    return _load(settings, is_live=settings.is_production)


def load_first(settings: Settings) -> LiveModel:
    """Load the model that the settings name, for whoever has the database, whose register says which is live.

    Raises
    ------
    SettingError
        As for `load_live`, but that production's model need not be live in the file.
    """
    return _load(settings, is_live=False)


def _load(settings: Settings, *, is_live: bool) -> LiveModel:
    rules = settings.parsed("score.toml", score_settings.parse)
    live = live_model(settings.models_dir / settings.model, rules)
    _check_register(settings, live.model, is_live=is_live)
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
        if REFERENCE not in model.contents:
            raise ModelFolderError(f"{REFERENCE}: the manifest does not state it")
        live = live_from(model, rules)
    except OSError as error:
        raise SettingError(f"setting model={folder.name!r}: {error.filename}: {error.strerror}") from error
    except (ModelFolderError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingError(f"setting model={folder.name!r}: {_message(error)}") from error
    wrong = model.version_mismatches({name: indicator.version for name, indicator in BY_NAME.items()})
    if wrong:
        raise SettingError(f"setting model={folder.name!r}: {'; '.join(wrong)}")
    return live


def _message(error: Exception) -> str:
    """Return the message of an error, with its kind where the message alone says little (a KeyError's is a name)."""
    return str(error) if isinstance(error, ModelFolderError) else f"{type(error).__name__}: {error}"


def _check_register(settings: Settings, model: CreditModel, *, is_live: bool) -> None:
    """Refuse a model that the file of the register does not let serve; where `is_live`, one that is not live in it."""
    path = settings.models_dir / registry.FILE
    try:
        entries = registry.from_json(path.read_text(encoding="utf-8")) if path.exists() else ()
        standing = registry.standings(entries).get(model.model_id)
    except registry.RegistryError as error:
        raise SettingError(f"{path.name}: {error}") from error
    why = registry.refusal(standing, manifest_sha256=model.sha256, production=is_live)
    if why:
        raise SettingError(f"setting model={settings.model!r}: the model {why}")
