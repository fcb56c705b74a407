"""The API's bodies as types. Generated from docs/openapi.json by generate_models.py: do not edit."""

from __future__ import annotations

from typing import Any, Literal, Required, TypedDict

class AboutTokenForm(TypedDict, total=False):
    """Which token"""
    token: Required[str]
    token_type_hint: str
    client_id: str
    client_assertion_type: Required[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]]
    client_assertion: Required[str]

class Acknowledgement(TypedDict, total=False):
    """Acknowledgement"""
    action: Required[Literal["none", "recomputed", "decision_reviewed", "no_longer_held"]]

class Alarm(TypedDict, total=False):
    """Alarm"""
    id: Required[str]
    purpose: str
    model_id: str
    act: str
    series: list[str]
    detail: dict[str, Any]
    raised_on: str
    seen_on: str
    raised_at: str
    closed_at: str | None
    resolution: str | None

class AlarmClose(TypedDict, total=False):
    """AlarmClose"""
    resolution: Required[str]

class AlarmList(TypedDict, total=False):
    """AlarmList"""
    items: Required[list[Alarm]]

class Application(TypedDict, total=False):
    """Application"""
    id: Required[str]
    state: str
    allowed: list[str]
    enterprise_id: str
    request: Request
    product: AppliedProduct
    first_loan: bool
    warnings: list[Warning]
    consent_id: str
    consent_state: str
    made_at: str
    changed_at: str
    answer_due_at: str
    escalated_at: str | None
    answered_at: str | None
    due_at: str | None
    offer: Offer | None
    declined_for: list[DeclinedFor]

class ApplicationInFull(TypedDict, total=False):
    """ApplicationInFull"""
    id: Required[str]
    state: str
    allowed: list[str]
    enterprise_id: str
    request: Request
    product: AppliedProduct
    first_loan: bool
    warnings: list[Warning]
    consent_id: str
    consent_state: str
    made_at: str
    changed_at: str
    answer_due_at: str
    escalated_at: str | None
    answered_at: str | None
    due_at: str | None
    offer: Offer | None
    declined_for: list[DeclinedFor]
    history: list[Event]
    loan: list[LoanFact]

class ApplicationPage(TypedDict, total=False):
    """ApplicationPage"""
    items: Required[list[Application]]
    next_cursor: Required[str | None]

class AppliedProduct(TypedDict, total=False):
    """AppliedProduct"""
    code: str
    version: int

class AuthorizationDetail(TypedDict, total=False):
    """What a lender asks a firm for (RFC 9396). `GET /v1/purposes` has the limits by purpose"""
    type: Required[Literal["enterprise_credit_profile"]]
    uscc: str
    categories: Required[list[str]]
    optional_categories: list[str]
    purpose: Required[str]
    access: Literal["once", "recurring"]
    history_months: Required[int]
    valid_until: Required[str]
    data_life_days: int
    pulls_per_month: int
    pulls_per_day: int
    actions: list[Literal["profile", "match", "report"]]

class BackchannelForm(TypedDict, total=False):
    """A request for the firm's inbox (CIBA, poll mode)"""
    scope: Required[str]
    login_hint: Required[str]
    authorization_details: Required[str]
    binding_message: str
    requested_expiry: str
    grant_management_action: Literal["create", "merge", "replace"]
    grant_id: str
    client_id: str
    client_assertion_type: Required[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]]
    client_assertion: Required[str]

class BackchannelRequest(TypedDict, total=False):
    """A request that waits in the firm's inbox"""
    auth_req_id: Required[str]
    expires_in: Required[int]
    interval: Required[int]

class BesideScore(TypedDict, total=False):
    """BesideScore"""
    state: str
    grade: str | None
    points: int | None
    pd_12m: float | None

class Capacity(TypedDict, total=False):
    """Capacity"""
    state: str
    reason: str | None
    suggested_fen: int | None
    suggested_months: int | None
    cash_fen: int | None
    stressed_cash_fen: int | None
    debt_service_fen: int | None
    instalment_fen: int | None
    limits: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    terms: dict[str, Any]
    text_zh: str
    text_en: str

class CardIssuer(TypedDict, total=False):
    """Where the keys are that verify cards"""
    issuer: Required[str]
    jwks: dict[str, Any]
    jwks_uri: str

class CaseOfProfile(TypedDict, total=False):
    """CaseOfProfile"""
    id: Required[str]
    state: str
    causes: list[str]
    asked_for: bool
    opened_at: str
    due_at: str
    decision: str | None
    ended_at: str | None

class Cases(TypedDict, total=False):
    """Cases"""
    items: Required[list[WhoseCase]]
    next_cursor: Required[str | None]

class Catalogue(TypedDict, total=False):
    """Catalogue"""
    items: Required[list[dict[str, Any]]]

class Certificate(TypedDict, total=False):
    """Certificate"""
    id: Required[str]
    consent_id: str
    issued_at: str
    deleted: list[Deleted]
    kept: list[Kept]
    document: str

class CertificatePage(TypedDict, total=False):
    """CertificatePage"""
    items: Required[list[Certificate]]
    next_cursor: Required[str | None]

class Change(TypedDict, total=False):
    """Change"""
    indicator: str
    code: str
    category: str
    label_zh: str
    label_en: str
    unit: str
    before: float
    after: float
    months: int
    text_zh: str
    text_en: str

class ChangedFirm(TypedDict, total=False):
    """ChangedFirm"""
    state: str
    pd_12m: float
    points: int
    grade: str

class ChangedIndicator(TypedDict, total=False):
    """ChangedIndicator"""
    name: str
    label_zh: str
    label_en: str
    points: float | None
    text_zh: str
    text_en: str
    category: str
    unit: str
    before: float | None
    after: float | None

class ChangedPart(TypedDict, total=False):
    """ChangedPart"""
    name: str
    label_zh: str
    label_en: str
    points: float | None
    text_zh: str
    text_en: str

class Changes(TypedDict, total=False):
    """Changes"""
    since: ProfileMark
    profile: ProfileMark
    comparison: str
    points: int | None
    text_zh: str
    text_en: str
    grade_zh: str
    grade_en: str
    parts: list[ChangedPart]
    indicators: list[ChangedIndicator]
    coverage: list[ChangedPart]
    model_indicators: ModelIndicators

