"""What is told of products, and what may be asked of the public catalogue."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from creditlink.engine.vocabulary import LENDER_KINDS, PRODUCT_KINDS
from creditlink.kit.http.api import Schema


def _text(description: str, **options: Any) -> ma.fields.String:
    return ma.fields.String(metadata={"description": description}, **options)


def _number(description: str, **options: Any) -> ma.fields.Integer:
    return ma.fields.Integer(metadata={"description": description}, **options)


_FROM_0 = ma.validate.Range(0, 2**62)


class ProductQuerySchema(Schema):
    """Filters of the catalogue; those given must all hold."""

    q = _text("Words in the names of product or institution, either language", validate=ma.validate.Length(1, 80))
    kind = _text("Kind of product", validate=ma.validate.OneOf(list(PRODUCT_KINDS)))
    institution = _text("Code of the institution", validate=ma.validate.Length(1, 32))
    institution_kind = _text("Kind of institution", validate=ma.validate.OneOf(LENDER_KINDS))
    tag = _text("Campaign tag", validate=ma.validate.Length(1, 40))
    region = _text("GB/T 2260 code; products lent there", validate=ma.validate.Regexp(r"^\d{2,6}$"))
    industry = _text("GB/T 4754 code; products for it", validate=ma.validate.Regexp(r"^[A-T]\d{0,2}$"))
    amount_fen = _number("An amount it must be able to lend, in fen", validate=ma.validate.Range(1, 10**13))
    term_months = _number("A term it must allow, in months", validate=ma.validate.Range(1, 360))
    rate_bps_at_most = _number("Lowest rate at most this, in basis points", validate=ma.validate.Range(0, 3600))
    limit = _number("Products on a page", load_default=50, validate=ma.validate.Range(1, 200))
    cursor = _text("`next` of the page before", validate=ma.validate.Length(1, 40))


class RuleSchema(Schema):
    """One hard condition."""

    subject = _text("profile.…, registration.… or indicator.…")
    operator = _text(">=, <=, >, <, ==, between, in, not_in or at_least_grade")
    limit = ma.fields.Raw(metadata={"description": "A number, a text, two bounds or a list of texts"})
    text_zh = _text("The condition in Chinese")
    text_en = _text("The condition in English")


class ProductSchema(Schema):
    """A loan product in its live version. Amounts in fen, rates in basis points a year."""

    code = _text("Unique code, kept through all versions")
    version = _number("Version of the terms")
    institution_code = _text("Code of the institution")
    institution_kind = _text("Kind of institution")
    institution_name_zh = _text("Institution in Chinese")
    institution_name_en = _text("Institution in English")
    name_zh = _text("Name in Chinese")
    name_en = _text("Name in English")
    kind = _text("Kind of product")
    kind_zh = _text("Kind in Chinese")
    kind_en = _text("Kind in English")
    amount_min_fen = _number("Smallest amount")
    amount_max_fen = _number("Largest amount")
    term_months_min = _number("Shortest term")
    term_months_max = _number("Longest term")
    rate_bps_min = _number("Lowest yearly rate")
    rate_bps_max = _number("Highest yearly rate")
    fees_bps = _number("All one-off fees, of the amount drawn")
    repayment = _text("bullet, equal_instalment or revolving")
    guarantee = _text("none, guarantor, collateral, pledge or fund")
    risk_share_bps = _number("Share of a loss that a guarantor or fund carries")
    subsidy_bps = _number("Public interest subsidy, a year")
    yearly_cost_bps_min = _number("All costs a year after the subsidy, at the lowest rate and the longest term")
    yearly_cost_bps_max = _number("The same at the highest rate and the shortest term")
    tags = ma.fields.List(ma.fields.String(), metadata={"description": "Campaigns"})
    quota_fen = _number("What the programme lends in all; absent: no cap")
    valid_from = _text("First day it is offered")
    valid_until = _text("First day it is no longer offered; absent: open")
    required_categories = ma.fields.List(
        ma.fields.String(), metadata={"description": "Data categories the lender must be granted"}
    )
    rules = ma.fields.List(ma.fields.Nested(RuleSchema), metadata={"description": "Hard conditions; all must hold"})


class ProductPageSchema(Schema):
    """A page of the catalogue, in order of code."""

    revision = _text("Changes whenever the catalogue does")
    total = _number("Products that match the filters, on all pages")
    items = ma.fields.List(ma.fields.Nested(ProductSchema))
    next = _text("Cursor of the next page; null on the last", allow_none=True)


class ChangesQuerySchema(Schema):
    """Where a mirror of the catalogue stands."""

    since = _number("`next_since` of the answer before; 0: from the beginning", load_default=0, validate=_FROM_0)
    limit = _number("Changes in an answer", load_default=100, validate=ma.validate.Range(1, 500))


class ProductChangeSchema(Schema):
    """One version that went on sale, or off it."""

    revision = _number("Place of the change in the order of all changes")
    code = _text("Code of the product")
    version = _number("Number of the version")
    institution_code = _text("Code of the institution")
    state = _text("live: take it in, in place of any other version; retired: take it out")
    changed_at = ma.fields.AwareDateTime(metadata={"description": "When"})
    product = ma.fields.Nested(
        ProductSchema, allow_none=True, metadata={"description": "The terms of a live version; null once retired"}
    )


class ProductChangesSchema(Schema):
    """What changed since a revision, oldest first; each version as it stands now."""

    items = ma.fields.List(ma.fields.Nested(ProductChangeSchema))
    next_since = _number("`since` of the next question; the same as asked when nothing changed")
    more = ma.fields.Boolean(metadata={"description": "Whether more changes are there already"})
    suspended = ma.fields.List(
        ma.fields.String(), metadata={"description": "Institutions none of whose products are on offer now"}
    )
    exhausted = ma.fields.List(
        ma.fields.String(), metadata={"description": "Products whose quota is used up: not on offer now"}
    )


class PolicySchema(Schema):
    """How products are ordered: the whole of it."""

    settings = ma.fields.Dict(metadata={"description": "Weights, appetite, price and limit, as in the configuration"})
    approval_model = ma.fields.Dict(
        allow_none=True, metadata={"description": "Learned approval odds by kind of product, with their calibration"}
    )
