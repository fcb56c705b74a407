"""What a lender sees of its own products, and what it sends besides the open form of a product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts
from creditlink.products.catalogue.lifecycle import STATES
from creditlink.products.schemas import ProductSchema


@dataclass(frozen=True)
class OwnProductsQuery:
    """Filters of an institution's own versions and a place in their list."""

    limit: int
    state: str | None = None
    code: str | None = None
    cursor: str | None = None


@dataclass(frozen=True)
class StepNote:
    """Why a step is taken."""

    note: str


@dataclass(frozen=True)
class ProductCheck(StepNote):
    """What is confirmed, and why."""

    terms_sha256: str


class OwnProductsQuerySchema(Schema):
    """Filters of an institution's own versions."""

    loads_into = OwnProductsQuery
    state = text("draft, checked, scheduled, live or retired", validate=ma.validate.OneOf(list(STATES)))
    code = text("Code of one product", validate=ma.validate.Length(1, 40))
    limit = number("Versions on a page", load_default=50, validate=ma.validate.Range(1, 200))
    cursor = text("`next_cursor` of the page before", validate=ma.validate.Regexp(r"^[A-Z0-9-]{3,40}:\d{1,9}$"))


class StepNoteSchema(Schema):
    """Why a step is taken."""

    loads_into: ClassVar[Callable[..., object] | None] = StepNote
    note = text("Kept with the step", load_default="", validate=ma.validate.Length(0, 500))


class ProductCheckBodySchema(StepNoteSchema):
    """What is confirmed."""

    loads_into = ProductCheck
    terms_sha256 = text(
        "Hash of the terms that were read, so that nothing else is confirmed",
        required=True,
        validate=ma.validate.Regexp(r"^[0-9a-f]{64}$"),
    )


class FindingSchema(Schema):
    """One thing the rule checker found."""

    severity = text("error: forbids publishing; warning: does not")
    code = text("unknown, impossible, contradiction, redundant, always or category")
    rules = ma.fields.List(ma.fields.Integer(), metadata={"description": "Positions in the product's rules, from 0"})
    text_zh = text("In Chinese")
    text_en = text("In English")


class ProductStepSchema(Schema):
    """One thing that was done to a version."""

    at = instant("When")
    step = text("write, count, check, publish or retire")
    actor = text("bank:<client_id> or operator:<name>")
    terms_sha256 = text("Hash of the terms that stood there then")
    note = text("Why")


class ProductVersionSchema(Schema):
    """One version of an institution's own product."""

    code = text("Code of the product")
    version = number("Number of the version; the platform gives it")
    state = text("draft, checked, scheduled, live or retired")
    terms_sha256 = text("Hash of the terms, for the check")
    written_by = text("Who wrote to it last")
    checked_by = text("Who confirmed it", allow_none=True)
    created_at = instant("When it was first written")
    changed_at = instant("When it last changed")
    published_at = instant("When it went on sale", allow_none=True)
    allowed = texts("Steps that its state allows")


class ProductVersionInFullSchema(ProductVersionSchema):
    """One version with its terms, what the rule checker says of it, and what was done to it."""

    product = ma.fields.Nested(ProductSchema, metadata={"description": "The terms, every rule in words"})
    findings = ma.fields.List(
        ma.fields.Nested(FindingSchema),
        metadata={"description": "What the rule checker says; errors forbid publishing"},
    )
    steps = ma.fields.List(ma.fields.Nested(ProductStepSchema), metadata={"description": "Oldest first"})


class ProductVersionPageSchema(Schema):
    """A page of versions, in order of code and version."""

    items = ma.fields.List(ma.fields.Nested(ProductVersionSchema))
    next_cursor = text("Cursor of the next page; null on the last", allow_none=True)


def _count(description: str) -> ma.fields.Integer:
    return number(f"{description}; in tens, null below ten", allow_none=True)


class CountedRuleSchema(Schema):
    """One rule, and how many it keeps out."""

    subject = text("What the rule is about")
    operator = text("How it compares")
    limit = ma.fields.Raw(metadata={"description": "With what it compares"})
    fails = _count("Firms that fail it")
    alone = _count("Firms that fail it and no other rule")


class ProductCountSchema(Schema):
    """How many firms of the last screening, of those that agreed to be counted, a version is for."""

    available = ma.fields.Boolean(metadata={"description": "Whether there is a screening to count in"})
    reason = text("Why there is none")
    product = text("Code of the product")
    version = number("Number of the version")
    as_of = text("The day whose knowledge was screened")
    model_id = text("The model that scored")
    population = _count("Firms that agreed to be counted")
    qualify = _count("Firms that pass every rule")
    undetermined = _count("Firms that only missing records keep from being decided")
    rules = ma.fields.List(ma.fields.Nested(CountedRuleSchema), metadata={"description": "Every rule"})
