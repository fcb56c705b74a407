"""Where the model that scored a stored profile comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from creditlink.decisions.policy import store
from creditlink.decisions.policy.bundle import PolicyDamaged
from creditlink.engine.explanation.change.states import ScoreBasis
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.model import ModelFolderError, load
from creditlink.kit.errors import Conflict
from creditlink.kit.processes import runtime
from creditlink.profiles.tables import Profile


class ModelSource(Protocol):
    """Whatever keeps models beyond the one in use."""

    def basis_of(self, profile: Profile) -> ScoreBasis:
        """Return by what a profile was scored.

        Raises
        ------
        Conflict
            Its model is not kept.
        """
        ...


class _KeptBases(runtime.Memory[tuple[str, str], ScoreBasis]):
    """Earlier models that were read from their folders."""


@dataclass(frozen=True)
class ModelFolders:
    """The model in use, and those whose folders lie beside its own; each is read once.

    The scale is today's: where a profile was scored by another, its score does not follow from its values, and whoever
    compares says so.
    """

    live: LiveModel
    folder: Path

    def basis_of(self, profile: Profile) -> ScoreBasis:
        """Return by what a profile was scored; see `ModelSource`."""
        wanted = profile.model_id, profile.model_sha256
        if self.live.scored(*wanted):
            return ScoreBasis.of(self.live.model)
        kept = runtime.process().get_or_make(_KeptBases, _KeptBases)
        return kept.get(wanted, lambda: self._basis(profile))

    def _basis(self, profile: Profile) -> ScoreBasis:
        folder = self.folder / Path(profile.model_id).name
        try:
            model = load(folder, self.live.model.scale)
        except ModelFolderError as error:
            raise Conflict(f"model {profile.model_id} is not at hand: {error}", reason="model_not_at_hand") from None
        if not model.scored(profile.model_id, profile.model_sha256):
            raise Conflict(
                f"model {profile.model_id} is not at hand: its folder holds other trees", reason="model_not_at_hand"
            )
        return ScoreBasis.of(model)


@dataclass(frozen=True)
class PinnedModels:
    """The policy bundle that a profile names, with model, calibration and scale of its day; else `folders`."""

    session: Session
    folders: ModelFolders

    def basis_of(self, profile: Profile) -> ScoreBasis:
        """Return by what a profile was scored; see `ModelSource`."""
        if profile.bundle_sha256 is None:
            return self.folders.basis_of(profile)  # made before bundles were kept
        try:
            return ScoreBasis.of(store.loaded(self.session, profile.bundle_sha256).live.model)
        except (LookupError, PolicyDamaged) as error:
            raise Conflict(f"the policy of that day is not at hand: {error}", reason="model_not_at_hand") from None
