"""What turns records into a profile: a credit model, its reference table, and the score's rules."""

from __future__ import annotations

from dataclasses import dataclass

from creditlink.engine.explanation.levers import Levers
from creditlink.engine.explanation.ranking import ReasonBook
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.settings import ScoreSettings


@dataclass(frozen=True, eq=False)
class LiveModel:
    """A credit model with everything that turns its output into a profile."""

    model: CreditModel
    reference: Reference
    rules: ScoreSettings
    reasons: ReasonBook
    levers: Levers
    purposes: tuple[str, ...]

    @property
    def model_id(self) -> str:
        """The model's name: its folder."""
        return self.model.model_id

    @property
    def sha256(self) -> str:
        """Hash of the model file, as its manifest states and loading checked."""
        return str(self.model.manifest["files"]["model.ubj"])
