"""The fields that every slice's schemas are built from: each with its description for OpenAPI."""

from __future__ import annotations

from typing import TypedDict, Unpack

import marshmallow as ma


class FieldOptions(TypedDict, total=False):
    """What else a field may say of itself; absent: marshmallow's own default."""

    required: bool
    allow_none: bool
    load_default: object
    validate: ma.validate.Validator


def given(body: object) -> dict[str, object]:
    """Return the members of a loaded body that the sender gave, or that have a default: those that are not None."""
    return {name: value for name, value in vars(body).items() if value is not None}


def text(description: str, **options: Unpack[FieldOptions]) -> ma.fields.String:
    """Return a text field."""
    return ma.fields.String(metadata={"description": description}, **options)


def number(description: str, *, strict: bool = False, **options: Unpack[FieldOptions]) -> ma.fields.Integer:
    """Return a field of whole numbers; a `strict` one refuses `1.5` and `"1"`."""
    return ma.fields.Integer(strict=strict, metadata={"description": description}, **options)


def instant(description: str, **options: Unpack[FieldOptions]) -> ma.fields.AwareDateTime:
    """Return a field of instants, whose zone is required."""
    return ma.fields.AwareDateTime(metadata={"description": description}, **options)


class TruthValue(ma.fields.Boolean):
    """True or false of JSON, and nothing that is like them."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def texts(description: str, **options: Unpack[FieldOptions]) -> ma.fields.List[str]:
    """Return a field of a list of texts."""
    return ma.fields.List(ma.fields.String(), metadata={"description": description}, **options)
