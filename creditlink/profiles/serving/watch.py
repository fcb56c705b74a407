"""Which model serves which purpose, as the register in the database says; a change is followed within seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import structlog
from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.limits.frozen import FrozenInputs
from creditlink.kit.clock import day_of
from creditlink.kit.errors import ModelPurpose
from creditlink.kit.postgres import db
from creditlink.kit.processes.metrics import MODEL_INFO
from creditlink.kit.processes.runtime import Runtime
from creditlink.kit.settings import SettingError, Settings
from creditlink.lifecycle.history import live_models
from creditlink.lifecycle.restraint import PurposeFreeze, frozen_purposes
from creditlink.lifecycle.tables import RegisteredModel
from creditlink.profiles.serving.in_use import USUAL, registered_model

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How often a process looks at the register, at most."""

STALE_SECONDS = 10.0
"""A request that comes this long after the last look waits for the next one."""

_MOST_LOADED = 6


class ServedModels:
    """The models of a process: one a purpose where the register has any, else the one that the settings name."""

    def __init__(self, settings: Settings, first: LiveModel) -> None:
        self._settings = settings
        self._first = first
        self._wanted: Mapping[str, tuple[str, str]] | None = None  # None: the register was not read yet, or is empty
        self._serving: Mapping[str, LiveModel] = {}
        self._frozen: Mapping[str, PurposeFreeze] = {}
        self._loaded = {first.sha256: first}
        self._looked_at = float("-inf")
        self._is_looking = False
        self._lock = threading.Lock()

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

    def frozen_for(self, purpose: str, live: LiveModel) -> FrozenInputs | None:
        """Return since when a person must look at every decision for a purpose; None: the model decides alone."""
        frozen = self._frozen.get(purpose)
        if frozen is None or frozen.model_id != live.model_id:
            return None
        return {"since": day_of(frozen.since).isoformat(), "model_id": frozen.model_id}

    def that_scored(self, model_id: str, sha256: str) -> LiveModel | None:
        """Return a model of this process that scored a profile, if it is in use for some purpose."""
        found = [one for one in self._serving.values() if one.scored(model_id, sha256)]
        return found[0] if found else None

    def look(self, parts: Runtime) -> None:
        """Read the register beside the requests, every few seconds; a database that is away changes nothing.

        The first request waits for it, and so does one that comes after a pause: nothing is scored by a model that is
        no longer live.
        """
        age = time.monotonic() - self._looked_at
        if age > STALE_SECONDS:
            with self._lock:
                if time.monotonic() - self._looked_at > STALE_SECONDS:  # else another request was first
                    self._read(parts)
        elif age >= LOOK_SECONDS and not self._is_looking:
            self._is_looking = True
            threading.Thread(target=self._read_beside, args=(parts,), name="models", daemon=True).start()

    def _read_beside(self, parts: Runtime) -> None:
        try:
            with self._lock:
                self._read(parts)
        finally:
            self._is_looking = False

    def _read(self, parts: Runtime) -> None:
        try:
            with db.current().probing() as session:
                wanted, frozen = live_models(session), frozen_purposes(session)
                has_register = bool(wanted) or bool(session.scalar(select(exists(select(RegisteredModel.model_id)))))
            self._frozen = frozen
            if has_register and wanted != self._wanted:
                self._follow(wanted, parts)
        except SQLAlchemyError as error:
            log.warning("register_of_models_unread", error=type(error).__name__)
        finally:
            self._looked_at = time.monotonic()

    def _follow(self, wanted: Mapping[str, tuple[str, str]], parts: Runtime) -> None:
        """Load what the register says is live and serve it; a folder that is not the registered one is not served."""
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
        before = {one.model_id for one in self._serving.values()} or {self._first.model_id}
        self._serving = serving
        self._wanted = wanted if is_whole else {}
        usual = serving.get(USUAL) or next(iter(serving.values()), None)
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
        model = registered_model(self._settings, model_id, sha256, self._first.rules)
        while len(self._loaded) >= _MOST_LOADED:
            self._loaded.pop(next(iter(self._loaded)))
        self._loaded[sha256] = model
        return model