class Clearing(TypedDict, total=False):
    """Clearing"""
    id: Required[str]
    kind: str
    uscc: str
    other_uscc: str | None
    evidence: dict[str, Any]
    owner: str | None
    state: str
    exception_evidence: str | None
    exception_ends_on: str | None
    resolution: str | None
    opened_at: str
    changed_at: str

class ClearingAct(TypedDict, total=False):
    """ClearingAct"""
    act: Required[Literal["claim", "except", "expire", "close"]]
    text: Required[str]
    ends_on: str

class ClearingPage(TypedDict, total=False):
    """ClearingPage"""
    items: Required[list[Clearing]]
    next_cursor: Required[str | None]

class Client(TypedDict, total=False):
    """Client"""
    client_id: str
    name: str
    status: str
    redirect_uris: list[str]
    scopes: list[str]
    categories: list[str]
    jwks_uri: str | None
    kids: list[str]
    webhook_url: str | None
    is_desk: bool
    created_at: str
    updated_at: str

class Clients(TypedDict, total=False):
    """Clients"""
    items: Required[list[Client]]

class Consent(TypedDict, total=False):
    """Consent"""
    id: Required[str]
    state: str
    enterprise: str | None
    purpose: str
    categories_asked: list[str]
    categories: list[str]
    access: str
    actions: list[str]
    history_months: int
    data_life_days: int
    version: int
    amends: str | None
    requested_at: str
    answer_until: str
    starts_at: str | None
    expires_at: str
    changed_at: str
    uses: list[Uses]

class ConsentEvent(TypedDict, total=False):
    """ConsentEvent"""
    at: str
    from_state: str | None
    to_state: str
    by: str
    reason: str

class ConsentInFull(TypedDict, total=False):
    """ConsentInFull"""
    id: Required[str]
    state: str
    enterprise: str | None
    purpose: str
    categories_asked: list[str]
    categories: list[str]
    access: str
    actions: list[str]
    history_months: int
    data_life_days: int
    version: int
    amends: str | None
    requested_at: str
    answer_until: str
    starts_at: str | None
    expires_at: str
    changed_at: str
    uses: list[Uses]
    text_version: str | None
    text_sha256: str | None
    fair_use_version: str
    events: list[ConsentEvent]

class ConsentPage(TypedDict, total=False):
    """ConsentPage"""
    items: Required[list[Consent]]
    next_cursor: Required[str | None]

class ContestedDatum(TypedDict, total=False):
    """ContestedDatum"""
    dispute_id: str
    contested: bool
    state: str
    state_zh: str
    state_en: str
    claim: str
    claim_zh: str
    claim_en: str
    category: str
    frame: str
    label_zh: str
    label_en: str
    period: str | None
    in_profile: bool
    since: str
    answer_by: str | None
    ended_at: str | None
    without: BesideScore | None
    corrected: BesideScore | None

class Contract(TypedDict, total=False):
    """Contract"""
    calls_a_minute: int | None
    calls_a_day: int | None
    calls_a_month: int | None
    profiles_a_month: int | None
    calls_today: int
    calls_this_month: int
    profiles_this_month: int

class Correction(TypedDict, total=False):
    """Correction"""
    correction_id: str
    consent_id: str
    enterprise_id: str
    profile_ids: list[str]
    rely_on: bool
    score_at: str | None
    told_at: str
    acknowledged_at: str | None
    action: str | None

class CorrectionPage(TypedDict, total=False):
    """CorrectionPage"""
    items: Required[list[Correction]]
    next_cursor: Required[str | None]

class CountedRule(TypedDict, total=False):
    """CountedRule"""
    subject: str
    operator: str
    limit: Any
    fails: int | None
    alone: int | None

class Course(TypedDict, total=False):
    """Course"""
    items: Required[list[DriftFinding]]

class CutOffs(TypedDict, total=False):
    """CutOffs"""
    grade_at_least: Literal["A+", "A", "B", "C", "D", "E", None]
    pd_at_most: float | None
    otherwise: Literal["accept", "refer", "decline"]
    on_knock_out: Literal["accept", "refer", "decline"]
    rules: list[OverlayRule]

class DeadLetter(TypedDict, total=False):
    """DeadLetter"""
    id: Required[str]
    kind: str
    task: str
    item: str
    job_id: int | None
    queue: str | None
    error: str | None
    failures: int
    first_failed_at: str
    last_failed_at: str
    next_try_at: str | None
    resolved_at: str | None
    resolution: str | None

class DeadLetterPage(TypedDict, total=False):
    """DeadLetterPage"""
    items: Required[list[DeadLetter]]
    next_cursor: Required[str | None]

class DecisionBody(TypedDict, total=False):
    """DecisionBody"""
    decision: Required[Literal["confirm", "override"]]
    reason: str
    override: WantedOverride

class DeclineBody(TypedDict, total=False):
    """DeclineBody"""
    reasons: Required[list[str]]
    note: str
    decided_by_person: bool

class DeclineReason(TypedDict, total=False):
    """DeclineReason"""
    code: str
    label_zh: str
    label_en: str
    reason_codes: list[str]

class DeclineReasons(TypedDict, total=False):
    """DeclineReasons"""
    items: Required[list[DeclineReason]]

class DeclinedFor(TypedDict, total=False):
    """DeclinedFor"""
    code: str
    agreement: str

class Deleted(TypedDict, total=False):
    """Deleted"""
    table: str
    rows: int
    sha256: str
    told_sha256: str

class Delivery(TypedDict, total=False):
    """Delivery"""
    id: Required[str]
    webhook_id: str
    client_id: str
    type: str
    state: str
    tries: int
    replays: int
    created_at: str
    last_try_at: str | None
    next_try_at: str | None
    last_status: int | None
    last_error: str | None
    delivered_at: str | None

class DeliveryPage(TypedDict, total=False):
    """DeliveryPage"""
    items: Required[list[Delivery]]
    next_cursor: Required[str | None]

class DetailFault(TypedDict, total=False):
    """One thing that is wrong with `authorization_details`"""
    pointer: Required[str]
    detail: Required[str]
    attribute: str

class Difference(TypedDict, total=False):
    """Difference"""
    member: str
    stored: Any
    replayed: Any

class Dimension(TypedDict, total=False):
    """Dimension"""
    name: str
    label_zh: str
    label_en: str
    contribution: float
    points_contribution: float

class Disagreement(TypedDict, total=False):
    """Disagreement"""
    declines: int
    by_reason: list[DisagreementRow]

