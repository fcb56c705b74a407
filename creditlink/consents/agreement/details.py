"""RFC 9396 `authorization_details` of type `enterprise_credit_profile`: read once, checked in order. Pure.

The order, each with the error it gives: JSON, an array, one object in it (`invalid_request`); a known
type, a type this client may use, the common members, the type's own rules, the fair-use limits
(`invalid_authorization_details`, with the position in the array). The last two are checked to the end: a bank is told
everything that is wrong with its members at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from creditlink.consents.agreement import limits
from creditlink.consents.agreement.categories import ACTIONS, CATEGORIES, PURPOSE_ACTIONS, SERVED_ACTIONS, USUAL_ACTIONS
from creditlink.consents.agreement.faults import DetailFaults, DetailsRefused
from creditlink.consents.agreement.served import ServedCategories
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, SUPPLIES, UTILITY, supplies_apart
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.files.text import flaws
from creditlink.kit.files.textfile import JsonInvalid, json_of

TYPE = "enterprise_credit_profile"
KNOWN_TYPES = (TYPE,)
INVALID_REQUEST = "invalid_request"
INVALID_DETAILS = "invalid_authorization_details"

_MOST_CHARACTERS = 8192
_MOST_OBJECTS = 16
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_COMMON = ("locations", "actions", "datatypes", "privileges", "identifier")
_MEMBERS = frozenset(
    (
        "type", "locations", "uscc", "categories", "optional_categories", "purpose", "access", "history_months",
        "valid_until", "data_life_days", "pulls_per_month", "pulls_per_day", "actions",
    )
)  # fmt: skip


class ClientTerms(Protocol):
    """What a client may ask for; the registry's row has it."""

    @property
    def categories(self) -> Collection[str]:
        """The categories that it may ask for."""

    @property
    def metadata_(self) -> Mapping[str, object]:
        """What else is registered about it; `authorization_details_types` bounds the types."""


@dataclass(frozen=True)
class AuthorizationDetails:
    """What a bank asks a firm for. `categories` holds all of them, including the optional ones."""

    uscc: str | None
    categories: tuple[str, ...]
    optional_categories: tuple[str, ...]
    purpose: str
    access: str
    history_months: int
    valid_until: datetime
    data_life_days: int
    pulls_per_month: int
    pulls_per_day: int | None
    actions: tuple[str, ...]
    fair_use_version: str = ""  # the version of the limits it was checked against; not on the wire

    @property
    def required_categories(self) -> tuple[str, ...]:
        """Return the categories without which the bank cannot go on."""
        return tuple(c for c in self.categories if c not in self.optional_categories)

    def narrowed(self, categories: Sequence[str]) -> AuthorizationDetails:
        """Return what is left when the firm grants only `categories`; nothing stays optional."""
        granted = tuple(c for c in self.categories if c in set(categories))
        return replace(self, categories=granted, optional_categories=())

    def to_dict(self) -> dict[str, object]:
        """Return the object as it is on the wire; absent members are left out."""
        body: dict[str, object] = {"type": TYPE}
        if self.uscc:
            body["uscc"] = self.uscc
        body["categories"] = list(self.categories)
        if self.optional_categories:
            body["optional_categories"] = list(self.optional_categories)
        body |= {
            "purpose": self.purpose,
            "access": self.access,
            "history_months": self.history_months,
            "valid_until": self.valid_until.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data_life_days": self.data_life_days,
            "pulls_per_month": self.pulls_per_month,
        }
        if self.pulls_per_day is not None:
            body["pulls_per_day"] = self.pulls_per_day
        return body | {"actions": list(self.actions)}

    def as_json(self) -> list[dict[str, object]]:
        """Return the array that a response carries."""
        return [self.to_dict()]

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> AuthorizationDetails:
        """Return the details in an object from `to_dict`; limits are not checked again."""
        return cls(
            uscc=body.get("uscc"),
            # What was asked stays as it was asked, also where the supplies were one category then.
            categories=supplies_apart(body["categories"]),
            optional_categories=supplies_apart(body.get("optional_categories", ())),
            purpose=body["purpose"],
            access=body["access"],
            history_months=body["history_months"],
            valid_until=datetime.fromisoformat(body["valid_until"]),
            data_life_days=body["data_life_days"],
            pulls_per_month=body["pulls_per_month"],
            pulls_per_day=body.get("pulls_per_day"),
            actions=tuple(body["actions"]),
        )


