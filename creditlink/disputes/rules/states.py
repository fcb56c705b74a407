"""The life of a dispute, from the day a firm files it to what became of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

STATES: Mapping[str, tuple[str, str]] = {
    "filed": ("已受理，待转数据来源单位", "Taken in, not yet with the source"),
    "sent": ("来源单位核查中", "With the source"),
    "promised": ("来源单位答复已更正，待更正后的数据到达", "The source says it is corrected; the row is awaited"),
    "unkept": (
        "来源单位的答复与其数据不符，人工跟进中",
        "The source's answer and its data disagree; a person looks into it",
    ),
    "corrected": ("已更正", "Corrected"),
    "upheld": ("来源单位维持原记录", "The source stands by its record"),
    "withdrawn": ("已撤回", "Withdrawn"),
}
"""State -> its label in zh and en."""

STEPS: Mapping[str, Mapping[str, str]] = {
    "filed": {"send": "sent", "see": "corrected", "withdraw": "withdrawn"},
    "sent": {
        "send": "sent",
        "promise": "promised",
        "uphold": "upheld",
        "see": "corrected",
        "withdraw": "withdrawn",
    },
    # What was promised is not withdrawn: the source has taken its record back.
    "promised": {"see": "corrected", "trust": "corrected", "doubt": "unkept"},
    "unkept": {"send": "sent", "uphold": "upheld", "see": "corrected", "withdraw": "withdrawn"},
    # A source that stands by its record and corrects it all the same has corrected it.
    "upheld": {"appeal": "filed", "see": "corrected"},
    "corrected": {},
    "withdrawn": {},
}
"""State -> step -> state; what is not here is not allowed."""

OPEN = ("filed", "sent", "promised", "unkept")
"""As long as a dispute is in one of these, its datum is contested."""

WATCHED = (*OPEN, "upheld")
"""States in which a changed row of the source ends the dispute, whatever the source said."""

VERDICTS = ("corrected", "upheld")
"""What a source may answer."""

FIRST, APPEAL = 0, 1
"""Levels: the first look, and the one that the firm asks for once more."""


class DisputeStepRefused(ValueError):
    """A step that a dispute's state forbids; the message names both."""


def after(state: str, step: str) -> str:
    """Return the state that a step leads to.

    Raises
    ------
    DisputeStepRefused
    """
    if step not in STEPS[state]:
        may = ", ".join(STEPS[state]) or "nothing"
        raise DisputeStepRefused(f"{step}: a dispute that is {state} allows {may}")
    return STEPS[state][step]
