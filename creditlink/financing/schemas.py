"""Financing as banks read and write it."""

from __future__ import annotations

import marshmallow as ma

from creditlink.engine.vocabulary import REPAYMENTS
from creditlink.financing.applications.states import STATES
from creditlink.financing.bodies import DeclineBody, FunnelQuery, OfferBody, OutcomeBody, SignatureBody
from creditlink.financing.funnel.funnel import DIMENSIONS
from creditlink.financing.loans.outcome_file import KINDS, MOST_DAYS, MOST_FEN
from creditlink.financing.requests.ask import AMOUNT_FEN, TERM_MONTHS
from creditlink.financing.requests.warnings import WARNINGS
from creditlink.financing.wire import ApplicationQuery
from creditlink.kit.http.api import Day, Schema
from creditlink.kit.http.fields import TruthValue, instant, number, text


class ApplicationQuerySchema(Schema):
    """Which applications to list."""

    loads_into = ApplicationQuery

    state = text("Only in this state", validate=ma.validate.OneOf(list(STATES)))
    request = text("Only of this request (`fin_…`)")
    changed_from = instant("Only those changed at this instant or later")
    limit = ma.fields.Integer(
        load_default=20, validate=ma.validate.Range(1, 100), metadata={"description": "Applications per page"}
    )
    cursor = text("Where the page before ended: its `next_cursor`")


class RequestSchema(Schema):
    """What the firm asks for now."""

    id = text("The request, by an id that only your institution sees; several of your products may be asked under one")
    version = number("1, and one more with each amendment")
    amount_fen = number("How much, in fen")
    term_months = number("For how long")
    use = text("What for: `working_capital`, `equipment` …")
    collateral = text("What it can give as security, `none` for nothing")
    expires_at = instant("When it ends without an accepted offer, exclusive")


class AppliedProductSchema(Schema):
    """The product applied for."""

    code = text("Its code")
    version = number("The version that the firm saw")


class OfferBodySchema(Schema):
    """What you promise until the offer lapses."""

    loads_into = OfferBody

    amount_fen = number("How much, in fen", strict=True, required=True, validate=ma.validate.Range(*AMOUNT_FEN))
    term_months = number("For how long", strict=True, required=True, validate=ma.validate.Range(*TERM_MONTHS))
    rate_bps = number("Rate in basis points a year", strict=True, required=True, validate=ma.validate.Range(0, 10_000))
    fee_fen = number(
        "Fees, once, taken out of what is paid out; left out: as the product says",
        strict=True,
        validate=ma.validate.Range(min=0),
    )
    repayment = text(
        "`bullet`, `equal_instalment` or `revolving`; left out: as the product says",
        validate=ma.validate.OneOf(list(REPAYMENTS)),
    )
    cooling_off_days = number(
        "Days after signing in which the firm may step back for nothing",
        strict=True,
        load_default=3,
        validate=ma.validate.Range(0, 60),
    )
    conditions = text("Anything else, in words", load_default="", validate=ma.validate.Length(max=2000))
    valid_until = instant("Until when the offer stands, exclusive", required=True)


class OfferSchema(Schema):
    """An offer, frozen by its hash."""

    id = text("The offer")
    revision = number("1, and one more with each better offer")
    amount_fen = number("How much, in fen")
    term_months = number("For how long")
    rate_bps = number("Rate in basis points a year")
    fee_fen = number("Fees, once")
    fees_bps = number("The same, of the amount: the product's own unless you said others")
    repayment = text("How it is repaid")
    cooling_off_days = number("Days in which the firm may step back after signing")
    conditions = text("Anything else, in words")
    subsidy_bps = number("What a public programme pays of the interest, a year: the product's own")
    yearly_cost_bps = number("Yearly rate of all costs after the subsidy, by the internal rate of return")
    total_cost_fen = number("All that the firm pays beyond what it gets, after the subsidy")
    subsidy_fen = number("What the programme pays, if the loan runs as agreed")
    valid_until = instant("Until when it stands, exclusive")
    made_at = instant("When it was made")
    sha256 = text("Hash over the terms, the application and `valid_until`; signing names it")


