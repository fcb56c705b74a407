"""What banks read of reviews, and what the platform's reviewers send and see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import marshmallow as ma

from creditlink.engine.vocabulary import GRADES
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import TruthValue, instant, number, text, texts
from creditlink.reviews.queue import MOST_NOTE, CaseQuery
from creditlink.reviews.rules.causes import CAUSES
from creditlink.reviews.rules.overrides import KINDS, REASONS, WantedOverride
from creditlink.reviews.rules.states import STATES

_MOST_TEXT = ma.validate.Length(1, MOST_NOTE)


@dataclass(frozen=True)
class ReviewAsk:
    """What a bank passes on for a sole trader."""

    refuses_automation: bool
    note: str


class ReviewAskSchema(Schema):
    """What a sole trader asks for."""

    loads_into = ReviewAsk
    refuses_automation = TruthValue(
        load_default=False,
        metadata={
            "description": "Whether the sole trader refuses a decision by automated means alone: it holds for every "
            "profile under this consent"
        },
    )
    note = text("In the words of who asks", load_default="", validate=ma.validate.Length(max=MOST_NOTE))


class OverrideSchema(Schema):
    """How a person departed from the result, beside it."""

    id = text("The override")
    kind = text(", ".join(f"`{kind}`" for kind in KINDS))
    label_zh = text("What it is, in Chinese")
    label_en = text("What it is, in English")
    notches = number("Grades up (positive) or down", allow_none=True)
    grade = text("The grade that the person gives; the model's stays as it is", allow_none=True)
    knock_out = text("The knock-out that is set aside", allow_none=True)
    reason_code = text(", ".join(f"`{code}`" for code in REASONS))
    reason_zh = text("The typed reason in Chinese")
    reason_en = text("The typed reason in English")
    reason = text("In the reviewer's words")
    people = number("How many people decided it: 2 wherever it loosens")
    decided_at = instant("Since when")
    expires_at = instant("Until when, exclusive")
    in_force = ma.fields.Boolean(metadata={"description": "Whether it holds now"})


class CaseOfProfileSchema(Schema):
    """One case about a profile, as its bank sees it."""

    id = text("The case")
    state = text(", ".join(f"`{state}`" for state in STATES))
    causes = texts(", ".join(f"`{cause}`" for cause in CAUSES))
    asked_for = ma.fields.Boolean(metadata={"description": "Whether the firm, or a bank for it, asked"})
    opened_at = instant("When it was opened")
    due_at = instant("By when a person decides")
    decision = text("`confirmed` or `overridden`; null until then", allow_none=True)
    ended_at = instant("When it was decided or expired", allow_none=True)


class ReviewOfProfileSchema(Schema):
    """What people did about a profile. It stands beside the score and never changes it."""

    cases = ma.fields.List(ma.fields.Nested(CaseOfProfileSchema), metadata={"description": "The latest first"})
    automated_decision_refused = ma.fields.Boolean(
        metadata={
            "description": "The sole trader refuses a decision by automated means alone: a person must take yours"
        }
    )
    override = ma.fields.Nested(
        OverrideSchema, allow_none=True, metadata={"description": "The latest override; null: none was made"}
    )


class CaseQuerySchema(Schema):
    """Which cases to list."""

    loads_into = CaseQuery
    state = text("Only cases in this state", validate=ma.validate.OneOf(list(STATES)))
    cause = text("Only cases with this cause", validate=ma.validate.OneOf(list(CAUSES)))
    limit = number("Cases per page", load_default=100, validate=ma.validate.Range(1, 1000))
    cursor = text("Where the page before ended: its `next_cursor`")


class WhoseCaseSchema(CaseOfProfileSchema):
    """One case as reviewers see it."""

    profile_id = text("The profile; its sealed record has the same digits after `dec_`")
    refuses_automation = ma.fields.Boolean(metadata={"description": "Whether the firm refuses automated decisions"})
    note = text("In the words of who asked")
    result = ma.fields.Dict(metadata={"description": "The model's result as it stood"})
    claimed_by = text("The reviewer's login", allow_none=True)
    reason = text("Of the decision; empty until then")
    override = ma.fields.Nested(OverrideSchema, allow_none=True, metadata={"description": "What was made of it"})


class CasesSchema(Schema):
    """Cases, what is due first first."""

    items = ma.fields.List(ma.fields.Nested(WhoseCaseSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class WantedOverrideSchema(Schema):
    """An override as a reviewer wants it."""

    loads_into = WantedOverride
    kind = text("What kind", required=True, validate=ma.validate.OneOf(list(KINDS)))
    reason_code = text("Why, typed", required=True, validate=ma.validate.OneOf(list(REASONS)))
    reason = text("Why, in words", required=True, validate=_MOST_TEXT)
    evidence = text(
        "What proves it: which document, from whom; needed wherever it loosens",
        load_default="",
        validate=ma.validate.Length(max=MOST_NOTE),
    )
    expires_at = instant("Until when it holds", required=True)
    notches = number("Of `grade_notch`: up is positive", strict=True)
    grade = text("Of `scorable_despite`: which grade", validate=ma.validate.OneOf(list(GRADES)))
    knock_out = text("Of `knock_out_set_aside`: which code", validate=ma.validate.Length(1, 8))


@dataclass(frozen=True)
class DecisionBody:
    """A reviewer's decision as sent."""

    decision: str
    reason: str = ""
    override: WantedOverride | None = None


