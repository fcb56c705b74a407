"""Two stored profiles of one firm, compared."""

from __future__ import annotations

from creditlink.engine.explanation.change.change import Change, change_between
from creditlink.engine.explanation.change.split import NotReproduced
from creditlink.engine.explanation.change.states import ScoredState
from creditlink.kit.errors import Conflict
from creditlink.profiles.changes.model_source import ModelSource
from creditlink.profiles.tables import Profile


def compare(before: Profile, after: Profile, source: ModelSource) -> Change:
    """Return what changed from one profile to a later one; whose they are is the caller's to check.

    Raises
    ------
    Conflict
        The profiles are of two firms or in the wrong order, a model is not kept, or a score cannot be reproduced.
    """
    if before.enterprise_id != after.enterprise_id:
        raise Conflict("the two profiles are of two firms", reason="two_firms")
    if before.created_at > after.created_at:
        raise Conflict("`since` must be the earlier of the two profiles", reason="wrong_order")
    states = state_of(before), state_of(after)
    if not all(state.is_scored for state in states):
        return change_between(*states, None)
    try:
        return change_between(*states, (source.basis_of(before), source.basis_of(after)))
    except NotReproduced as error:
        raise Conflict(f"{error}: the policy of that day is not at hand", reason="not_reproduced") from None


def state_of(profile: Profile) -> ScoredState:
    """Return the part of a stored profile that a change is computed from."""
    explanation, partial = profile.explanation, profile.summary.get("partial")
    scored = profile.state == "scored"
    why = profile.summary.get("not_scorable_reason")
    return ScoredState(
        as_of=profile.as_of,
        values={name: value for name, (value, *_) in explanation["indicators"].items()},
        status={category: row["status"] for category, row in profile.coverage.items()},
        present=frozenset(category for category, row in profile.coverage.items() if row["rows"]),
        points=profile.points if scored else None,
        points_exact=explanation["points_exact"] if scored else None,
        grade=profile.grade,
        grade_by_score=(partial or {}).get("grade_by_score") or profile.grade,
        refusal=None if why is None else (why["sentence_zh"], why["sentence_en"]),
    )
