"""What the answers about improvement hold: a better grade, an open product."""

from __future__ import annotations

import marshmallow as ma

from creditlink.engine.profile.steps import BLOCKED
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import number, text


class ChangeSchema(Schema):
    """One indicator that would have to change."""

    indicator = text("The indicator")
    code = text("Its reason code")
    category = text("Its data category")
    label_zh = text("Name in Chinese")
    label_en = text("Name in English")
    unit = text("Unit of its values")
    before = ma.fields.Float(metadata={"description": "Its value in the profile"})
    after = ma.fields.Float(metadata={"description": "What it would have to be"})
    months = number("Months until a whole window shows the change; 0: at once")
    text_zh = text("The change in Chinese")
    text_en = text("The change in English")


class PlanSchema(Schema):
    """Changes that together raise the grade."""

    changes = ma.fields.List(ma.fields.Nested(ChangeSchema), metadata={"description": "None can be left out"})
    pd_12m = ma.fields.Float(metadata={"description": "PD of the changed firm, scored again"})
    points = number("Points of the changed firm")
    grade = text("Grade of the changed firm")
    effort = ma.fields.Float(metadata={"description": "Per cent of its peers the firm passes, over all changes"})


class ImprovementsSchema(Schema):
    """What would raise the firm's grade."""

    profile_id = text("The profile")
    state = text("`scored`, or `not_scorable`: then there is no plan")
    grade = text("Grade of the profile", allow_none=True)
    points = number("Points of the profile", allow_none=True)
    target = text("The next better grade; null when there is none", allow_none=True)
    best_points = number("Points with everything in reach: as the best tenth of its peers", allow_none=True)
    plans = ma.fields.List(
        ma.fields.Nested(PlanSchema), metadata={"description": "At most 3, the least effort first; none: out of reach"}
    )


class UnlockStepSchema(Schema):
    """One thing to do."""

    kind = text("`change`: act on it; `wait`: it takes time; `grant`: open a data category")
    subject = text("The indicator or the fact of registration, as rules name it; or the categories to grant")
    before = ma.fields.Float(allow_none=True, metadata={"description": "Its value in the profile"})
    after = ma.fields.Float(allow_none=True, metadata={"description": "What it would have to be"})
    months = number("Months to wait, or until a whole window shows the change", allow_none=True)
    text_zh = text("The step in Chinese")
    text_en = text("The step in English")


class HindranceSchema(Schema):
    """One rule that nothing in reach meets."""

    subject = text("What the rule is about")
    reason = text(", ".join(BLOCKED))
    text_zh = text("The rule and why, in Chinese")
    text_en = text("The rule and why, in English")


class ChangedFirmSchema(Schema):
    """The firm after all steps, scored and matched again."""

    state = text("eligible, or undetermined until the categories are granted")
    pd_12m = ma.fields.Float(metadata={"description": "Its PD"})
    points = number("Its points")
    grade = text("Its grade")


class UnlockSchema(Schema):
    """What would open one product: the smallest change found of score and rules together."""

    profile_id = text("The profile")
    product = text("Code of the product")
    version = number("Its version when the profile was computed")
    state = text("eligible, undetermined or ineligible, as the profile found it")
    opens = ma.fields.Boolean(metadata={"description": "Whether the steps, all of them, open it"})
    steps = ma.fields.List(ma.fields.Nested(UnlockStepSchema), metadata={"description": "None can be left out"})
    blocked = ma.fields.List(
        ma.fields.Nested(HindranceSchema), metadata={"description": "What stands in the way; then there are no steps"}
    )
    effort = ma.fields.Float(
        allow_none=True, metadata={"description": "Per cent of its peers the firm passes, over all changes"}
    )
    after = ma.fields.Nested(
        ChangedFirmSchema, allow_none=True, metadata={"description": "The changed firm; null where nothing opens it"}
    )
    text_zh = text("All of it in one Chinese sentence")
    text_en = text("All of it in one English sentence")
