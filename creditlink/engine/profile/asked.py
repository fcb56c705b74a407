"""What a profile is computed from besides the facts, as it is stored with the profile. Pure."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from creditlink.engine.capacity.debt import LoanHeld
from creditlink.engine.capacity.settings import CapacityTerms
from creditlink.engine.facts.relief_policies import PolicyJson
from creditlink.engine.profile.ties import ToldRelations
from creditlink.engine.profile.validity import ValidityInputs
from creditlink.engine.scoring.limits.contradicted import ContradictionJson
from creditlink.engine.scoring.limits.frozen import FrozenInputs


class CapacityInputs(TypedDict):
    """What a firm's capacity is derived from besides the facts."""

    terms: CapacityTerms
    loans: list[LoanHeld]  # of the institution that asks


class UploadInputs(TypedDict):
    """What a profile was computed from of the firm's own files, so that a replay reads the same."""

    fact_ids: list[int]
    contradicted: list[ContradictionJson]


class ProfileInputs(TypedDict):
    """What a profile is computed from besides the facts."""

    categories: list[str]
    since: str
    amount_fen: int | None
    term_months: int | None
    missing: dict[str, str]  # category -> why it gave nothing
    incomplete: NotRequired[dict[str, str]]  # category -> why it gave less than it has
    partial: NotRequired[dict[str, str]]  # required category -> why it was not delivered
    products: list[tuple[str, int]]  # code and version
    approval_model: NotRequired[str | None]
    relief: NotRequired[list[PolicyJson]]  # policies in force on the day that are for such a firm
    capacity: NotRequired[CapacityInputs]
    validity: NotRequired[ValidityInputs]
    uploads: NotRequired[UploadInputs]  # of the firm's own files, where the bank accepts them
    relations: NotRequired[ToldRelations]
    frozen: NotRequired[FrozenInputs]  # where the watch has a person look at every decision of the model
    edition: NotRequired[int]  # of the reasons' rules and words; the first where it is not named
