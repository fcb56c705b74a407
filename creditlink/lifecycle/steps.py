"""What may follow what in a model's life, who signs it, and with what evidence. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

STATUSES = ("candidate", "validated", "approved", "shadow", "live", "retired")

NEXT: Mapping[str, tuple[str, ...]] = {
    "candidate": ("validated", "retired"),
    "validated": ("approved", "retired"),
    "approved": ("shadow", "retired"),
    "shadow": ("live", "retired"),
    "live": ("retired",),
    "retired": (),  # a rollback alone leads back
}
"""Status -> what may follow, for one purpose."""

SIGNERS: Mapping[str, tuple[str, ...]] = {
    "validated": ("risk",),
    "approved": ("risk",),
    "shadow": ("risk", "operator"),
    "live": ("risk", "operator"),
}
"""Status -> the roles that may sign it, the first being the usual."""

PROPOSERS = ("model_owner", "risk")
TIERS = ("1", "2", "3")
"""How much hangs on a model: 1 decides about credit, 2 supports such a decision, 3 is for information.

Source: SR 11-7, Supervisory Guidance on Model Risk Management (2011), which asks for tiers by materiality.
"""

CONFIRM_WITHIN = timedelta(hours=24)
"""How soon another person must confirm a rollback that one person made in an emergency."""


FALL_BACK_FROM = ("approved", "shadow")
"""What a model must be for a purpose to take over there by itself: people approved it, or it was live before."""


class ModelStepRefused(ValueError):
    """A step that the rules forbid; `reason` is for programs."""

    def __init__(self, message: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class StepEvidence:
    """What a step rests on: the hash of the validation report, the conditions of an approval."""

    report_sha256: str | None = None
    conditions: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return what is given, as it is signed."""
        members = {"report_sha256": self.report_sha256, "conditions": self.conditions}
        return {name: value for name, value in members.items() if value is not None}


def check_step(
    model_id: str, standing: Mapping[str, str], purposes: Collection[str], to: str, evidence: StepEvidence
) -> None:
    """Refuse a step that may not follow for one of the purposes, or that lacks what it rests on.

    Parameters
    ----------
    standing : purpose -> status of the model, for all its purposes.

    Raises
    ------
    ModelStepRefused
        A purpose is not the model's, the status may not follow, or evidence is missing.
    """
    if not purposes:
        raise ModelStepRefused(f"{model_id}: a step is for one purpose at least", reason="purpose")
    for purpose in sorted(purposes):
        if purpose not in standing:
            known = ", ".join(sorted(standing))
            raise ModelStepRefused(f"{model_id} is registered for {known}, not for {purpose}", reason="purpose")
        if to not in NEXT[standing[purpose]]:
            may = ", ".join(NEXT[standing[purpose]]) or "nothing but a rollback"
            raise ModelStepRefused(
                f"{model_id} is {standing[purpose]} for {purpose}, which {may} may follow, not {to}", reason="status"
            )
    if to == "validated" and not evidence.report_sha256:
        raise ModelStepRefused(f"{model_id}: validated needs the hash of the validation report", reason="report")
    if to == "approved" and not (evidence.conditions or "").strip():
        raise ModelStepRefused(f"{model_id}: approved needs its conditions", reason="conditions")


def check_signer(model_id: str, signer: str, earlier: Mapping[str, str]) -> None:
    """Refuse a signer who signed another step of the model: each takes another account.

    Parameters
    ----------
    earlier : who signed -> which step, of all steps on the model's way.

    Raises
    ------
    ModelStepRefused
        They signed one.
    """
    if signer in earlier:
        raise ModelStepRefused(
            f"{model_id}: you signed {earlier[signer]} already; each step takes another account", reason="signed"
        )


def check_fall_back(model_id: str, purpose: str, status: str, *, was_live: bool) -> None:
    """Refuse a model that nobody approved for a purpose, or that serves it already.

    Raises
    ------
    ModelStepRefused
        It may not take over.
    """
    if status == "live":
        raise ModelStepRefused(f"{model_id} is live for {purpose}", reason="status")
    if status not in FALL_BACK_FROM and not (status == "retired" and was_live):
        raise ModelStepRefused(
            f"{model_id} is {status} for {purpose}: to fall back on it takes a model that was approved", reason="status"
        )
