"""Why a decision comes to a person, and until when it must be decided. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

ASKED = "sole_trader_asks"
DISAGREE = "models_disagree"
KNOCKED_OUT = "knocked_out"

CAUSES: Mapping[str, tuple[str, str]] = {
    ASKED: ("个体工商户要求人工复核", "The sole trader asks for a person"),
    "partial": ("必需的数据未取得", "A required category was not delivered"),
    DISAGREE: ("模型之间结论不一致", "Two models disagree"),
    "model_frozen": ("模型的输入数据发生漂移", "The model's inputs have shifted"),
    "contested": ("数据有争议", "The data is contested"),
    KNOCKED_OUT: ("触发一票否决事项", "A fact rules the firm out"),
}
"""Cause -> its label in zh and en."""


class ReviewedResult(TypedDict):
    """The model's result as it stood when a case was opened; a review never changes it."""

    state: str  # scored | not_scorable
    grade: str | None
    points: int | None
    partial: bool  # its grade is capped for want of records
    knock_outs: list[str]  # codes


@dataclass(frozen=True)
class ReviewSubject:
    """The profile that a case is about."""

    profile_id: str  # prf_…
    is_sole_trader: bool
    review_codes: tuple[str, ...]
    result: ReviewedResult


def causes_at_creation(
    subject: ReviewSubject, codes: Mapping[str, str], *, refusal_stands: bool = False
) -> tuple[str, ...]:
    """Return why a new profile comes to a person, each cause once, in the order of `CAUSES`; empty: it does not.

    Parameters
    ----------
    codes : reason of human review -> cause.
    refusal_stands : the sole trader refused automated decisions under the same consent before.
    """
    found = {codes[code] for code in subject.review_codes if code in codes}
    if subject.result["knock_outs"]:
        found.add(KNOCKED_OUT)
    if refusal_stands and subject.is_sole_trader:
        found.add(ASKED)
    return in_order(found)


def in_order(causes: Collection[str]) -> tuple[str, ...]:
    """Return causes in the order of `CAUSES`, each once."""
    return tuple(cause for cause in CAUSES if cause in causes)


def due_at(causes: Iterable[str], days: Mapping[str, int], *, now: datetime) -> datetime:
    """Return when a case that is opened `now` must be decided: the shortest time of its causes."""
    return now + timedelta(days=min(days[cause] for cause in causes))
