"""Answers about a screened city."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import marshmallow as ma

from creditlink.kit.http.api import Schema

Value = TypeVar("Value")


def _count(description: str) -> ma.fields.Integer:
    return ma.fields.Integer(allow_none=True, metadata={"description": f"{description}; in tens, null below ten"})


def _exact(description: str) -> ma.fields.Integer:
    return ma.fields.Integer(metadata={"description": description})


def _field(kind: type[ma.fields.Field[Value]], description: str) -> ma.fields.Field[Value]:
    return kind(metadata={"description": description})


class RuleStepSchema(Schema):
    """One rule moved by one step."""

    step = _field(ma.fields.Float, "How far the limit is moved, relative to itself")
    limit = _field(ma.fields.Float, "The limit after the move")
    gained = _count("Firms that would qualify in addition")


class RuleEffectSchema(Schema):
    """One rule, and what it keeps out."""

    subject = _field(ma.fields.String, "What the rule is about")
    operator = _field(ma.fields.String, "How it compares")
    limit = _field(ma.fields.Raw, "With what it compares")
    fails = _count("Firms that fail it")
    alone = _count("Firms that fail it and no other rule")
    steps = ma.fields.List(ma.fields.Nested(RuleStepSchema), metadata={"description": "Fixed moves; none for texts"})


class DiscoverySchema(Schema):
    """Counts for one product."""

    product = _field(ma.fields.String, "Code of the product")
    version = _field(ma.fields.Integer, "Its version")
    as_of = _field(ma.fields.String, "The day whose knowledge was screened")
    model_id = _field(ma.fields.String, "The model that scored")
    population = _count("Firms that agreed to be counted")
    qualify = _count("Firms that pass every rule")
    undetermined = _count("Firms that only missing records keep from being decided")
    rules = ma.fields.List(ma.fields.Nested(RuleEffectSchema), metadata={"description": "Every rule of the product"})


class ScreenedStepSchema(RuleStepSchema):
    """One rule moved by one step, counted exactly."""

    gained = _exact("Firms that would qualify in addition")


class ScreenedRuleSchema(RuleEffectSchema):
    """One rule, and what it keeps out, counted exactly."""

    fails = _exact("Firms that fail it")
    alone = _exact("Firms that fail it and no other rule")
    steps = ma.fields.List(ma.fields.Nested(ScreenedStepSchema), metadata={"description": "Moves; none for texts"})


class ScreenedProductSchema(DiscoverySchema):
    """Who of the screened city one product is for."""

    population = _exact("Firms screened")
    qualify = _exact("Firms that pass every rule")
    undetermined = _exact("Firms that only missing records keep from being decided")
    rules = ma.fields.List(ma.fields.Nested(ScreenedRuleSchema), metadata={"description": "Every rule, as moved"})
    firms = ma.fields.List(ma.fields.String(), metadata={"description": "A page of those that qualify, ascending"})
    next_cursor = ma.fields.String(allow_none=True, metadata={"description": "For the next page; null at the end"})


class ScreenedQuerySchema(Schema):
    """One rule to move, and the page of firms."""

    move = ma.fields.String(
        metadata={"description": "Subject of the one number rule to move, such as indicator.sales_12_fen; with `to`"}
    )
    to = ma.fields.Float(metadata={"description": "The limit to try"})
    limit = ma.fields.Integer(
        load_default=100, validate=ma.validate.Range(min=0, max=1000), metadata={"description": "Firms on a page"}
    )
    cursor = ma.fields.String(
        validate=ma.validate.Regexp(r"^\d{1,18}\Z"), metadata={"description": "`next_cursor` of the page before"}
    )

    @ma.validates_schema
    def _both_or_none(self, data: Mapping[str, object], **_: object) -> None:
        if ("move" in data) != ("to" in data):
            missing = "to" if "move" in data else "move"
            raise ma.ValidationError("`move` and `to` go together", missing)