def parse(
    raw: str, *, client: ClientTerms, fair_use: limits.FairUse, served: ServedCategories, now: datetime
) -> AuthorizationDetails:
    """Return the details in a request's parameter.

    Public records may be named, and are read whether they are or not: they are open to every client, and no firm can
    leave them out.

    Raises
    ------
    DetailsRefused
        The first check that fails, in the order of this module's text; `faults` has whatever else is wrong.
    """
    objects = _array_of_objects(raw)
    for index, body in enumerate(objects):
        if body.get("type") not in KNOWN_TYPES:
            raise DetailsRefused(INVALID_DETAILS, "unknown type", index)
    registered = client.metadata_.get("authorization_details_types") if client.metadata_ else None
    allowed = registered if isinstance(registered, Collection) else KNOWN_TYPES
    for index, body in enumerate(objects):
        if body["type"] not in allowed:
            raise DetailsRefused(INVALID_DETAILS, "type is not open to this client", index)
    for index, body in enumerate(objects):
        _check_common(body, index)
    if len(objects) > 1:
        raise DetailsRefused(INVALID_DETAILS, "one object is accepted per request", 1)
    return _typed(objects[0], client, fair_use, served, now)


def _array_of_objects(raw: str) -> list[dict[str, object]]:
    if not isinstance(raw, str) or not raw:
        raise DetailsRefused(INVALID_REQUEST, "needs a JSON array")
    if len(raw) > _MOST_CHARACTERS:
        raise DetailsRefused(INVALID_REQUEST, f"longer than {_MOST_CHARACTERS} characters")
    try:
        parsed = json_of(raw)
    except JsonInvalid:
        raise DetailsRefused(INVALID_REQUEST, "not valid JSON, or a member appears twice") from None
    if next(flaws(parsed), None):
        raise DetailsRefused(INVALID_REQUEST, "holds a character or a number that is not accepted")
    if not isinstance(parsed, list):
        raise DetailsRefused(INVALID_REQUEST, "not an array")
    if not parsed or len(parsed) > _MOST_OBJECTS:
        raise DetailsRefused(INVALID_REQUEST, f"needs 1 to {_MOST_OBJECTS} objects")
    for index, member in enumerate(parsed):
        if not isinstance(member, dict):
            raise DetailsRefused(INVALID_REQUEST, "not an object", index)
        if not isinstance(member.get("type"), str):
            raise DetailsRefused(INVALID_REQUEST, "needs a member type that is a text", index)
    return parsed


def _check_common(body: dict[str, object], index: int) -> None:
    """Check the members that RFC 9396 section 2.2 shares between types."""
    for name in _COMMON:
        if name not in body:
            continue
        value = body[name]
        if name == "identifier":
            well_formed = isinstance(value, str) and bool(value)
        else:
            well_formed = isinstance(value, list) and bool(value) and all(isinstance(v, str) and v for v in value)
        if not well_formed:
            kind = "a text" if name == "identifier" else "an array of texts"
            raise DetailsRefused(INVALID_DETAILS, f"{name} must be {kind}", index)


def _typed(
    body: dict[str, object],
    client: ClientTerms,
    fair_use: limits.FairUse,
    served: ServedCategories,
    now: datetime,
) -> AuthorizationDetails:
    faults = DetailFaults()
    if set(body) - _MEMBERS:
        faults.note(_refused(f"has a member that is none of {', '.join(sorted(_MEMBERS))}"))
    code = faults.tried(lambda: _uscc(body), None)
    categories, optional = _all_categories(body, client, served, faults)
    purpose = body.get("purpose")
    is_known = isinstance(purpose, str) and purpose in fair_use.for_lenders
    if not is_known:
        faults.note(_refused(f"purpose must be one of {', '.join(fair_use.for_lenders)}", "purpose"))
    judged = purpose if isinstance(purpose, str) and is_known else limits.USUAL
    template = fair_use.templates[judged]
    access = body.get("access", template.access)
    if access not in ("once", "recurring"):
        faults.note(_refused("access must be once or recurring", "access"))
        access = template.access
    # What stands in for a wrong member keeps every limit: it is never named a second time.
    soon = now + timedelta(seconds=1)
    valid_until = faults.tried(lambda: _instant(body, "valid_until"), soon)
    if valid_until <= now:
        faults.note(_refused("valid_until is not in the future", "valid_until"))
        valid_until = soon
    life, pulls = template.data_life_days, template.usual_pulls
    details = AuthorizationDetails(
        uscc=code,
        categories=categories,
        optional_categories=tuple(c for c in CATEGORIES if c in optional),
        purpose=judged,
        access=str(access),
        history_months=faults.tried(lambda: _whole(body, "history_months"), 1),
        valid_until=valid_until,
        data_life_days=faults.tried(lambda: _whole(body, "data_life_days", life), life),
        pulls_per_month=faults.tried(lambda: _whole(body, "pulls_per_month", pulls), pulls),
        pulls_per_day=faults.tried(lambda: _whole(body, "pulls_per_day"), None) if "pulls_per_day" in body else None,
        actions=faults.tried(lambda: _actions(body, judged), USUAL_ACTIONS),
        fair_use_version=fair_use.version,
    )
    for exceeded in limits.breaches(details, fair_use, now) if is_known else ():
        faults.note(DetailsRefused(INVALID_DETAILS, exceeded.rule, 0, exceeded.attribute))
    faults.refuse()
    return details


