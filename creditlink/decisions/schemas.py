"""Replays of decisions, as the risk team asks for and sees them."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import text


class ReplayRequestSchema(Schema):
    """In which role somebody looks, and why; both are written into the firm's log, beside who signed the request."""

    role = text("In which role: `risk` or `auditor`", required=True, validate=ma.validate.Length(1, 40))
    purpose = text(
        "Why, one of those that the role has in the table of classes: `replay`, `complaint`, `model_review`, "
        "`model_training`, `audit`",
        required=True,
        validate=ma.validate.Length(1, 40),
    )


class DifferenceSchema(Schema):
    """One member of the decision that came out otherwise."""

    member = text("Its path: `summary.reasons.0.code`")
    stored = ma.fields.Raw(allow_none=True, metadata={"description": "As it was decided"})
    replayed = ma.fields.Raw(allow_none=True, metadata={"description": "As it comes out now"})


class ReplaySchema(Schema):
    """What a replay found."""

    decision = text("The decision")
    same = ma.fields.Boolean(metadata={"description": "Whether every byte is the same"})
    stored_sha256 = text("Hash of the profile as it was given")
    replayed_sha256 = text("Hash of the profile as it comes out now")
    bundle = text("Hash of the policy it was made under, and is made again by")
    differences = ma.fields.List(
        ma.fields.Nested(DifferenceSchema), metadata={"description": "Where they differ; 50 at most"}
    )
    computed_by = ma.fields.List(
        ma.fields.String(), metadata={"description": "Code and libraries here that are not the bundle's, by path"}
    )
