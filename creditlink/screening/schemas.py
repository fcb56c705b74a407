"""What a bank is told of a screened city."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from creditlink.api import Schema


def _count(description: str) -> ma.fields.Integer:
    return ma.fields.Integer(allow_none=True, metadata={"description": f"{description}; in tens, null below ten"})


def _field(kind: type[ma.fields.Field[Any]], description: str) -> ma.fields.Field[Any]:
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