class DisagreementRow(TypedDict, total=False):
    """DisagreementRow"""
    code: str
    declines: int
    agreements: dict[str, Any]

class Discovery(TypedDict, total=False):
    """Discovery"""
    product: str
    version: int
    as_of: str
    model_id: str
    population: int | None
    qualify: int | None
    undetermined: int | None
    rules: list[RuleEffect]

class Document(TypedDict, total=False):
    """Document"""
    id: Required[str]
    about: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    scan: str
    added_at: str

class Documents(TypedDict, total=False):
    """Documents"""
    items: Required[list[Document]]

class DriftFinding(TypedDict, total=False):
    """DriftFinding"""
    day: str
    series: str
    label_zh: str
    label_en: str
    level: str
    index: float | None
    chance: float | None
    firms: int
    window_days: int
    against: str

class Event(TypedDict, total=False):
    """Event"""
    at: str
    event: str
    by: str
    from_state: str | None
    to_state: str | None
    detail: dict[str, Any]

class Explanation(TypedDict, total=False):
    """Explanation"""
    profile_id: str
    base_value: float
    margin: float
    points_base: float
    points_calibration: float
    points_exact: float
    indicators: list[dict[str, Any]]

class Exposure(TypedDict, total=False):
    """Exposure"""
    outstanding_fen: int
    loans: int
    firms: int

class ExtraColumn(TypedDict, total=False):
    """ExtraColumn"""
    name: Required[str]
    kind: Required[Literal["number", "flag", "choice"]]
    label_zh: Required[str]
    label_en: Required[str]
    unit: str
    minimum: float | None
    maximum: float | None
    choices: list[str]
    direction: Literal[-1, 0, 1]
    required: bool

class Fact(TypedDict, total=False):
    """Fact"""
    frame: str
    period: str
    key: dict[str, Any]
    read_for: str
    values: dict[str, Any]
    version: int
    complete: bool
    known_on: str
    office: str
    pull: FactPull | None

class FactPull(TypedDict, total=False):
    """FactPull"""
    pull_id: str
    finished_at: str | None

class FieldProblem(TypedDict, total=False):
    """FieldProblem"""
    pointer: str
    detail: str

class Finding(TypedDict, total=False):
    """Finding"""
    severity: str
    code: str
    rules: list[int]
    text_zh: str
    text_en: str

class FrameReading(TypedDict, total=False):
    """FrameReading"""
    frame: str
    category: str
    office: str | None
    office_zh: str
    office_en: str
    columns: list[str]
    kinds: list[str] | None
    months: list[MonthRange]

class FreezeLift(TypedDict, total=False):
    """FreezeLift"""
    reason: Required[str]

class FreezeLifted(TypedDict, total=False):
    """FreezeLifted"""
    purpose: str
    model_id: str

class Funnel(TypedDict, total=False):
    """Funnel"""
    by: str
    computed_at: str | None
    period_from: str | None
    period_until: str | None
    periods: list[str]
    rows: list[FunnelRow]

class FunnelRow(TypedDict, total=False):
    """FunnelRow"""
    key: str
    firms: int
    applied: int
    approved: int
    declined: int
    drawn: int
    repaid: int
    written_off: int
    overdue_90: int
    asked_fen: int | None
    approved_fen: int | None
    drawn_fen: int | None
    answered: int
    median_answer_hours: float | None

class GradeShare(TypedDict, total=False):
    """GradeShare"""
    grade: str
    profiles: int
    share: float | None

class Grant(TypedDict, total=False):
    """What a grant covers (Grant Management)"""
    scopes: Required[list[dict[str, Any]]]
    authorization_details: Required[list[AuthorizationDetail]]

class Guarantee(TypedDict, total=False):
    """Guarantee"""
    firm: NearFirm
    amount_fen: int | None

class Guarantees(TypedDict, total=False):
    """Guarantees"""
    given: list[Guarantee]
    received: list[Guarantee]
    circles: list[int]

class Handover(TypedDict, total=False):
    """Handover"""
    auth_req_id: str
    expires_at: str
    scope: str
    consent_id: str

class Hindrance(TypedDict, total=False):
    """Hindrance"""
    subject: str
    reason: str
    text_zh: str
    text_en: str

class Holding(TypedDict, total=False):
    """Holding"""
    name: str
    uscc: str | None
    share_bps: int | None

class Improvements(TypedDict, total=False):
    """Improvements"""
    profile_id: str
    state: str
    grade: str | None
    points: int | None
    target: str | None
    best_points: int | None
    plans: list[Plan]

class Incident(TypedDict, total=False):
    """Incident"""
    where: str
    at: str

class Interval(TypedDict, total=False):
    """Interval"""
    level: float
    pd_low: float
    pd_high: float
    points_low: int
    points_high: int
    grade_best: str
    grade_worst: str

class Introspection(TypedDict, total=False):
    """What a token is good for now; of a token that is not yours or is over, only `active: false`"""
    active: Required[bool]
    iss: str
    client_id: str
    scope: str
    iat: int
    exp: int
    token_type: str
    grant_id: str
    cnf: dict[str, str]
    authorization_details: list[AuthorizationDetail]

Kept = dict[str, Any]

class KeySet(TypedDict, total=False):
    """KeySet"""
    keys: list[dict[str, Any]]

class LineError(TypedDict, total=False):
    """LineError"""
    line: int
    field: str
    value: str
    problem: str

class Lineage(TypedDict, total=False):
    """Lineage"""
    profile_id: str
    as_of: str
    model_id: str
    code_version: str
    indicator: LineageIndicator
    reads: list[FrameReading]
    offices: list[OfficeAnswer]
    registration: RegistrationLineage | None
    reference: list[ReferenceValue]
    relief: list[dict[str, Any]]
    facts: list[Fact]
    facts_total: int
    facts_purged: int
    next_cursor: Required[str | None]

class LineageIndicator(TypedDict, total=False):
    """LineageIndicator"""
    name: str
    label_zh: str
    label_en: str
    category: str
    categories: list[str]
    unit: str
    window_months: int
    formula: str
    source: str
    missing: str
    version: int
    value: float | None
    contribution: float
    points_contribution: float

class Liveness(TypedDict, total=False):
    """The process answers"""
    status: Required[str]

