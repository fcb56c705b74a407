"""What turns records into a profile: a credit model, its reference table, and the score's rules."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from creditlink.engine.explanation.levers import Levers, levers_of
from creditlink.engine.explanation.ranking import ReasonBook, reason_book
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.settings import ScoreSettings

REFERENCE = "reference.json"


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
        """Hash of the whole model folder: of its manifest, which states every file's, and which the register names."""
        return self.model.sha256

    def scored(self, model_id: str, sha256: str) -> bool:
        """Return whether it is the model that a profile names."""
        return self.model.scored(model_id, sha256)


def live_from(model: CreditModel, rules: ScoreSettings) -> LiveModel:
    """Return a loaded model with its reference table and the rules of the score.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        The folder has no reference table, or one that cannot be read; the model reads an unknown indicator.
    """
    reference = Reference.from_json(json.loads(model.contents[REFERENCE]))
    # Sentences and improvements follow the model, also where the catalogue has since freed or bound an indicator.
    held = {name: replace(BY_NAME[name], direction=direction) for name, direction in model.directions.items()}
    reasons = reason_book(model.features, {**BY_NAME, **held}, rules.reasons.groups, model.peers.medians())
    return LiveModel(model, reference, rules, reasons, levers_of(model, reasons), model.purposes)
