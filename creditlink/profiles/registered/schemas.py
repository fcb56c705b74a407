"""What a bank reads of the registry: the firm on the profile's day."""

from __future__ import annotations

import marshmallow as ma

from creditlink.kit.http.api import Day, Schema
from creditlink.kit.http.fields import number, text, texts


class RegisteredFirmSchema(Schema):
    """A firm by the name and code that the registry has of it."""

    name = text("Its name")
    uscc = text("Its code, where the registry names it", allow_none=True)


class HoldingSchema(RegisteredFirmSchema):
    """A firm that holds a share."""

    share_bps = number("Its share in basis points", allow_none=True)


class ShareholdersSchema(Schema):
    """Who holds the firm: other firms by name, natural persons only in number."""

    firms = ma.fields.List(ma.fields.Nested(HoldingSchema), metadata={"description": "Firms"})
    persons = number("How many natural persons")
    persons_share_bps = number("What they hold together, in basis points; null where not all is known", allow_none=True)


class RegistrationSchema(Schema):
    """The profile's firm as it was registered on the profile's day, as far as it was known then."""

    profile_id = text("The profile")
    as_of = Day(metadata={"description": "Its day"})
    uscc = text("The code it had")
    name = text("The name it had")
    former_usccs = texts("Codes it had before, the oldest first")
    former_names = texts("Names it had before, the oldest first")
    is_listed = ma.fields.Boolean(metadata={"description": "Whether the last whole list of its region named it"})
    status = text("`active`, `suspended`, `revoked` or `deregistered`")
    entity_type = text("Its form")
    industry = text("GB/T 4754 section letter and division")
    region = text("GB/T 2260, six digits")
    established_on = Day(allow_none=True, metadata={"description": "When it was founded"})
    registered_capital_fen = number("Registered capital in fen", allow_none=True)
    paid_in_capital_fen = number("Paid-in capital in fen", allow_none=True)
    linked_struck_off = ma.fields.Boolean(
        metadata={"description": "Whether a firm tied to it was struck off"}, allow_none=True
    )
    legal_representative = text("The legal representative's name, as published", allow_none=True)
    address = text("The registered address", allow_none=True)
    shareholders = ma.fields.Nested(
        ShareholdersSchema, allow_none=True, metadata={"description": "Who holds it; null: not known"}
    )
    branches = ma.fields.List(
        ma.fields.Nested(RegisteredFirmSchema), allow_none=True, metadata={"description": "Branches; null: not known"}
    )