class Load(TypedDict, total=False):
    """Load"""
    id: Required[str]
    source: str
    kind: str
    region: str | None
    state: str
    rows: RowCounts
    unlisted: int | None
    not_unlisted_because: str | None
    began_at: str
    ended_at: str | None

class LoadRequest(TypedDict, total=False):
    """LoadRequest"""
    source: Required[str]
    kind: Required[Literal["full", "incremental"]]
    region: str
    most_unlisted_bps: int
    rows: Required[list[dict[str, Any]]]
    complete: bool

class LoanFact(TypedDict, total=False):
    """LoanFact"""
    kind: str
    on: str
    reference: str
    amount_fen: int
    days_past_due: int | None
    known_at: str

class LoanProduct(TypedDict, total=False):
    """One loan product of one institution, as published to firms and matched against their profiles.
    Amounts are whole fen, rates whole basis points a year.
    """
    code: Required[str]
    institution_code: Required[str]
    institution_kind: Required[Literal["bank", "leasing", "guarantee", "microloan", "factoring"]]
    name_zh: Required[str]
    name_en: Required[str]
    kind: Required[Literal["credit", "tax", "payroll", "energy", "technology", "knowledge_value", "commercial_value", "order", "supply_chain", "guaranteed", "green", "first_loan", "cluster", "emergency", "lease"]]
    amount_min_fen: Required[int]
    amount_max_fen: Required[int]
    term_months_min: Required[int]
    term_months_max: Required[int]
    rate_bps_min: Required[int]
    rate_bps_max: Required[int]
    fees_bps: int
    repayment: Literal["bullet", "equal_instalment", "revolving"]
    guarantee: Literal["none", "guarantor", "collateral", "pledge", "fund"]
    risk_share_bps: int
    subsidy_bps: int
    tags: list[str]
    quota_fen: int
    valid_from: Required[str]
    valid_until: str
    required_categories: list[Literal["registration", "tax", "social_security", "housing_fund", "electricity", "water", "gas", "public_credit", "contract", "intellectual_property", "logistics", "import_export"]]
    rules: list[LoanProductRule]
    version: int

class LoanProductRule(TypedDict, total=False):
    """A condition on one subject."""
    subject: Required[str]
    operator: Required[Literal[">=", "<=", ">", "<", "==", "between", "in", "not_in", "at_least_grade"]]
    limit: Required[Any]

class Matches(TypedDict, total=False):
    """Matches"""
    profile_id: str
    counts: dict[str, Any]
    total: int
    products: list[dict[str, Any]]
    next_cursor: Required[str | None]
    near_misses: list[dict[str, Any]]

class Model(TypedDict, total=False):
    """Model"""
    model_id: str
    sha256: str

class ModelIndicators(TypedDict, total=False):
    """ModelIndicators"""
    only_before: list[str]
    only_after: list[str]

class Monitor(TypedDict, total=False):
    """Monitor"""
    decided: int
    overridden: int
    expired: int
    rate: float | None
    most: float
    alert: bool
    by_all: list[OverrideGroup]
    by_kind: list[OverrideGroup]
    by_reviewer: list[OverrideGroup]

class MonthOfUse(TypedDict, total=False):
    """MonthOfUse"""
    month: str
    asked: int
    granted: int

class MonthRange(TypedDict, total=False):
    """MonthRange"""
    first_month: str
    last_month: str

class NearFirm(TypedDict, total=False):
    """NearFirm"""
    uscc: str
    name: str
    status: str | None
    is_registered: bool

class NewAddress(TypedDict, total=False):
    """NewAddress"""
    url: Required[str | None]

class NewClient(TypedDict, total=False):
    """NewClient"""
    name: Required[str]
    redirect_uris: Required[list[str]]
    scopes: Required[list[str]]
    categories: list[str]
    jwks: Required[dict[str, Any]]

class NewKeys(TypedDict, total=False):
    """NewKeys"""
    jwks: Required[dict[str, Any]]

class NoticeClock(TypedDict, total=False):
    """NoticeClock"""
    id: Required[str]
    event: str
    text_sha256: str
    sent_at: str
    due_at: str
    seen_at: str | None
    overdue: bool

class NoticeClocks(TypedDict, total=False):
    """NoticeClocks"""
    items: Required[list[NoticeClock]]
    next_cursor: Required[str | None]

class OAuthError(TypedDict, total=False):
    """An error of RFC 6749"""
    error: Required[str]
    error_description: str
    attribute: str
    errors: list[DetailFault]

class Objection(TypedDict, total=False):
    """Objection"""
    id: Required[str]
    enterprise_id: str
    consent_id: str | None
    client_id: str | None
    action: str
    accessed_at: str
    words: str
    asked_at: str
    answer_due_at: str
    state: str
    answer_reason: str | None
    answer: str | None
    answered_at: str | None
    escalated_for: str | None
    ended_at: str | None
    finding: str | None
    decision: str | None

class ObjectionAnswer(TypedDict, total=False):
    """ObjectionAnswer"""
    reason: Required[Literal["application", "offer", "servicing", "test", "other"]]
    words: str

class ObjectionPage(TypedDict, total=False):
    """ObjectionPage"""
    items: Required[list[Objection]]
    next_cursor: Required[str | None]

class Offer(TypedDict, total=False):
    """Offer"""
    id: Required[str]
    revision: int
    amount_fen: int
    term_months: int
    rate_bps: int
    fee_fen: int
    fees_bps: int
    repayment: str
    cooling_off_days: int
    conditions: str
    subsidy_bps: int
    yearly_cost_bps: int
    total_cost_fen: int
    subsidy_fen: int
    valid_until: str
    made_at: str
    sha256: str

class OfferBody(TypedDict, total=False):
    """OfferBody"""
    amount_fen: Required[int]
    term_months: Required[int]
    rate_bps: Required[int]
    fee_fen: int
    repayment: Literal["bullet", "equal_instalment", "revolving"]
    cooling_off_days: int
    conditions: str
    valid_until: Required[str]

class OfficeAnswer(TypedDict, total=False):
    """OfficeAnswer"""
    office: str
    pull_id: str
    status: str
    finished_at: str

class OutcomeBody(TypedDict, total=False):
    """OutcomeBody"""
    kind: Required[Literal["draw", "repayment", "closure", "write_off"]]
    on: Required[str]
    amount_fen: int
    days_past_due: int
    reference: str

