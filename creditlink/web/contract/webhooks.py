"""What we send to a client's webhook: every type of event, as OpenAPI has webhooks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from creditlink.web.contract.nodes import Node, held

_CONSENT = ("consent_id", "enterprise_id", "state", "reason")
_REVIEW = ("case_id", "profile_id", "consent_id", "enterprise_id", "state")
_NOTICE = ("notice_id", "event", "consent_id", "enterprise_id")
_OBJECTION = ("objection_id", "consent_id", "enterprise_id", "state")
_CORRECTION = ("id", "enterprise_id", "consent_id", "profile_ids")
_FINANCING = ("application_id", "enterprise_id", "event", "by", "state")

EVENTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "consent.paused": ("The firm paused reads", _CONSENT),
    "consent.resumed": ("The firm resumed them", _CONSENT),
    "consent.revoked": ("The firm revoked its consent; your next call is refused already", _CONSENT),
    "consent.expired": ("Its time is over", _CONSENT),
    "consent.exhausted": ("Its uses are spent, and their profiles have outlived their data life", _CONSENT),
    "consent.amended": ("A new version took its place", (*_CONSENT, "amended_by")),
    "consent.data_deleted": ("What the consent brought in was deleted", (*_CONSENT, "certificate_id")),
    "profile.corrected": ("Data that profiles were computed from was disputed and corrected", _CORRECTION),
    "profile.corrected.reminder": ("You have not acknowledged that for five working days", (*_CORRECTION, "told_at")),
    "profile.ended_early": (
        "An event ended a profile's validity",
        ("profile_id", "consent_id", "enterprise_id", "event", "ended_at"),
    ),
    "report.revoked": ("The firm revoked a report", ("report_id", "consent_id")),
    "objection.opened": ("A firm asks why you looked at its data", (*_OBJECTION, "due_at")),
    "objection.escalated": ("The operator has it now", (*_OBJECTION, "why")),
    "objection.ended": ("It is over", _OBJECTION),
    "review.decided": ("A person decided on a profile", (*_REVIEW, "decision")),
    "review.expired": ("Nobody decided in time", _REVIEW),
    "notice.seen": ("The firm opened a notice of adverse action", (*_NOTICE, "seen_at")),
    "notice.overdue": ("It has not within 30 days: deliver it otherwise", _NOTICE),
    "financing.applied": ("A firm sent you a request", _FINANCING),
    "financing.amended": ("It changed it", _FINANCING),
    "financing.received": ("You received it", _FINANCING),
    "financing.reviewing": ("You are reviewing it", _FINANCING),
    "financing.offered": ("You made an offer", _FINANCING),
    "financing.revised": ("You made a better one", _FINANCING),
    "financing.declined": ("You declined", _FINANCING),
    "financing.accepted": ("The firm accepted your offer", _FINANCING),
    "financing.refused": ("It refused your offer", _FINANCING),
    "financing.withdrawn": ("It withdrew", _FINANCING),
    "financing.lapsed": ("Your offer or its acceptance lapsed, or the firm took another lender's", _FINANCING),
    "financing.expired": ("Your time to answer is over", _FINANCING),
    "financing.reminder": ("Your time to answer nears its end", _FINANCING),
    "financing.signed": ("The contract is signed", _FINANCING),
    "financing.drawn": ("The loan was drawn", _FINANCING),
    "financing.reported": ("You reported what became of it", _FINANCING),
    "financing.closed": ("The loan is repaid", _FINANCING),
    "financing.written_off": ("The loan is written off", _FINANCING),
    "webhook.test": ("Somebody wants to see whether your address works", ("client_id",)),
}
"""Type -> what happened, and the members of `data` that are always there."""

_MEMBERS: Mapping[str, tuple[str, object]] = {
    "profile_ids": ("The profiles, by id", {"type": "array", "items": {"type": "string"}}),
    "consent_id": ("The consent", {"type": ["string", "null"]}),
    "enterprise_id": ("The firm, by the id that your institution alone knows it by", {"type": ["string", "null"]}),
}
_HEADERS: Mapping[str, str] = {
    "webhook-id": "The same event has the same id, however often it is sent",
    "webhook-timestamp": "When this try was sent, in seconds since 1970: refuse what is more than five minutes off",
    "webhook-signature": "`v1,` and base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`; several, separated "
    "by spaces, for a day after the secret was rotated: accept it if one matches",
}


def add(document: Node) -> None:
    """Add every event; they differ in `type` and in the members of `data`."""
    parameters = held(held(document, "components"), "parameters")
    for name, words in _HEADERS.items():
        parameters[_part(name)] = {
            "name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"},
        }  # fmt: skip
    schemas = held(held(document, "components"), "schemas")
    document["webhooks"] = {type_: _webhook(schemas, type_, *about) for type_, about in EVENTS.items()}


def _webhook(schemas: Node, type_: str, words: str, members: Sequence[str]) -> Node:
    name = "Event" + "".join(word.title() for word in type_.replace("_", ".").split("."))
    schemas[name] = {
        "type": "object",
        "description": words,
        "required": ["type", "version", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": type_},
            "version": {"type": "integer", "const": 1},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened"},
            "data": {
                "type": "object",
                "required": list(members),
                "properties": {member: _member(member) for member in members},
                "additionalProperties": True,
            },
        },
    }
    posted: Node = {
        "operationId": f"on{name.removeprefix('Event')}",
        "tags": ["webhooks"],
        "summary": words + ".",
        "security": [],
        "parameters": [{"$ref": f"#/components/parameters/{_part(header)}"} for header in _HEADERS],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        },
        "responses": {
            "2XX": {"description": "You have it, or had it before; answer within ten seconds"},
            "4XX": {"description": "Any other answer: it is tried eight times over about a day"},
        },
    }
    return {"post": posted}


def _member(name: str) -> object:
    words, schema = _MEMBERS.get(name, ("", {"type": "string"}))
    return {**schema, "description": words} if words and isinstance(schema, dict) else schema


def _part(name: str) -> str:
    return "".join(word.title() for word in name.split("-"))