class DeclinedForSchema(Schema):
    """One reason of a decline beside the explanation."""

    code = text("The decline reason")
    agreement = text("`agrees`, `minor`, `contradicts`, `outside` or `no_profile`")


class WarningSchema(Schema):
    """One thing that the firm was warned of before it sent the request."""

    code = text(f"One of {', '.join(WARNINGS)}")
    text_zh = text("In Chinese")
    text_en = text("In English")


class ApplicationSchema(Schema):
    """A request before your institution."""

    id = text("The application")
    state = text(f"One of {', '.join(STATES)}")
    allowed = ma.fields.List(text("An event"), metadata={"description": "What you may do in this state"})
    enterprise_id = text("The firm, by an id that only your institution sees")
    request = ma.fields.Nested(RequestSchema)
    product = ma.fields.Nested(AppliedProductSchema)
    first_loan = ma.fields.Boolean(
        metadata={"description": "When it applied, no lender of this platform had ever paid out a loan to the firm"}
    )
    warnings = ma.fields.List(
        ma.fields.Nested(WarningSchema),
        metadata={
            "description": "What the firm was warned of before it sent the request, brought up to date until you "
            "answer: never where else it asked, nor how much"
        },
    )
    consent_id = text("The consent that the firm gave with this application")
    consent_state = text("Its state")
    made_at = instant("When the firm applied")
    changed_at = instant("When the state last changed")
    answer_due_at = instant("Until when you answer, exclusive; then it expires")
    escalated_at = instant("When you were reminded", allow_none=True)
    answered_at = instant("When you first answered", allow_none=True)
    due_at = instant("Until when the accepted offer is signed, then drawn", allow_none=True)
    offer = ma.fields.Nested(OfferSchema, allow_none=True)
    declined_for = ma.fields.List(ma.fields.Nested(DeclinedForSchema))


class EventSchema(Schema):
    """One thing that happened."""

    at = instant("When")
    event = text("What")
    by = text("`firm`, `bank` or `system`")
    from_state = text("Before", allow_none=True)
    to_state = text("After", allow_none=True)
    detail = ma.fields.Dict(metadata={"description": "Offer hash, reasons, days: what belongs to the event"})


class LoanFactSchema(Schema):
    """One thing that became of the loan, as it is known now."""

    kind = text("`draw`, `repayment`, `closure` or `write_off`")
    on = ma.fields.Date(metadata={"description": "The day it is about; of a repayment the first of its month"})
    reference = text("Your own reference")
    amount_fen = number("Drawn, outstanding, or written off")
    days_past_due = number("The worst of the month", allow_none=True)
    known_at = instant("When you told us")


class ApplicationInFullSchema(ApplicationSchema):
    """An application with all that happened and all that became of the loan."""

    history = ma.fields.List(ma.fields.Nested(EventSchema))
    loan = ma.fields.List(ma.fields.Nested(LoanFactSchema))