class OutcomeFile(TypedDict, total=False):
    """OutcomeFile"""
    lines: int
    recorded: int
    unchanged: int
    errors: list[LineError]

class OverlayCheck(TypedDict, total=False):
    """OverlayCheck"""
    note: str
    terms_sha256: Required[str]

class OverlayReason(TypedDict, total=False):
    """OverlayReason"""
    kind: str
    outcome: str
    code: str
    text_zh: str
    text_en: str

class OverlayResult(TypedDict, total=False):
    """OverlayResult"""
    version: int
    terms_sha256: str
    result_hmac: str
    base: dict[str, Any]
    points: int | None
    points_exact: float | None
    points_added: float | None
    pd_12m: float | None
    grade: str | None
    contributions: list[OverlayShare]
    columns: dict[str, Any]
    sources: dict[str, Any]
    decision: str
    reasons: list[OverlayReason]

class OverlayRule(TypedDict, total=False):
    """OverlayRule"""
    code: Required[str]
    label_zh: Required[str]
    label_en: Required[str]
    subject: Required[str]
    operator: Required[Literal["<", "<=", "==", ">", ">=", "at_least_grade", "between", "in", "not_in"]]
    limit: Required[Any]
    outcome: Literal["accept", "refer", "decline"]
    if_unknown: Literal["accept", "refer", "decline"]

class OverlayShare(TypedDict, total=False):
    """OverlayShare"""
    subject: str
    label_zh: str
    label_en: str
    value: Any
    value_zh: str
    value_en: str
    contribution: float
    points_contribution: float

class OverlayStep(TypedDict, total=False):
    """OverlayStep"""
    at: str
    step: str
    actor: str
    terms_sha256: str
    note: str

class OverlayTerms(TypedDict, total=False):
    """OverlayTerms"""
    name_zh: Required[str]
    name_en: Required[str]
    columns: list[ExtraColumn]
    weights: list[OverlayWeight]
    offsets: list[SegmentOffset]
    cut_offs: Required[CutOffs]
    shown_to_firm: bool

class OverlayVersion(TypedDict, total=False):
    """OverlayVersion"""
    version: int
    state: str
    terms_sha256: str
    written_by: str
    checked_by: str | None
    created_at: str
    changed_at: str
    published_at: str | None
    allowed: list[str]

class OverlayVersionInFull(TypedDict, total=False):
    """OverlayVersionInFull"""
    version: int
    state: str
    terms_sha256: str
    written_by: str
    checked_by: str | None
    created_at: str
    changed_at: str
    published_at: str | None
    allowed: list[str]
    terms: dict[str, Any]
    reach: dict[str, Any]
    steps: list[OverlayStep]

class OverlayVersions(TypedDict, total=False):
    """OverlayVersions"""
    items: Required[list[OverlayVersion]]

class OverlayWeight(TypedDict, total=False):
    """OverlayWeight"""
    subject: Required[str]
    form: Required[Literal["standardised", "banded", "by_choice"]]
    mean: float
    deviation: float
    log_odds: float
    bands: list[WeightBand]
    otherwise: float
    by_choice: dict[str, float] | None
    against_direction_reason: str

class Override(TypedDict, total=False):
    """Override"""
    id: Required[str]
    kind: str
    label_zh: str
    label_en: str
    notches: int | None
    grade: str | None
    knock_out: str | None
    reason_code: str
    reason_zh: str
    reason_en: str
    reason: str
    people: int
    decided_at: str
    expires_at: str
    in_force: bool

class OverrideGroup(TypedDict, total=False):
    """OverrideGroup"""
    name: str
    overrides: int
    loosening: int
    ripe: int
    hits: int
    hit_rate: float | None

class OverrideRate(TypedDict, total=False):
    """OverrideRate"""
    answers: int
    as_decided: int
    stricter: int
    looser: int
    rate: float | None

class Pending(TypedDict, total=False):
    """Pending"""
    pull_id: str
    status: str
    sources: dict[str, Any]

class Plan(TypedDict, total=False):
    """Plan"""
    changes: list[Change]
    pd_12m: float
    points: int
    grade: str
    effort: float

class Policy(TypedDict, total=False):
    """Policy"""
    settings: dict[str, Any]
    approval_model: dict[str, Any] | None

class Problem(TypedDict, total=False):
    """Problem"""
    type: Required[str]
    title: Required[str]
    status: Required[int]
    detail: str
    request_id: str
    errors: list[FieldProblem]
    reason: str
    attribute: str

class Product(TypedDict, total=False):
    """Product"""
    code: str
    version: int
    institution_code: str
    institution_kind: str
    institution_name_zh: str
    institution_name_en: str
    name_zh: str
    name_en: str
    kind: str
    kind_zh: str
    kind_en: str
    amount_min_fen: int
    amount_max_fen: int
    term_months_min: int
    term_months_max: int
    rate_bps_min: int
    rate_bps_max: int
    fees_bps: int
    repayment: str
    guarantee: str
    risk_share_bps: int
    subsidy_bps: int
    yearly_cost_bps_min: int
    yearly_cost_bps_max: int
    tags: list[str]
    quota_fen: int
    valid_from: str
    valid_until: str
    required_categories: list[str]
    rules: list[Rule]

class ProductChange(TypedDict, total=False):
    """ProductChange"""
    revision: int
    code: str
    version: int
    institution_code: str
    state: str
    changed_at: str
    product: Product | None

class ProductChanges(TypedDict, total=False):
    """ProductChanges"""
    items: Required[list[ProductChange]]
    next_since: int
    more: bool
    suspended: list[str]
    exhausted: list[str]

class ProductCheckBody(TypedDict, total=False):
    """ProductCheckBody"""
    note: str
    terms_sha256: Required[str]

class ProductCount(TypedDict, total=False):
    """ProductCount"""
    available: bool
    reason: str
    product: str
    version: int
    as_of: str
    model_id: str
    population: int | None
    qualify: int | None
    undetermined: int | None
    rules: list[CountedRule]

class ProductPage(TypedDict, total=False):
    """ProductPage"""
    revision: str
    total: int
    items: Required[list[Product]]
    next_cursor: Required[str | None]

class ProductStep(TypedDict, total=False):
    """ProductStep"""
    at: str
    step: str
    actor: str
    terms_sha256: str
    note: str