class DecisionBodySchema(Schema):
    """A reviewer's decision."""

    loads_into = DecisionBody
    decision = text("`confirm` or `override`", required=True, validate=ma.validate.OneOf(["confirm", "override"]))
    reason = text("Of `confirm`: why the result stands", load_default="", validate=ma.validate.Length(max=MOST_NOTE))
    override = ma.fields.Nested(WantedOverrideSchema, metadata={"description": "Of `override`: what exactly"})


class ReviewDecidedSchema(Schema):
    """What came of a decision."""

    case = ma.fields.Nested(WhoseCaseSchema)
    waits_for = text(
        "The act that a second person must approve, at the desk or with `creditlink staff approve`; null: done",
        allow_none=True,
    )


@dataclass(frozen=True)
class MonitorQuery:
    """Which period to report on."""

    since: datetime | None = None
    until: datetime | None = None


class MonitorQuerySchema(Schema):
    """Which period to report on, by when cases ended."""

    loads_into = MonitorQuery
    since = instant("From then on")
    until = instant("Before then")


class OverrideGroupSchema(Schema):
    """Some overrides and how often they were right."""

    name = text("Kind, or the reviewer's login")
    overrides = number("How many")
    loosening = number("Of these, how many loosened")
    ripe = number("Of these, of how many the outcome is known")
    hits = number("Of these, how many were right: loosened and repaid, or tightened and went bad")
    hit_rate = ma.fields.Float(allow_none=True, metadata={"description": "Null where too few are ripe"})


class MonitorSchema(Schema):
    """How people depart from the model."""

    decided = number("Cases that a person decided")
    overridden = number("Of these, how many were overridden")
    expired = number("Cases that nobody decided in time")
    rate = ma.fields.Float(allow_none=True, metadata={"description": "overridden / decided; null: too few decided"})
    most = ma.fields.Float(metadata={"description": "Above this rate the monitor raises an alert"})
    alert = ma.fields.Boolean(metadata={"description": "Whether it does"})
    by_all = ma.fields.List(ma.fields.Nested(OverrideGroupSchema), metadata={"description": "All together"})
    by_kind = ma.fields.List(ma.fields.Nested(OverrideGroupSchema))
    by_reviewer = ma.fields.List(ma.fields.Nested(OverrideGroupSchema))


class NoticeClockSchema(Schema):
    """A notice's clock and receipt; what it says is the firm's to read."""

    id = text("The notice")
    event = text("`not_scorable`, `knocked_out`, `declined` or `worse_terms`")
    text_sha256 = text("Hash of both texts")
    sent_at = instant("When it came onto the firm's page")
    due_at = instant("By when the firm should have opened it")
    seen_at = instant("When somebody of the firm first opened it: the receipt", allow_none=True)
    overdue = ma.fields.Boolean(
        metadata={"description": "Not opened in time; its bank was told to deliver it otherwise"}
    )


@dataclass(frozen=True)
class NoticeQuery:
    """Which notices to list."""

    overdue: bool = False
    limit: int = 100
    cursor: str | None = None


class NoticeQuerySchema(Schema):
    """Which notices to list."""

    loads_into = NoticeQuery
    overdue = ma.fields.Boolean(load_default=False, metadata={"description": "Only those not opened in time"})
    limit = number("Notices per page", load_default=100, validate=ma.validate.Range(1, 1000))
    cursor = text("Where the page before ended: its `next_cursor`")


class NoticeClocksSchema(Schema):
    """Notices, what is due first first."""

    items = ma.fields.List(ma.fields.Nested(NoticeClockSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
