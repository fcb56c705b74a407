"""The platform's answers, as far as the demo reads them."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class LabelBody(TypedDict):
    """A dimension, and the points that it adds."""

    label_zh: str
    label_en: str
    points_contribution: float


class ReasonBody(TypedDict):
    """A reason or a strength, in a sentence."""

    code: str
    points_contribution: float
    sentence_zh: str
    sentence_en: str


class KnockOutBody(TypedDict):
    """A fact that rules a firm out."""

    code: str
    label_zh: str
    label_en: str


class CoverageBody(TypedDict):
    """How well the data of one category covers the firm."""

    status: str
    source: str | None
    rows: NotRequired[int]
    months: NotRequired[int]
    rejected: NotRequired[int]


class PartialBody(TypedDict):
    """What a profile lacks, in words."""

    text_zh: str
    text_en: str


class ModelBody(TypedDict):
    """The model behind a profile."""

    model_id: str


class RevokedWayBody(TypedDict):
    """The way to a firm that was struck off, in words."""

    text_zh: str
    text_en: str


class ToldTiesBody(TypedDict):
    """What a profile tells of its firm's ties."""

    ways_to_revoked: list[RevokedWayBody]


class GroupFirmBody(TypedDict):
    """A firm of a group."""

    name: str


class GivenBody(TypedDict):
    """The circles of guarantees that a firm is in, by size."""

    circles: list[int]


class RelationsBody(TypedDict):
    """A firm's relations."""

    group: list[GroupFirmBody]
    guarantees: GivenBody | None


class ProfileBody(TypedDict):
    """A profile."""

    id: str
    consent_id: str
    state: str
    not_scorable_reason: str | None
    grade: str | None
    points: int
    pd_12m: float
    human_review: bool
    model: ModelBody
    partial: PartialBody | None
    knock_outs: list[KnockOutBody]
    dimensions: list[LabelBody]
    reasons: list[ReasonBody]
    strengths: list[ReasonBody]
    coverage: dict[str, CoverageBody]
    relations: ToldTiesBody


class ContributionBody(TypedDict):
    """What one indicator contributes, in log-odds and in points."""

    contribution: float
    points_contribution: float


class ExplanationBody(TypedDict):
    """A profile's explanation: contributions that add up to the margin and the points."""

    base_value: float
    margin: float
    points_base: float
    points_calibration: float
    points_exact: float
    indicators: list[ContributionBody]


class PricedBody(TypedDict):
    """What a product comes to for a firm."""

    limit_fen: NotRequired[int | None]
    term_months: int
    rate_bps: float
    yearly_cost_bps: float


class RuleBody(TypedDict):
    """How one rule of a product turned out."""

    outcome: str


class MatchedBody(TypedDict):
    """A product as it matches a firm."""

    product: str
    institution: str
    name_zh: str
    name_en: str
    state: str
    offer: PricedBody
    rules: list[RuleBody]


class NearMissBody(TypedDict):
    """A product that the firm just misses, and what would open it."""

    name_en: str
    unlock_en: str


class MatchesBody(TypedDict):
    """A page of the products beside a profile."""

    counts: dict[str, int]
    total: int
    products: list[MatchedBody]
    near_misses: list[NearMissBody]


class RequestedBody(TypedDict):
    """What a firm asks for."""

    amount_fen: int
    term_months: int


class OfferAnswer(TypedDict):
    """A lender's offer."""

    sha256: str
    amount_fen: int
    rate_bps: int
    fee_fen: int
    yearly_cost_bps: int
    total_cost_fen: int
    repayment: str


class ProductBody(TypedDict):
    """The product that an application is for."""

    code: str


class WeighedBody(TypedDict):
    """A reason for a decline, and how it agrees with the explanation."""

    agreement: str


class EventBody(TypedDict):
    """One step of an application's history."""

    event: str
    to_state: str


class ApplicationBody(TypedDict):
    """An application for financing, as its lender reads it."""

    state: str
    request: RequestedBody
    product: ProductBody
    offer: OfferAnswer
    declined_for: list[WeighedBody]
    history: list[EventBody]


class DeclineReasonBody(TypedDict):
    """A reason that a lender can decline for, and the profile's reason codes that bear it out."""

    code: str
    label_en: str
    reason_codes: list[str]


class RowErrorBody(TypedDict):
    """What is wrong with a line of a file of outcomes."""

    line: int
    field: str
    value: str
    problem: str


class OutcomeFileBody(TypedDict):
    """What became of a file of outcomes."""

    recorded: int
    errors: list[RowErrorBody]


class AgreementBody(TypedDict):
    """How often a lender's reason agreed or disagreed with the explanation."""

    code: str
    agreements: dict[str, int]


class DisagreementBody(TypedDict):
    """A lender's disagreements with the explanations, by reason."""

    by_reason: list[AgreementBody]


class FunnelBody(TypedDict):
    """The public funnel; only whether it has rows is read."""

    rows: list[object]