class ProductVersion(TypedDict, total=False):
    """ProductVersion"""
    code: str
    version: int
    state: str
    terms_sha256: str
    written_by: str
    checked_by: str | None
    created_at: str
    changed_at: str
    published_at: str | None
    allowed: list[str]

class ProductVersionInFull(TypedDict, total=False):
    """ProductVersionInFull"""
    code: str
    version: int
    state: str
    terms_sha256: str
    written_by: str
    checked_by: str | None
    created_at: str
    changed_at: str
    published_at: str | None
    allowed: list[str]
    product: Product
    findings: list[Finding]
    steps: list[ProductStep]

class ProductVersionPage(TypedDict, total=False):
    """ProductVersionPage"""
    items: Required[list[ProductVersion]]
    next_cursor: Required[str | None]

class Profile(TypedDict, total=False):
    """Profile"""
    id: Required[str]
    enterprise_id: str
    consent_id: str
    purpose: str
    created_at: str
    as_of: str
    state: str
    not_scorable_reason: dict[str, Any] | None
    partial: dict[str, Any] | None
    pd_12m: float | None
    points: int | None
    grade: str | None
    interval: Interval | None
    without_category: list[WithoutCategory]
    human_review: list[dict[str, Any]]
    knock_outs: list[dict[str, Any]]
    not_evaluated: list[dict[str, Any]]
    relief: list[dict[str, Any]]
    dimensions: list[Dimension]
    categories: list[Dimension]
    reasons: list[dict[str, Any]]
    strengths: list[dict[str, Any]]
    capacity: Capacity | None
    validity: Validity | None
    coverage: dict[str, Any]
    relations: ToldRelations | None
    products: dict[str, Any] | None
    overlay: OverlayResult | None
    review: ReviewOfProfile | None
    contested: list[ContestedDatum]
    model: Model
    bundle: str | None
    inputs_hmac: str
    content_hmac: str

class ProfileMark(TypedDict, total=False):
    """ProfileMark"""
    id: Required[str]
    as_of: str
    state: str
    points: int | None
    grade: str | None
    model_id: str

class ProfilePage(TypedDict, total=False):
    """ProfilePage"""
    items: Required[list[Profile]]
    next_cursor: Required[str | None]

class ProfileRequest(TypedDict, total=False):
    """ProfileRequest"""
    as_of: str
    amount_fen: int
    term_months: int
    accept_partial: list[Literal["contract", "electricity", "gas", "housing_fund", "import_export", "intellectual_property", "logistics", "social_security", "tax", "water"]]
    accept_uploads: list[Literal["tax"]]
    overlay: Any
    overlay_columns: dict[str, Any]

class Pull(TypedDict, total=False):
    """Pull"""
    id: Required[str]
    consent_id: str
    status: str
    requested_at: str
    finished_at: str | None
    sources: list[PullPart]

class PullPart(TypedDict, total=False):
    """PullPart"""
    source: str
    status: str
    rows: int
    total: int | None
    new_rows: int
    rejected: int
    error: str | None
    finished_at: str | None

class Purpose(TypedDict, total=False):
    """Purpose"""
    purpose: str
    label_zh: str
    label_en: str
    access: str
    consent_days: int
    history_months: int
    data_life_days: int
    pulls: int
    usual_pulls: int
    actions: list[str]

class Purposes(TypedDict, total=False):
    """Purposes"""
    version: str
    items: Required[list[Purpose]]
    next_cursor: Required[str | None]

class PushedRequest(TypedDict, total=False):
    """Where to send the firm's browser: `/oauth/authorize?client_id=…&request_uri=…`"""
    request_uri: Required[str]
    expires_in: Required[int]

class PushedRequestForm(TypedDict, total=False):
    """A pushed authorization request"""
    response_type: Required[Literal["code"]]
    redirect_uri: Required[str]
    scope: Required[str]
    state: str
    code_challenge: Required[str]
    code_challenge_method: Required[Literal["S256"]]
    authorization_details: Required[str]
    dpop_jkt: str
    grant_management_action: Literal["create", "merge", "replace"]
    grant_id: str
    client_id: Required[str]
    client_assertion_type: Required[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]]
    client_assertion: Required[str]

class Quota(TypedDict, total=False):
    """Quota"""
    code: str
    version: int
    quota_fen: int | None
    committed_fen: int

class Rates(TypedDict, total=False):
    """Rates"""
    success_rate: float | None
    p50_seconds: float | None

class Readiness(TypedDict, total=False):
    """Part by part"""
    status: Required[str]
    checks: Required[dict[str, Any]]

class ReasonCode(TypedDict, total=False):
    """ReasonCode"""
    code: str
    kind: str
    label_zh: str
    label_en: str
    text_zh: str
    text_en: str
    category: str | None
    categories: list[str] | None
    dimension: str | None
    group: str | None
    indicator: str | None
    unit: str | None
    window_months: int | None
    direction: int | None
    formula: str | None
    source: str | None
    missing: str | None
    version: int | None
    actionable: bool | None

class ReasonCodes(TypedDict, total=False):
    """ReasonCodes"""
    revision: str
    items: Required[list[ReasonCode]]

class Receivable(TypedDict, total=False):
    """Receivable"""
    id: Required[str]
    known_by: str
    number: str | None
    debtor_uscc: str | None
    elsewhere: bool
    added_at: str

class Receivables(TypedDict, total=False):
    """Receivables"""
    items: Required[list[Receivable]]

class ReferenceValue(TypedDict, total=False):
    """ReferenceValue"""
    name: str
    value: float | None

class RefusedRow(TypedDict, total=False):
    """RefusedRow"""
    row: int
    sequence: str | None
    uscc: str | None
    problems: list[RowProblem]

class RefusedRows(TypedDict, total=False):
    """RefusedRows"""
    items: Required[list[RefusedRow]]
    next_cursor: Required[str | None]

class RegisteredFirm(TypedDict, total=False):
    """RegisteredFirm"""
    name: str
    uscc: str | None

class RegisteredValue(TypedDict, total=False):
    """RegisteredValue"""
    column: str
    value: Any

class Registration(TypedDict, total=False):
    """Registration"""
    profile_id: str
    as_of: str
    uscc: str
    name: str
    former_usccs: list[str]
    former_names: list[str]
    is_listed: bool
    status: str
    entity_type: str
    industry: str
    region: str
    established_on: str | None
    registered_capital_fen: int | None
    paid_in_capital_fen: int | None
    linked_struck_off: bool | None
    legal_representative: str | None
    address: str | None
    shareholders: Shareholders | None
    branches: list[RegisteredFirm] | None

