"""What stands beside the score on the wire: how much the firm can bear, and how long the profile may be relied on."""

from __future__ import annotations

import marshmallow as ma

from creditlink.disputes.rules.datum import CLAIMS
from creditlink.disputes.rules.states import STATES
from creditlink.engine.capacity.derivation import ROLES
from creditlink.engine.profile.validity import CAUSES_OF_END, ENDS_EARLY
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text


class CapacitySchema(Schema):
    """What a firm can bear, with its derivation; advice, and no part of the score."""

    state = text("`derived`, or `insufficient`: then `reason` and the text say why, and there is no number")
    reason = text("no_sales or few_months", allow_none=True)
    suggested_fen = number("Suggested limit for `suggested_months`; 0 is an answer, null is none", allow_none=True)
    suggested_months = number("The first term long enough for the one asked for; 12 where none is", allow_none=True)
    cash_fen = number("Cash left in a mean month; negative: sales do not pay for themselves", allow_none=True)
    stressed_cash_fen = number("The same in a poor month, by the firm's own ups and downs", allow_none=True)
    debt_service_fen = number("What its loans from your institution on this platform take a month", allow_none=True)
    instalment_fen = number("What new instalments may take a month", allow_none=True)
    limits = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": "By term: `term_months`, `amount_fen`, `instalment_fen`, words, and `bound`, what keeps it "
            "from being more: cash, sales (the share of sales that debt may reach) or nothing_left"
        },
    )
    lines = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": f"Each step by month: `name`, `role` ({', '.join(ROLES)}), words, `source` (a data "
            "category, `capacity.toml` or `platform`), `amount_fen` and `share` where it has them. `if_known` says how "
            "a line that is not known, or only assumed, could move the limit: lower, either, same"
        },
    )
    terms = ma.fields.Dict(metadata={"description": "Every number it was derived by, such as the rate and the cover"})
    text_zh = text("The suggestion, or why there is none, in Chinese")
    text_en = text("The same in English")


class ValiditySchema(Schema):
    """Until when a profile may be relied on, and what ends that early."""

    expired = ma.fields.Boolean(
        metadata={"description": "Whether the time is over at this read: the profile stays readable, compute a new one"}
    )
    ended_at = instant("When we learned of an event that ended it early; null: none did", allow_none=True)
    ended_by = ma.fields.Dict(
        allow_none=True,
        metadata={
            "description": "That event: `event` (one of `ends_early_on`), words, and what it is about, such as "
            "`category`, `period` and `kind`; never of a category that the profile was not computed from"
        },
    )
    valid_until = instant("The earliest of `bounds`; exclusive")
    limited_by = text(f"Its cause: {', '.join(CAUSES_OF_END)}")
    bounds = ma.fields.List(
        ma.fields.Dict(), metadata={"description": "Every bound: `cause`, `until`, words; the earliest first"}
    )
    ends_early_on = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": "Events after which it is not to be relied on, whatever the date: "
            f"`event` ({', '.join(ENDS_EARLY)}) and words"
        },
    )


class BesideScoreSchema(Schema):
    """What the score comes to otherwise, by the same model and all else as it was."""

    state = text("`scored` or `not_scorable`")
    grade = text("Null where there is no score", allow_none=True)
    points = number("Null where there is no score", allow_none=True)
    pd_12m = ma.fields.Float(allow_none=True, metadata={"description": "Null where there is no score"})


class ContestedDatumSchema(Schema):
    """One datum that the firm disputes, or disputed: where it stands, and what the score is without it."""

    dispute_id = text("The dispute")
    contested = ma.fields.Boolean(metadata={"description": "Whether it is open: nobody knows yet who is right"})
    state = text(", ".join(f"`{name}`: {en.lower()}" for name, (_, en) in STATES.items()))
    state_zh = text("The state in Chinese")
    state_en = text("The state in English")
    claim = text(", ".join(f"`{name}`: {en.lower()}" for name, (_, en) in CLAIMS.items()))
    claim_zh = text("The claim in Chinese")
    claim_en = text("The claim in English")
    category = text("The data category, which the profile was computed from")
    frame = text("The kind of record")
    label_zh = text("What it is, in Chinese")
    label_en = text("What it is, in English")
    period = text("The month it is about; null for an entry of the register", allow_none=True)
    in_profile = ma.fields.Boolean(
        metadata={
            "description": "Whether the profile is computed with it; false: an entry of the register that stands "
            "beside it, such as the name or the address"
        }
    )
    since = instant("When the firm disputed it")
    answer_by = instant("By when its source answers, exclusive; null once it is over", allow_none=True)
    ended_at = instant("When it was over", allow_none=True)
    without = ma.fields.Nested(
        BesideScoreSchema,
        allow_none=True,
        metadata={
            "description": "The score had the datum not been known; null where it is not computed (yet), or where no "
            "firm is without it, such as a status"
        },
    )
    corrected = ma.fields.Nested(
        BesideScoreSchema,
        allow_none=True,
        metadata={
            "description": "The score with the corrected datum; null until then. Compute a new profile to rely on"
        },
    )


class ToldRelationsSchema(Schema):
    """What ties the firm to firms that were struck off, and its own guarantees; no part of the score."""

    ways_to_revoked = ma.fields.List(
        ma.fields.Dict(),
        metadata={
            "description": "Each way, the nearest first: words, `revoked_on`, and `steps`, each with `tie` (what the "
            "two firms have in common), `through` (as published; null: a natural shareholder), `firm` and its `uscc`"
        },
    )
    is_cut = ma.fields.Boolean(metadata={"description": "Whether there was more than is looked at"})
    guarantees = ma.fields.Dict(
        allow_none=True,
        metadata={
            "description": "`given`, `given_fen`, `unknown` (without a known amount), and `circles`: how many firms "
            "are in each circle of guarantees; null unless the firm granted `contract`"
        },
    )
    notices = ma.fields.List(
        ma.fields.Dict(),
        metadata={"description": "`notice` (guarantees_over_capital, guarantee_circle) and words"},
    )