def _all_categories(
    body: dict[str, object], client: ClientTerms, served: ServedCategories, faults: DetailFaults
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all categories that are asked for, and the optional ones among them.

    An optional category may be listed in both places or only as optional: it is the same request.
    """

    def read(member: str) -> tuple[str, ...] | None:
        return faults.tried(lambda: _categories(body, member, served), None)

    optional = read("optional_categories") if "optional_categories" in body else ()
    named = read("categories")
    categories = tuple(c for c in CATEGORIES if c in {*(named or ()), *(optional or ())})
    if not set(categories) <= {*client.categories, *PUBLIC_CATEGORIES}:
        faults.note(_refused("categories holds one that is not open to this client", "categories"))
    if public := [c for c in PUBLIC_CATEGORIES if c in (optional or ())]:
        faults.note(
            _refused(
                f"optional_categories cannot hold {', '.join(public)}: public records are read by law",
                "optional_categories",
            )
        )
    if named is not None and optional is not None and not set(categories) - set(optional):
        faults.note(_refused("optional_categories must leave at least one required category", "optional_categories"))
    return categories, optional or ()


def _refused(description: str, member: str | None = None) -> DetailsRefused:
    return DetailsRefused(INVALID_DETAILS, description, 0, member=member)


def _uscc(body: dict[str, object]) -> str | None:
    if "uscc" not in body:
        return None
    value = body["uscc"]
    checked = uscc_rules.check(value) if isinstance(value, str) and value.isascii() else None
    # A wrong check character only warns: such codes are registered. Whether the firm exists is never revealed here.
    if checked is None:
        raise _refused("uscc needs 18 characters of 0-9 A-Z without I O S V Z", "uscc")
    if not checked.well_formed:
        raise _refused(f"uscc {checked.reason}", "uscc")
    return checked.uscc


def _categories(body: dict[str, object], member: str, served: ServedCategories) -> tuple[str, ...]:
    value = body.get(member)
    if isinstance(value, list) and UTILITY in value:
        raise _refused(f"{member} holds {UTILITY}, which is asked for as {', '.join(SUPPLIES)}: each by itself", member)
    names = _names(body, member, CATEGORIES)
    for name in names:
        if name not in PUBLIC_CATEGORIES and name not in served:
            raise _refused(f"{member} holds {name}, of which no source is connected here", member)
    return names


def _actions(body: dict[str, object], purpose: str) -> tuple[str, ...]:
    names = _names(body, "actions", ACTIONS, default=PURPOSE_ACTIONS.get(purpose, USUAL_ACTIONS))
    for name in names:
        if name not in SERVED_ACTIONS:
            raise _refused(
                f"actions holds {name}, which nothing here serves: it must be of {', '.join(SERVED_ACTIONS)}",
                "actions",
            )
        # An action that is named for its purpose is of that one alone: nobody is asked for a report by the way.
        if name in PURPOSE_ACTIONS and name != purpose:
            raise _refused(f"actions holds {name}, which only a request of purpose {name} may ask for", "actions")
    return names


def _names(
    body: dict[str, object], member: str, known: Collection[str], default: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    value = body.get(member, list(default) if default else None)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise _refused(f"{member} must be a non-empty array of texts", member)
    if not set(value) <= set(known):
        raise _refused(f"{member} must be of {', '.join(known)}", member)
    if len(set(value)) != len(value):
        raise _refused(f"{member} names something twice", member)
    return tuple(name for name in known if name in value)


def _whole(body: dict[str, object], member: str, default: int | None = None) -> int:
    value = body.get(member, default)
    if type(value) is not int or not 1 <= value <= 100_000:
        raise _refused(f"{member} must be a whole number from 1", member)
    return value


def _instant(body: dict[str, object], member: str) -> datetime:
    value = body.get(member)
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _refused(f"{member} must be an instant with a zone such as 2026-12-31T00:00:00+08:00", member)