class RegistrationLineage(TypedDict, total=False):
    """RegistrationLineage"""
    source: str
    values: list[RegisteredValue]
    valid_from: str | None
    known_on: str | None

class Rejection(TypedDict, total=False):
    """Rejection"""
    id: Required[str]
    source: str
    uscc: str
    resource: str
    record_id: str | None
    version: int | None
    position: str
    field: str
    excerpt: str
    reason: str
    state: str
    times: int
    first_seen_at: str
    last_seen_at: str
    changed_at: str
    changed_by: str
    note: str | None

class RejectionCounts(TypedDict, total=False):
    """RejectionCounts"""
    open: int
    sent: int
    corrected: int
    dismissed: int

class RejectionMove(TypedDict, total=False):
    """RejectionMove"""
    state: Required[Literal["open", "sent", "dismissed"]]
    note: str | None

class RejectionPage(TypedDict, total=False):
    """RejectionPage"""
    items: Required[list[Rejection]]
    next_cursor: Required[str | None]

class Relations(TypedDict, total=False):
    """Relations"""
    as_of: str
    is_cut: bool
    control_bps: int
    group: list[NearFirm]
    ties: list[TieStep]
    ways_to_revoked: list[RevokedWay]
    exposure: Exposure
    guarantees: Guarantees | None

class ReliefBook(TypedDict, total=False):
    """ReliefBook"""
    sha256: str
    items: Required[list[ReliefPolicy]]

class ReliefPolicy(TypedDict, total=False):
    """ReliefPolicy"""
    code: str
    name_zh: str
    name_en: str
    source: str
    payments: list[str]
    regions: list[str]
    industries: list[str]
    due_from: str
    due_before: str
    extended_to: str | None
    known_on: str
    expires_on: str
    state: str
    text_zh: str
    text_en: str

class Replay(TypedDict, total=False):
    """Replay"""
    decision: str
    same: bool
    stored_sha256: str
    replayed_sha256: str
    bundle: str
    differences: list[Difference]
    computed_by: list[str]

class ReplayRequest(TypedDict, total=False):
    """ReplayRequest"""
    role: Required[str]
    purpose: Required[str]

class Report(TypedDict, total=False):
    """Report"""
    id: Required[str]
    consent_id: str
    profile_id: str
    made_at: str
    valid_until: str
    state: str
    digest: str
    verify: str
    jws: str
    report: dict[str, Any]

class ReportRequest(TypedDict, total=False):
    """ReportRequest"""
    profile_id: Required[str]
    recipient: Required[str]
    purpose: Required[str]
    language: Literal["zh", "en"]
    valid_days: int
    leave_out: list[Literal["registered", "reasons", "waterfall", "sales", "tax", "headcount", "electricity"]]

class Request(TypedDict, total=False):
    """Request"""
    id: Required[str]
    version: int
    amount_fen: int
    term_months: int
    use: str
    collateral: str
    expires_at: str

class ReviewAsk(TypedDict, total=False):
    """ReviewAsk"""
    refuses_automation: bool
    note: str

class ReviewDecided(TypedDict, total=False):
    """ReviewDecided"""
    case: WhoseCase
    waits_for: str | None

class ReviewOfProfile(TypedDict, total=False):
    """ReviewOfProfile"""
    cases: list[CaseOfProfile]
    automated_decision_refused: bool
    override: Override | None

class RevokedWay(TypedDict, total=False):
    """RevokedWay"""
    text_zh: str
    text_en: str
    revoked_on: str | None
    steps: list[TieStep]

class RipeOutcome(TypedDict, total=False):
    """RipeOutcome"""
    day: str
    part: str
    loans: int
    bads: int
    waiting: int
    lag_days: int | None
    mean_pd: float | None
    bad_rate: float | None
    z: float | None
    auc: float | None
    auc_error: float | None

class RowCounts(TypedDict, total=False):
    """RowCounts"""
    waiting: int
    applied: int
    unchanged: int
    repeated: int
    refused: int

class RowProblem(TypedDict, total=False):
    """RowProblem"""
    field: str
    value: str
    problem: str

class RowsRequest(TypedDict, total=False):
    """RowsRequest"""
    rows: Required[list[dict[str, Any]]]
    complete: bool

class Rule(TypedDict, total=False):
    """Rule"""
    subject: str
    operator: str
    limit: Any
    text_zh: str
    text_en: str

class RuleEffect(TypedDict, total=False):
    """RuleEffect"""
    subject: str
    operator: str
    limit: Any
    fails: int | None
    alone: int | None
    steps: list[RuleStep]

class RuleStep(TypedDict, total=False):
    """RuleStep"""
    step: float
    limit: float
    gained: int | None

class ScreenedProduct(TypedDict, total=False):
    """ScreenedProduct"""
    product: str
    version: int
    as_of: str
    model_id: str
    population: int
    qualify: int
    undetermined: int
    rules: list[ScreenedRule]
    firms: list[str]
    next_cursor: Required[str | None]

class ScreenedRule(TypedDict, total=False):
    """ScreenedRule"""
    subject: str
    operator: str
    limit: Any
    fails: int
    alone: int
    steps: list[ScreenedStep]

class ScreenedStep(TypedDict, total=False):
    """ScreenedStep"""
    step: float
    limit: float
    gained: int

class SegmentOffset(TypedDict, total=False):
    """SegmentOffset"""
    subject: Required[str]
    one_of: Required[list[str]]
    log_odds: Required[float]
    label_zh: Required[str]
    label_en: Required[str]

class ServerMetadata(TypedDict, total=False):
    """RFC 8414; further members may come"""
    issuer: Required[str]
    authorization_endpoint: Required[str]
    token_endpoint: Required[str]
    pushed_authorization_request_endpoint: Required[str]
    backchannel_authentication_endpoint: str
    introspection_endpoint: str
    revocation_endpoint: str
    grant_management_endpoint: str
    scopes_supported: list[str]
    dpop_signing_alg_values_supported: list[str]

class Share(TypedDict, total=False):
    """Share"""
    used: int
    allowed: int

class Shareholders(TypedDict, total=False):
    """Shareholders"""
    firms: list[Holding]
    persons: int
    persons_share_bps: int | None

