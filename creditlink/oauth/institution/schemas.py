"""An institution's own clients and use on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import marshmallow as ma

from creditlink.kit.http.api import Schema
from creditlink.kit.http.fields import instant, number, text, texts


@dataclass(frozen=True)
class NewClient:
    """A client as sent."""

    name: str
    redirect_uris: Sequence[str]
    scopes: Sequence[str]
    jwks: Mapping[str, object]
    categories: Sequence[str] | None = None


@dataclass(frozen=True)
class NewKeys:
    """Keys as sent."""

    jwks: Mapping[str, object]


@dataclass(frozen=True)
class NewAddress:
    """An address as sent; None: no webhooks."""

    url: str | None


def _jwks() -> ma.fields.Dict:
    return ma.fields.Dict(required=True, metadata={"description": "A JWK Set with public keys (RFC 7517)"})


class NewClientSchema(Schema):
    """A client to register."""

    loads_into = NewClient

    name = text("What a firm reads: the software that asks", required=True, validate=ma.validate.Length(1, 200))
    redirect_uris = ma.fields.List(
        text("Exact address"), required=True, validate=ma.validate.Length(1, 10),
        metadata={"description": "Where firms' browsers may be sent back to"},
    )  # fmt: skip
    scopes = ma.fields.List(
        text("A scope"), required=True, validate=ma.validate.Length(1, 40), metadata={"description": "What it may do"}
    )
    categories = ma.fields.List(
        text("A data category"), validate=ma.validate.Length(1, 20), metadata={"description": "Left out: all"}
    )
    jwks = _jwks()


class NewKeysSchema(Schema):
    """Keys in place of a client's present ones."""

    loads_into = NewKeys
    jwks = _jwks()


class NewAddressSchema(Schema):
    """Where a client's webhooks go."""

    loads_into = NewAddress
    url = text("https; null: no webhooks", required=True, allow_none=True, validate=ma.validate.Length(1, 2000))


class ClientSchema(Schema):
    """A client of your institution."""

    client_id = text("Its id")
    name = text("What a firm reads")
    status = text("`active` or `suspended`")
    redirect_uris = texts("Where firms' browsers may be sent back to")
    scopes = texts("What it may do")
    categories = texts("The data that it may ask for")
    jwks_uri = text("Where it publishes its keys", allow_none=True)
    kids = texts("The ids of its registered keys")
    webhook_url = text("Where its webhooks go", allow_none=True)
    is_desk = ma.fields.Boolean(metadata={"description": "Whether it is your desk's own"})
    created_at = instant("When it was registered")
    updated_at = instant("When it last changed")


class ClientsSchema(Schema):
    """All clients of your institution."""

    items = ma.fields.List(ma.fields.Nested(ClientSchema))


class WebhookSecretSchema(Schema):
    """A secret that signs a client's webhooks."""

    webhook_url = text("Where its webhooks go", allow_none=True)
    secret = text("`whsec_…`, told this once; null: the one that you have stays", allow_none=True)


class MonthOfUseSchema(Schema):
    """One month."""

    month = text("YYYY-MM, Beijing time")
    asked = number("Consents asked for")
    granted = number("Of them granted")


class QuotaSchema(Schema):
    """How much of a product on sale is left."""

    code = text("The product")
    version = number("Its version")
    quota_fen = number("What it can lend in all; null: no cap", allow_none=True)
    committed_fen = number("What is committed of it")


class ShareSchema(Schema):
    """How much of a limit is used."""

    used = number("Used")
    allowed = number("Allowed")


class ContractSchema(Schema):
    """What is agreed with your institution, and what of it is used."""

    calls_a_minute = number("Calls a minute; null: the platform's usual rate", allow_none=True)
    calls_a_day = number("Calls a day, Beijing time; null: no limit", allow_none=True)
    calls_a_month = number("Calls a month; null: no limit", allow_none=True)
    profiles_a_month = number("New profiles a month; null: no limit", allow_none=True)
    calls_today = number("Calls counted today")
    calls_this_month = number("Calls counted this month")
    profiles_this_month = number("New profiles this month")


class StatementLineSchema(Schema):
    """What one client used on one day."""

    day = text("YYYY-MM-DD, Beijing time")
    client_id = text("Which client")
    unit = text("call or profile")
    what = text("Of a call the scope that it needed; of a profile `profile`")
    units = number("How many")


class StatementSchema(Schema):
    """What your institution used in one month; nothing of it names a firm."""

    month = text("YYYY-MM, Beijing time")
    is_final = ma.fields.Boolean(metadata={"description": "Whether the month is over: then nothing is added to it"})
    calls = number("Calls counted: answered, within every limit, and no repetition under an Idempotency-Key")
    profiles = number("New profiles")
    lines = ma.fields.List(ma.fields.Nested(StatementLineSchema))


class UsageSchema(Schema):
    """What your institution uses, and its quotas; nothing of it names a firm."""

    months = ma.fields.List(
        ma.fields.Nested(MonthOfUseSchema), metadata={"description": "Twelve at most, newest first"}
    )
    consents = ma.fields.Dict(metadata={"description": "State -> how many"})
    profiles_used = number("Profiles computed under all consents")
    clients = ma.fields.Nested(ShareSchema)
    webhooks = ma.fields.Dict(metadata={"description": "State of a delivery -> how many"})
    quotas = ma.fields.List(ma.fields.Nested(QuotaSchema))
    contract = ma.fields.Nested(ContractSchema)
