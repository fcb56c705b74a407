"""Which model a command works with: the one that the register in the database has live for a purpose."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.model import MANIFEST, sha256_of
from creditlink.engine.scoring.settings import ScoreSettings
from creditlink.kit.settings import SettingError, Settings
from creditlink.lifecycle.history import live_models
from creditlink.lifecycle.tables import RegisteredModel
from creditlink.profiles.serving.live import live_model, load_live

USUAL = "underwriting"
"""The purpose whose model serves where nothing says what for."""


def model_in_use(session: Session, settings: Settings, purpose: str = USUAL) -> LiveModel:
    """Return the model that is live for a purpose; where no register says anything, the one that the settings name.

    Raises
    ------
    SettingError
        The register has none for the purpose, or none at all in production; its folder is damaged, or is not the
        registered one.
    """
    live = live_models(session)
    if purpose in live:
        return registered_model(settings, *live[purpose], settings.parsed("score.toml", score_settings.parse))
    if session.scalar(select(exists(select(RegisteredModel.model_id)))):
        raise SettingError(f"the register has no live model for {purpose}: creditlink models list")
    if settings.is_production:
        raise SettingError("the register of models is empty: nobody signed for a model")
    return load_live(settings)


def registered_model(settings: Settings, model_id: str, sha256: str, rules: ScoreSettings) -> LiveModel:
    """Load a model of the register.

    Raises
    ------
    SettingError
        Its folder is absent or damaged, or is not the one that was registered.
    """
    folder = settings.models_dir / model_id
    try:
        found = sha256_of((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise SettingError(f"model {model_id}: {MANIFEST}: {error.strerror}") from error
    if found != sha256:
        raise SettingError(f"model {model_id} is not the one that was registered: its manifest has changed")
    return live_model(folder, rules)
