"""The bank's manual of a firm's relations."""

from __future__ import annotations

import marshmallow as ma

from creditlink.financing.loans.relations.answer import RelationsQuery
from creditlink.kit.http.api import Day, Schema
from creditlink.kit.http.fields import number, text


class RelationsQuerySchema(Schema):
    """Of which day."""

    loads_into = RelationsQuery

    as_of = Day(load_default=None, metadata={"description": "As known on this day; absent: today"})


class NearFirmSchema(Schema):
    """A firm as the register names it."""

    uscc = text("Its code")
    name = text("Its name")
    status = text("`active`, `suspended`, `revoked`, `deregistered`; null: not known", allow_none=True)
    is_registered = ma.fields.Boolean(metadata={"description": "Whether it is in this platform's registry"})


class TieStepSchema(Schema):
    """One step from firm to firm."""

    kind = text("`representative`, `shareholder` (a natural person), `address` or `holding`")
    through = text("The representative, address or holder, as published; null: a natural shareholder", allow_none=True)
    firm = ma.fields.Nested(NearFirmSchema, metadata={"description": "Where it leads"})


class RevokedWaySchema(Schema):
    """The way to a firm whose licence was revoked."""

    text_zh = text("The way in Chinese")
    text_en = text("The way in English")
    revoked_on = Day(allow_none=True, metadata={"description": "Since when it is revoked"})
    steps = ma.fields.List(ma.fields.Nested(TieStepSchema), metadata={"description": "The way, step by step"})


class ExposureSchema(Schema):
    """What your institution has out to the group, by what it reported itself."""

    outstanding_fen = number("Outstanding in fen")
    loans = number("In how many loans")
    firms = number("To how many firms")


class GuaranteeSchema(Schema):
    """A guarantee of the firm, or for it."""

    firm = ma.fields.Nested(NearFirmSchema, metadata={"description": "The other firm"})
    amount_fen = number("How much, in fen", allow_none=True)


class GuaranteesSchema(Schema):
    """The firm's guarantees."""

    given = ma.fields.List(ma.fields.Nested(GuaranteeSchema), metadata={"description": "For others"})
    received = ma.fields.List(ma.fields.Nested(GuaranteeSchema), metadata={"description": "By others"})
    circles = ma.fields.List(
        ma.fields.Integer(),
        metadata={"description": "Of each circle of guarantees it is in: how many firms, at most 5"},
    )


class RelationsSchema(Schema):
    """What ties the firm to others, as published and as known on the day."""

    as_of = Day(metadata={"description": "The day"})
    is_cut = ma.fields.Boolean(metadata={"description": "Whether there was more than is looked at"})
    control_bps = number("The share from which on firms are one group, in basis points")
    group = ma.fields.List(
        ma.fields.Nested(NearFirmSchema),
        metadata={"description": "One group by control or representative; itself first"},
    )
    ties = ma.fields.List(
        ma.fields.Nested(TieStepSchema), metadata={"description": "Firms one step away that control ties"}
    )
    ways_to_revoked = ma.fields.List(
        ma.fields.Nested(RevokedWaySchema), metadata={"description": "Ways to revoked firms, the nearest first"}
    )
    exposure = ma.fields.Nested(ExposureSchema, metadata={"description": "Your own loans to the group"})
    guarantees = ma.fields.Nested(
        GuaranteesSchema,
        allow_none=True,
        metadata={"description": "Its guarantees; null unless the firm granted the category `contract`"},
    )
