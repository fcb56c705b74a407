"""What the public catalogue shows of products, and what may be asked of it."""

from __future__ import annotations

import marshmallow as ma

from creditlink.engine.vocabulary import LENDER_KINDS, PRODUCT_KINDS
from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts
from creditlink.products.listing import ChangesQuery, ProductQuery

_FROM_0 = ma.validate.Range(0, 2**62)


class ProductQuerySchema(Schema):
    """Filters of the catalogue; all that are given apply."""

    loads_into = ProductQuery
    q = text("Words in the names of product or institution, either language", validate=ma.validate.Length(1, 80))
    kind = text("Kind of product", validate=ma.validate.OneOf(list(PRODUCT_KINDS)))
    institution = text("Code of the institution", validate=ma.validate.Length(1, 32))
    institution_kind = text("Kind of institution", validate=ma.validate.OneOf(LENDER_KINDS))
    tag = text("Campaign tag", validate=ma.validate.Length(1, 40))
    region = text("GB/T 2260 code; products lent there", validate=ma.validate.Regexp(r"^\d{2,6}$"))
    industry = text("GB/T 4754 code; products for it", validate=ma.validate.Regexp(r"^[A-T]\d{0,2}$"))
    amount_fen = number("An amount it must be able to lend, in fen", validate=ma.validate.Range(1, 10**13))
    term_months = number("A term it must allow, in months", validate=ma.validate.Range(1, 360))
    rate_bps_at_most = number("Lowest rate at most this, in basis points", validate=ma.validate.Range(0, 3600))
    limit = number("Products on a page", load_default=50, validate=ma.validate.Range(1, 200))
    cursor = text("Where the page before ended: its `next_cursor`", validate=ma.validate.Length(1, 40))


class RuleSchema(Schema):
    """One hard condition."""

    subject = text("profile.…, registration.… or indicator.…")
    operator = text(">=, <=, >, <, ==, between, in, not_in or at_least_grade")
    limit = ma.fields.Raw(metadata={"description": "A number, a text, two bounds or a list of texts"})
    text_zh = text("The condition in Chinese")
    text_en = text("The condition in English")


class ProductSchema(Schema):
    """A loan product in its live version. Amounts in fen, rates in basis points a year."""

    code = text("Unique code, kept through all versions")
    version = number("Version of the terms")
    institution_code = text("Code of the institution")
    institution_kind = text("Kind of institution")
    institution_name_zh = text("Institution in Chinese")
    institution_name_en = text("Institution in English")
    name_zh = text("Name in Chinese")
    name_en = text("Name in English")
    kind = text("Kind of product")
    kind_zh = text("Kind in Chinese")
    kind_en = text("Kind in English")
    amount_min_fen = number("Smallest amount")
    amount_max_fen = number("Largest amount")
    term_months_min = number("Shortest term")
    term_months_max = number("Longest term")
    rate_bps_min = number("Lowest yearly rate")
    rate_bps_max = number("Highest yearly rate")
    fees_bps = number("All one-off fees, of the amount drawn")
    repayment = text("bullet, equal_instalment or revolving")
    guarantee = text("none, guarantor, collateral, pledge or fund")
    risk_share_bps = number("Share of a loss that a guarantor or fund carries")
    subsidy_bps = number("Public interest subsidy, a year")
    yearly_cost_bps_min = number("All costs a year after the subsidy, at the lowest rate and the longest term")
    yearly_cost_bps_max = number("The same at the highest rate and the shortest term")
    tags = texts("Campaigns")
    quota_fen = number("What the programme lends in all; absent: no cap")
    valid_from = text("First day it is offered")
    valid_until = text("First day it is no longer offered; absent: open")
    required_categories = texts("Data categories the lender must be granted")
    rules = ma.fields.List(ma.fields.Nested(RuleSchema), metadata={"description": "Hard conditions; all must hold"})


class ProductPageSchema(Schema):
    """A page of the catalogue, in order of code."""

    revision = text("Changes whenever the catalogue does")
    total = number("Products that match the filters, on all pages")
    items = ma.fields.List(ma.fields.Nested(ProductSchema))
    next_cursor = text("Give it as `cursor` for the next page; null on the last", allow_none=True)


class ChangesQuerySchema(Schema):
    """Where a mirror of the catalogue stands."""

    loads_into = ChangesQuery
    since = number("`next_since` of the answer before; 0: from the beginning", load_default=0, validate=_FROM_0)
    limit = number("Changes in an answer", load_default=100, validate=ma.validate.Range(1, 500))


class ProductChangeSchema(Schema):
    """One version that went on sale, or off it."""

    revision = number("Place of the change in the order of all changes")
    code = text("Code of the product")
    version = number("Number of the version")
    institution_code = text("Code of the institution")
    state = text("live: take it in, in place of any other version; retired: take it out")
    changed_at = instant("When")
    product = ma.fields.Nested(
        ProductSchema, allow_none=True, metadata={"description": "The terms of a live version; null once retired"}
    )


class ProductChangesSchema(Schema):
    """What changed since a revision, oldest first; each version as it is now."""

    items = ma.fields.List(ma.fields.Nested(ProductChangeSchema))
    next_since = number("`since` of the next question; the same as asked when nothing changed")
    more = ma.fields.Boolean(metadata={"description": "Whether more changes are there already"})
    suspended = texts("Institutions none of whose products are on offer now")
    exhausted = texts("Products whose quota is used up: not on offer now")


class PolicySchema(Schema):
    """How products are ordered: the whole of it."""

    settings = ma.fields.Dict(metadata={"description": "Weights, appetite, price and limit, as in the configuration"})
    approval_model = ma.fields.Dict(
        allow_none=True, metadata={"description": "Learned approval odds by kind of product, with their calibration"}
    )
