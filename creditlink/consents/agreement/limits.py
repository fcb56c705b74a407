"""Fair-use limits by purpose: pure rules over the versioned templates of `config/purposes.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from creditlink.consents.agreement.details import AuthorizationDetails

OWN = "own"
"""The purpose of a firm's consent to itself; no lender can ask for it."""

USUAL = "underwriting"
Access = Literal["once", "recurring"]
_ACCESS = ("once", "recurring")
_NUMBERS = ("consent_days", "history_months", "data_life_days", "pulls", "usual_pulls")


@dataclass(frozen=True)
class Template:
    """The most that may be requested for one purpose."""

    purpose: str
    label_zh: str
    label_en: str
    access: Access
    consent_days: int
    history_months: int
    data_life_days: int
    pulls: int
    usual_pulls: int


@dataclass(frozen=True)
class FairUse:
    """One version of all templates."""

    version: str
    clock_slack: timedelta
    templates: Mapping[str, Template]

    @property
    def for_lenders(self) -> Mapping[str, Template]:
        """Return those that an institution may ask for."""
        return {purpose: template for purpose, template in self.templates.items() if purpose != OWN}


def judged_as(purpose: str) -> str:
    """Return the purpose whose model and rules serve this one: a firm sees of itself what a lender would see."""
    return USUAL if purpose == OWN else purpose


@dataclass(frozen=True)
class Breach:
    """A limit that a request exceeds: the attribute, the value requested, and what is allowed."""

    attribute: str
    value: str
    limit: str

    @property
    def message(self) -> str:
        """Return the breach in ASCII words, with the value requested."""
        return f"fair-use limit: {self.attribute} is {self.value}, at most {self.limit}"

    @property
    def rule(self) -> str:
        """Return what the limit allows, without the value requested."""
        return f"fair-use limit: {self.attribute} at most {self.limit}"


def fair_use_from(table: Mapping[str, object]) -> FairUse:
    """Return the templates in a parsed `purposes.toml`.

    Raises
    ------
    ValueError
        A key is absent, unknown or of the wrong type; the message names it.
    """
    version, slack, purposes = table.get("version"), table.get("clock_slack_seconds"), table.get("purposes")
    if not isinstance(version, str) or not version:
        raise ValueError(f"version must be a text, got {version!r}")
    if type(slack) is not int or slack < 0:
        raise ValueError(f"clock_slack_seconds must be a whole number from 0, got {slack!r}")
    if not isinstance(purposes, Mapping) or not purposes:
        raise ValueError("purposes must hold at least one purpose")
    templates = {name: _template(name, entry) for name, entry in purposes.items()}
    return FairUse(version, timedelta(seconds=slack), templates)


def _template(name: str, entry: object) -> Template:
    known = set(Template.__dataclass_fields__) - {"purpose"}
    if not isinstance(entry, Mapping) or set(entry) != known:
        given = set(entry) if isinstance(entry, Mapping) else set()
        raise ValueError(f"purposes.{name}: missing {sorted(known - given)}, unknown {sorted(given - known)}")
    for key in _NUMBERS:
        if type(entry[key]) is not int or entry[key] < 1:
            raise ValueError(f"purposes.{name}.{key} must be a whole number from 1, got {entry[key]!r}")
    if entry["access"] not in _ACCESS:
        raise ValueError(f"purposes.{name}.access must be one of {', '.join(_ACCESS)}, got {entry['access']!r}")
    return Template(purpose=name, **entry)


def breaches(request: AuthorizationDetails, fair_use: FairUse, now: datetime) -> Iterator[Breach]:
    """Yield every limit that a request exceeds, in the order of the page."""
    template = fair_use.templates[request.purpose]
    if request.access != template.access:
        yield Breach("access", request.access, template.access)
    if request.history_months > template.history_months:
        yield Breach("history_months", str(request.history_months), str(template.history_months))
    last = now + timedelta(days=template.consent_days) + fair_use.clock_slack
    if request.valid_until > last:
        yield Breach(
            "valid_until", request.valid_until.isoformat(timespec="seconds"), f"{template.consent_days} days from now"
        )
    if request.data_life_days > template.data_life_days:
        yield Breach("data_life_days", str(request.data_life_days), str(template.data_life_days))
    if request.pulls_per_month > template.pulls:
        yield Breach("pulls_per_month", str(request.pulls_per_month), str(template.pulls))
    if request.pulls_per_day is not None and request.pulls_per_day > request.pulls_per_month:
        yield Breach("pulls_per_day", str(request.pulls_per_day), "pulls_per_month")


def breach(request: AuthorizationDetails, fair_use: FairUse, now: datetime) -> Breach | None:
    """Return the first limit that a request exceeds, or None."""
    return next(breaches(request, fair_use, now), None)


def unusual(request: AuthorizationDetails, fair_use: FairUse) -> bool:
    """Return whether the frequency is allowed but higher than usual, so that the page warns the firm."""
    template = fair_use.templates.get(request.purpose)
    return template is not None and request.pulls_per_month > template.usual_pulls