class SignatureBody(TypedDict, total=False):
    """SignatureBody"""
    offer_sha256: Required[str]

class Source(TypedDict, total=False):
    """Source"""
    source: str
    categories: list[str]
    state: str
    since: str | None
    answers: int
    success_rate: float | None
    p50_seconds: float | None
    fresh_hours: float
    rejections: RejectionCounts

class SourceShare(TypedDict, total=False):
    """SourceShare"""
    category: str
    label_zh: str
    label_en: str
    profiles: int
    delivered: int
    in_part: int
    no_record: int
    unavailable: int
    uploaded: int
    missing_share: float | None

class SourceState(TypedDict, total=False):
    """SourceState"""
    state: str
    last_hour: Rates
    last_day: Rates
    last_failure_at: str | None
    source: str

class Sources(TypedDict, total=False):
    """Sources"""
    window_hours: int
    items: Required[list[Source]]

class StaffLogin(TypedDict, total=False):
    """StaffLogin"""
    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int

class StaffLoginRequest(TypedDict, total=False):
    """StaffLoginRequest"""
    jwk: Required[dict[str, Any]]

class StaffPoll(TypedDict, total=False):
    """StaffPoll"""
    state: str
    login: str | None

class StaffPollRequest(TypedDict, total=False):
    """StaffPollRequest"""
    device_code: Required[str]

class Statement(TypedDict, total=False):
    """Statement"""
    month: str
    is_final: bool
    calls: int
    profiles: int
    lines: list[StatementLine]

class StatementLine(TypedDict, total=False):
    """StatementLine"""
    day: str
    client_id: str
    unit: str
    what: str
    units: int

class Status(TypedDict, total=False):
    """Status"""
    state: str
    as_of: str
    steps: list[Step]
    sources: list[SourceState]
    last_incident: Incident | None

class Step(TypedDict, total=False):
    """Step"""
    state: str
    last_hour: Rates
    last_day: Rates
    last_failure_at: str | None
    step: str

class StepNote(TypedDict, total=False):
    """StepNote"""
    note: str

class TieStep(TypedDict, total=False):
    """TieStep"""
    kind: str
    through: str | None
    firm: NearFirm

class Token(TypedDict, total=False):
    """A token, bound to your key"""
    access_token: Required[str]
    token_type: Required[Literal["DPoP", "Bearer"]]
    expires_in: Required[int]
    scope: Required[str]
    refresh_token: str
    authorization_details: list[AuthorizationDetail]
    grant_id: str

class TokenForm(TypedDict, total=False):
    """What a token is asked for with"""
    grant_type: Required[Literal["authorization_code", "refresh_token", "client_credentials", "urn:openid:params:grant-type:ciba"]]
    code: str
    redirect_uri: str
    code_verifier: str
    refresh_token: str
    auth_req_id: str
    scope: str
    authorization_details: str
    client_id: str
    client_assertion_type: Required[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]]
    client_assertion: Required[str]

class ToldRelations(TypedDict, total=False):
    """ToldRelations"""
    ways_to_revoked: list[dict[str, Any]]
    is_cut: bool
    guarantees: dict[str, Any] | None
    notices: list[dict[str, Any]]

class Unlock(TypedDict, total=False):
    """Unlock"""
    profile_id: str
    product: str
    version: int
    state: str
    opens: bool
    steps: list[UnlockStep]
    blocked: list[Hindrance]
    effort: float | None
    after: ChangedFirm | None
    text_zh: str
    text_en: str

class UnlockStep(TypedDict, total=False):
    """UnlockStep"""
    kind: str
    subject: str
    before: float | None
    after: float | None
    months: int | None
    text_zh: str
    text_en: str

class UploadedColumns(TypedDict, total=False):
    """UploadedColumns"""
    firms: int
    columns: list[str]

class Usage(TypedDict, total=False):
    """Usage"""
    months: list[MonthOfUse]
    consents: dict[str, Any]
    profiles_used: int
    clients: Share
    webhooks: dict[str, Any]
    quotas: list[Quota]
    contract: Contract

class Uses(TypedDict, total=False):
    """Uses"""
    window: str
    used: int
    allowed: int
    left: int

class Validity(TypedDict, total=False):
    """Validity"""
    expired: bool
    ended_at: str | None
    ended_by: dict[str, Any] | None
    valid_until: str
    limited_by: str
    bounds: list[dict[str, Any]]
    ends_early_on: list[dict[str, Any]]

class WantedOverride(TypedDict, total=False):
    """WantedOverride"""
    kind: Required[Literal["grade_notch", "scorable_despite", "knock_out_set_aside", "decline_automated"]]
    reason_code: Required[Literal["new_fact", "record_wrong", "outside_model", "one_off", "rights"]]
    reason: Required[str]
    evidence: str
    expires_at: Required[str]
    notches: int
    grade: Literal["A+", "A", "B", "C", "D", "E"]
    knock_out: str

class Warning(TypedDict, total=False):
    """Warning"""
    code: str
    text_zh: str
    text_en: str

class Watch(TypedDict, total=False):
    """Watch"""
    day: str | None
    models: list[WatchedModel]

class WatchedModel(TypedDict, total=False):
    """WatchedModel"""
    purpose: str
    model_id: str
    since: str
    frozen_since: str | None
    frozen_because: str | None
    score: DriftFinding | None
    levels: dict[str, Any]
    series: list[DriftFinding]
    grades: list[GradeShare]
    sources: list[SourceShare]
    overrides: OverrideRate | None
    outcomes: list[RipeOutcome]
    alarms: list[Alarm]

class WebhookSecret(TypedDict, total=False):
    """WebhookSecret"""
    webhook_url: str | None
    secret: str | None

class WeightBand(TypedDict, total=False):
    """WeightBand"""
    below: Required[float]
    log_odds: Required[float]

class WhoseCase(TypedDict, total=False):
    """WhoseCase"""
    id: Required[str]
    state: str
    causes: list[str]
    asked_for: bool
    opened_at: str
    due_at: str
    decision: str | None
    ended_at: str | None
    profile_id: str
    refuses_automation: bool
    note: str
    result: dict[str, Any]
    claimed_by: str | None
    reason: str
    override: Override | None

class WithoutCategory(TypedDict, total=False):
    """WithoutCategory"""
    category: str
    points: int | None
    grade: str | None
    pd_12m: float | None
    points_gained: int | None
