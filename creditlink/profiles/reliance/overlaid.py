"""A profile as a bank's overlay takes it, and whether a replay gives the overlay's result again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from sqlalchemy.orm import Session

from creditlink.engine.overlay.result import BaseScore
from creditlink.engine.profile.snapshot import Snapshot
from creditlink.engine.scoring.scale import Scale
from creditlink.overlays.application import overlay_of, recomputed
from creditlink.profiles.tables import Profile

_BESIDE = ("partial", "knock_outs", "human_review")


class ComputedProfile(Protocol):
    """What stored and recomputed profiles have in common."""

    @property
    def state(self) -> str:
        """`scored` or `not_scorable`."""
        ...

    @property
    def points(self) -> int | None:
        """Whole points."""
        ...

    @property
    def grade(self) -> str | None:
        """The grade as given."""
        ...

    @property
    def pd_12m(self) -> float | None:
        """The calibrated PD."""
        ...

    @property
    def summary(self) -> Mapping[str, object]:
        """What stands beside the score."""
        ...

    @property
    def explanation(self) -> Mapping[str, object]:
        """Every indicator's value and contribution."""
        ...


def base_score(computed: ComputedProfile, registration: Mapping[str, object]) -> BaseScore:
    """Return the part of a profile that an overlay is applied to."""
    # As JSON has it: stored and computed profiles are read alike.
    beside = json.loads(json.dumps({name: computed.summary.get(name) for name in _BESIDE}))
    explanation = json.loads(json.dumps(dict(computed.explanation)))
    partial = beside["partial"]
    return BaseScore(
        state=computed.state,
        points=computed.points,
        points_exact=explanation["points_exact"] if computed.state == "scored" else None,
        pd_12m=computed.pd_12m,
        grade=computed.grade,
        values={name: value for name, (value, *_) in explanation["indicators"].items()},
        registration=registration,
        best_grade=None if partial is None else partial["best_grade"],
        knock_outs=tuple(one["code"] for one in beside["knock_outs"]),
        human_review=tuple(one["code"] for one in beside["human_review"]),
    )


def overlay_is_the_same(session: Session, profile: Profile, again: Snapshot, scale: Scale) -> bool:
    """Return whether the overlay of a profile, if it has one, comes out the same on what a replay gave."""
    stored = overlay_of(session, profile)
    if stored is None:
        return True
    # What is computed and what was read back differ in form alone where a number is both whole and large.
    return recomputed(session, stored, base_score(again, profile.registration), scale) == stored.result
