"""What a bank sees of objections to its accesses, and answers."""

from __future__ import annotations

from dataclasses import dataclass

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text
from creditlink.objections.rules import ESCALATIONS, FINDINGS, MOST_WORDS, REASONS, STATES
from creditlink.objections.service import ObjectionQuery


@dataclass(frozen=True)
class ObjectionAnswer:
    """Why the bank looked."""

    reason: str
    words: str = ""


class ObjectionQuerySchema(Schema):
    """Which objections to list."""

    loads_into = ObjectionQuery
    state = text("Only objections in this state", validate=ma.validate.OneOf(tuple(STATES)))
    limit = number("Objections per page", load_default=50, validate=ma.validate.Range(min=1, max=200))
    cursor = text("Where the page before ended: its `next_cursor`")


class ObjectionAnswerSchema(Schema):
    """Why the bank looked."""

    loads_into = ObjectionAnswer
    reason = text(
        "Why: " + "; ".join(f"`{code}`: {words[1]}" for code, words in REASONS.items()),
        required=True,
        validate=ma.validate.OneOf(tuple(REASONS)),
    )
    words = text(
        "In words that the firm reads; required with `other`", load_default="",
        validate=ma.validate.Length(max=MOST_WORDS),
    )  # fmt: skip


class ObjectionSchema(Schema):
    """A firm's objection to one access of yours."""

    id = text("The objection's id")
    enterprise_id = text("The firm, by your institution's own id of it")
    consent_id = text("The consent that the access was under; null where there was none", allow_none=True)
    client_id = text("Your client that made the access", allow_none=True)
    action = text("What the access was, such as `profile.read`")
    accessed_at = instant("When the access was")
    words = text("What the firm says")
    asked_at = instant("When the firm objected")
    answer_due_at = instant("Until when to answer; after it the operator has it, and still reads your answer")
    state = text("`" + "`, `".join(STATES) + "`")
    answer_reason = text("The reason that you gave", allow_none=True)
    answer = text("What you said", allow_none=True)
    answered_at = instant("When you answered", allow_none=True)
    escalated_for = text("Why it went to the operator: `" + "` or `".join(ESCALATIONS) + "`", allow_none=True)
    ended_at = instant("When it ended", allow_none=True)
    finding = text("What the operator found: `" + "`, `".join(FINDINGS) + "`", allow_none=True)
    decision = text("The operator's words", allow_none=True)


class ObjectionPageSchema(Schema):
    """One page of objections, the newest first."""

    items = ma.fields.List(ma.fields.Nested(ObjectionSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
