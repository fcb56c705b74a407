"""What is asked of a profile's products, and what is told."""

from __future__ import annotations

import marshmallow as ma

from creditlink.engine.matching.match import STATES
from creditlink.engine.vocabulary import PRODUCT_KINDS
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import number, text
from creditlink.profiles.matched.paging import A_PAGE, MOST, MatchQuery


class MatchQuerySchema(Schema):
    """Which products of a profile; every filter narrows the list, none of them its order."""

    loads_into = MatchQuery
    state = text("Only products in this state", validate=ma.validate.OneOf(STATES))
    kind = text("Only products of this kind", validate=ma.validate.OneOf(list(PRODUCT_KINDS)))
    institution = text("Only products of the institution with this code", validate=ma.validate.Length(1, 40))
    product = text("Only the product with this code", validate=ma.validate.Length(1, 40))
    limit = number("Products per page", load_default=A_PAGE, validate=ma.validate.Range(min=1, max=MOST))
    cursor = text("Where the page before ended: its `next_cursor`", validate=ma.validate.Length(max=20))


class MatchesSchema(Schema):
    """A page of a profile's products, every rule of each."""

    profile_id = text("The profile")
    counts = ma.fields.Dict(metadata={"description": "eligible, undetermined, ineligible: of all products"})
    total = number("Products that the filters let through, on all pages")
    products = ma.fields.List(ma.fields.Dict(), metadata={"description": "In order; each rule pass, fail or unknown"})
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)
    near_misses = ma.fields.List(ma.fields.Dict(), metadata={"description": "What would unlock the nearest products"})
