"""Which model serves which purpose, as the register in the database says; a change is followed within seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import structlog
from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.model import MANIFEST, sha256_of
from creditlink.engine.scoring.settings import ScoreSettings
from creditlink.kit.errors import ModelPurpose
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import MODEL_INFO
from creditlink.kit.processes.runtime import Runtime
from creditlink.kit.settings import SettingError, Settings
from creditlink.lifecycle.history import live_models
from creditlink.lifecycle.tables import RegisteredModel
from creditlink.profiles.live import live_model

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How often a process looks at the register, at most."""

_USUAL = "underwriting"
_MOST_LOADED = 6


class ServedModels:
    """The models of a process: one a purpose where the register has any, else the one that the settings name."""

    def __init__(self, settings: Settings, rules: ScoreSettings) -> None:
        self._settings = settings
        self._rules = rules
        self._wanted: Mapping[str, tuple[str, str]] | None = None  # None: the register was not read yet, or is empty
        self._serving: Mapping[str, LiveModel] = {}
        self._loaded: dict[str, LiveModel] = {}
        self._looked_at: float | None = None
        self._lock = threading.RLock()

    def live_for(self, purpose: str, usual: LiveModel) -> LiveModel:
        """Return the model that serves a purpose; `usual` where no register says anything.

        Raises
        ------
        ModelPurpose
            The register has no live model for it; in production also where there is no register.
        """
        if self._wanted is None:
            if self._settings.is_production:
                raise ModelPurpose(f"no model is live for {purpose}: the register of models is empty")
            return usual
        model = self._serving.get(purpose)
        if model is None:
            raise ModelPurpose(f"no model is live for {purpose}")
        return model

    def that_scored(self, model_id: str, sha256: str) -> LiveModel | None:
        """Return a model of this process that scored a profile, if it is in use for some purpose."""
        found = [one for one in self._serving.values() if (one.model_id, one.sha256) == (model_id, sha256)]
        return found[0] if found else None

    def look(self, parts: Runtime) -> None:
        """Read the register if it was not read just now; what changed is loaded beside the requests.

        The first time the request waits for it: nothing is scored by a model that is not live. A database that is away
        changes nothing.
        """
        now = time.monotonic()
        is_first = self._looked_at is None
        if not is_first and now - (self._looked_at or 0.0) < LOOK_SECONDS:
            return
        if not self._lock.acquire(blocking=is_first):
            return
        try:
            if is_first and self._looked_at is not None:  # another request was first
                return
            with db.transaction() as session:
                wanted = live_models(session)
                has_register = bool(wanted) or bool(session.scalar(select(exists(select(RegisteredModel.model_id)))))
            is_changed = has_register and wanted != self._wanted
            if is_changed and is_first:
                self._follow(wanted, parts)
            self._looked_at = now
        except SQLAlchemyError as error:
            log.warning("register_of_models_unread", error=type(error).__name__)
            return
        finally:
            self._lock.release()
        if is_changed and not is_first:
            threading.Thread(target=self._follow, args=(wanted, parts), name="models", daemon=True).start()

    def _follow(self, wanted: Mapping[str, tuple[str, str]], parts: Runtime) -> None:
        """Load what the register says is live and serve it; a folder that is not the registered one is not served."""
        with self._lock:
            serving: dict[str, LiveModel] = {}
            is_whole = True
            for purpose, (model_id, sha256) in wanted.items():
                try:
                    serving[purpose] = self._load(model_id, sha256)
                except SettingError as error:
                    is_whole = False
                    log.error("model_not_served", model_id=model_id, purpose=purpose, error=str(error))
                    if purpose in self._serving:  # better the one that was signed for before than none
                        serving[purpose] = self._serving[purpose]
            before = {one.model_id for one in self._serving.values()}
            self._serving = serving
            self._wanted = wanted if is_whole else {}
            usual = serving.get(_USUAL) or next(iter(serving.values()), None)
            if usual is not None:
                parts.put(usual)
            after = {one.model_id for one in serving.values()}
            for model_id in before | after:
                MODEL_INFO.labels(model_id).set(model_id in after)
            if before != after:
                log.info("models_served", models=sorted(after), before=sorted(before))

    def _load(self, model_id: str, sha256: str) -> LiveModel:
        known = self._loaded.get(sha256)
        if known is not None:
            return known
        folder = self._settings.models_dir / model_id
        try:
            found = sha256_of((folder / MANIFEST).read_bytes())
        except OSError as error:
            raise SettingError(f"model {model_id}: {MANIFEST}: {error.strerror}") from error
        if found != sha256:
            raise SettingError(f"model {model_id} is not the one that was registered: its manifest has changed")
        model = live_model(folder, self._rules)
        while len(self._loaded) >= _MOST_LOADED:
            self._loaded.pop(next(iter(self._loaded)))
        self._loaded[sha256] = model
        return model