class ApplicationPageSchema(Schema):
    """A page of applications, newest first."""

    items = ma.fields.List(ma.fields.Nested(ApplicationSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class DeclineBodySchema(Schema):
    """Why you decline."""

    loads_into = DeclineBody

    reasons = ma.fields.List(
        text("A code of `/v1/decline-reasons`"),
        required=True,
        validate=ma.validate.Length(1, 4),
        metadata={"description": "One to four reasons, the strongest first"},
    )
    note = text("A sentence for the firm", load_default="", validate=ma.validate.Length(max=500))
    decided_by_person = TruthValue(
        metadata={
            "description": "Whether a person decided; needed where the sole trader refuses automated decisions, which "
            "its profile says under `review`. It goes into the firm's evidence"
        },
    )


class SignatureBodySchema(Schema):
    """Which offer the contract was signed on."""

    loads_into = SignatureBody

    offer_sha256 = text("The hash of the accepted offer", required=True, validate=ma.validate.Length(equal=64))


class HandoverSchema(Schema):
    """The way to the tokens of the consent that the firm gave with its application."""

    auth_req_id = text("For the token endpoint: `grant_type=urn:openid:params:grant-type:ciba`; once")
    expires_at = instant("Until when, exclusive")
    scope = text("What the tokens will be good for")
    consent_id = text("The consent, as `grant_id` in the token answer")


class OutcomeBodySchema(Schema):
    """One thing that became of the loan."""

    loads_into = OutcomeBody

    kind = text("`draw`, `repayment`, `closure` or `write_off`", required=True, validate=ma.validate.OneOf(KINDS))
    on = Day(required=True, metadata={"description": "The day it is about; of a repayment the first day of its month"})
    amount_fen = number(
        "Drawn, outstanding at the month's end, or written off",
        strict=True,
        load_default=0,
        validate=ma.validate.Range(0, MOST_FEN),
    )
    days_past_due = number(
        "Of a repayment: the worst of the month", strict=True, validate=ma.validate.Range(0, MOST_DAYS)
    )
    reference = text("Yours, where a day may hold several draws", load_default="", validate=ma.validate.Length(max=64))


class LineErrorSchema(Schema):
    """A line that was not taken."""

    line = number("Its number in the file, from 1")
    field = text("Which field")
    value = text("What stood there")
    problem = text("What is wrong with it")


class OutcomeFileSchema(Schema):
    """What became of a file of outcomes: the good lines are in."""

    lines = number("Lines that held something")
    recorded = number("New outcomes and corrections")
    unchanged = number("Outcomes that were known already")
    errors = ma.fields.List(ma.fields.Nested(LineErrorSchema))


class DeclineReasonSchema(Schema):
    """A typed decline reason."""

    code = text("Never reused")
    label_zh = text("In Chinese")
    label_en = text("In English")
    reason_codes = ma.fields.List(text("A reason code of the score"))


class DeclineReasonsSchema(Schema):
    """Every decline reason."""

    items = ma.fields.List(ma.fields.Nested(DeclineReasonSchema))


class FunnelQuerySchema(Schema):
    """By what to break the funnel down."""

    loads_into = FunnelQuery

    by = text("Dimension", load_default="all", validate=ma.validate.OneOf(list(DIMENSIONS)))
    until = instant("The end of a period, one of `periods`; the last one unless told")


class FunnelRowSchema(Schema):
    """One group of at least ten firms; each fact apart, none of them a rate."""

    key = text("The institution, product, industry section, city or month; `other` for groups too small to tell")
    firms = number("Different firms")
    applied = number("Applications")
    approved = number("Of them: the lender made an offer")
    declined = number("Of them: the lender declined")
    drawn = number("Of them: money was paid out")
    repaid = number("Of them: repaid to the end")
    written_off = number("Of them: written off")
    overdue_90 = number("Of them: at any time 90 days past due")
    asked_fen = number("Asked for in all; null: too few firms share in it", allow_none=True)
    approved_fen = number("Offered in all; null: too few firms share in it", allow_none=True)
    drawn_fen = number("Paid out in all; null: too few firms share in it", allow_none=True)
    answered = number("Of them: the lender answered")
    median_answer_hours = ma.fields.Float(
        allow_none=True, metadata={"description": "Median hours from applying to the first answer"}
    )


class FunnelSchema(Schema):
    """The funnel of one period, broken down by one dimension; the rows add up to the total."""

    by = text("The dimension")
    computed_at = instant("When", allow_none=True)
    period_from = instant("What happened from here on; null: from the beginning", allow_none=True)
    period_until = instant("Until here, exclusive", allow_none=True)
    periods = ma.fields.List(
        instant("The end of a period"), metadata={"description": "All that are told, newest first"}
    )
    rows = ma.fields.List(ma.fields.Nested(FunnelRowSchema))


class DisagreementRowSchema(Schema):
    """How often one reason was given, and how it agreed."""

    code = text("The decline reason")
    declines = number("How often it was given")
    agreements = ma.fields.Dict(metadata={"description": "Verdict -> how often"})


class DisagreementSchema(Schema):
    """What you said beside what the explanations said."""

    declines = number("Reasons given in all")
    by_reason = ma.fields.List(ma.fields.Nested(DisagreementRowSchema))
