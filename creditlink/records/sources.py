"""The connected offices: addresses, credentials, limits, and one circuit breaker each per process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerError, CircuitMemoryStorage

from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, SUPPLIES
from creditlink.kit.clock import utc_now
from creditlink.kit.processes import runtime
from creditlink.kit.processes.slots import Slots
from creditlink.kit.settings import BUREAU_PREFIX, SettingError, Settings, load_settings, refuse_unknown
from creditlink.records.connectors.offices import OFFICES
from creditlink.records.connectors.social_security import SocialSecurityConnector
from creditlink.records.connectors.tax import TaxConnector
from creditlink.records.connectors.utility import UtilityConnector
from creditlink.records.connectors.wire import Connector, TimeLimits, Wire

_FILE = "sources.toml"
# What each office's dialect needs to be let in.
_CREDENTIALS = {
    "tax": ("app_id", "secret"),
    "social_security": ("api_key",),
    **dict.fromkeys(SUPPLIES, ("user", "password")),
    **{office.source: office.credentials for office in OFFICES},
}


class SourceFailed(Exception):
    """Tells the circuit that a source failed for a firm."""


class Circuit:
    """Leaves an office alone after it failed for several firms in a row.

    One firm counts once however often it is asked for: what an office cannot answer for one firm says nothing of the
    others. pybreaker holds a lock while it calls, which would send the pulls of a process one after the other; so it is
    asked beforehand and gets the outcome afterwards.
    """

    def __init__(self, name: str, *, failures: int, reset_seconds: float) -> None:
        self._storage = CircuitMemoryStorage(STATE_CLOSED)
        self._reset = timedelta(seconds=reset_seconds)
        self._breaker = CircuitBreaker(
            fail_max=failures, reset_timeout=reset_seconds, state_storage=self._storage, name=name
        )
        self._failed_for: set[str] = set()  # since the office last answered, or was asked again after a rest
        self._lock = threading.Lock()

    def is_open(self, now: datetime) -> bool:
        """Whether the office is to be left alone at `now`."""
        opened = self._storage.opened_at
        if self._breaker.current_state != STATE_OPEN or opened is None:
            return False
        return now < opened.replace(tzinfo=opened.tzinfo or UTC) + self._reset

    def report(self, *, ok: bool, firm: str) -> None:
        """Take in how a pull from the office went for a firm."""
        with self._lock:
            if self._breaker.current_state == STATE_OPEN and not self.is_open(utc_now()):
                self._failed_for.clear()
                self._breaker.close()
            if ok:
                self._failed_for.clear()
            elif firm in self._failed_for:
                return
            else:
                self._failed_for.add(firm)

        def outcome() -> None:
            if not ok:
                raise SourceFailed

        try:
            self._breaker.call(outcome)
        except (SourceFailed, CircuitBreakerError):
            return


@dataclass(frozen=True)
class SourceConfig:
    """One office as configured."""

    name: str
    categories: tuple[str, ...]
    base_url: str
    fresh: timedelta
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class SourcesConfig:
    """Everything in `config/sources.toml`, with the environment's overrides."""

    limits: TimeLimits
    circuit_failures: int
    circuit_reset_seconds: float
    retry_soon: timedelta
    retry_later: tuple[timedelta, ...]
    sources: Mapping[str, SourceConfig]

    def for_categories(self, categories: Iterable[str]) -> tuple[str, ...]:
        """Return the sources that hold the granted categories or public records, in the file's order."""
        opened = {*categories, *PUBLIC_CATEGORIES}
        return tuple(name for name, source in self.sources.items() if opened & set(source.categories))

    def is_public(self, source: str) -> bool:
        """Return whether a source holds nothing but what is public by law."""
        return set(self.sources[source].categories) <= set(PUBLIC_CATEGORIES)

    @property
    def categories(self) -> frozenset[str]:
        """Return the categories that a source is connected for."""
        return frozenset(category for source in self.sources.values() for category in source.categories)

    def of_category(self, category: str) -> str | None:
        """Return the source that holds a category; None: no office is connected for it."""
        return next((name for name, source in self.sources.items() if category in source.categories), None)


def load_sources(settings: Settings, environ: Mapping[str, str] | None = None) -> SourcesConfig:
    """Return the configured sources.

    Raises
    ------
    SettingError
        A setting is absent, unknown or wrong; the message names it.
    """
    env = os.environ if environ is None else environ
    keys = ((name, key) for name, credentials in _CREDENTIALS.items() for key in ("url", *credentials))
    refuse_unknown(env, (f"{BUREAU_PREFIX}{name}_{key}".upper() for name, key in keys), prefix=BUREAU_PREFIX)
    table = settings.read_toml(_FILE)
    _only(table, {"limits", "circuit", "retry", "sources"}, "")
    limits = table.get("limits", {})
    _only(limits, {f.name for f in fields(TimeLimits)}, "limits.")
    for key, value in limits.items():
        _positive(value, f"limits.{key}")
    for key in ("attempts", "slots"):
        if type(limits.get(key, 1)) is not int:
            raise SettingError(f"setting limits.{key} in {_FILE} must be a whole number, got {limits[key]!r}")
    circuit, retry = table.get("circuit", {}), table.get("retry", {})
    _only(circuit, {"failures", "reset_seconds"}, "circuit.")
    _only(retry, {"soon_seconds", "later_minutes"}, "retry.")
    entries = table.get("sources", {})
    _only(entries, set(_CREDENTIALS), "sources.")
    return SourcesConfig(
        limits=TimeLimits(**limits),
        circuit_failures=int(_positive(circuit.get("failures"), "circuit.failures")),
        circuit_reset_seconds=_positive(circuit.get("reset_seconds"), "circuit.reset_seconds"),
        retry_soon=timedelta(seconds=_positive(retry.get("soon_seconds"), "retry.soon_seconds")),
        retry_later=tuple(
            timedelta(minutes=_positive(minutes, "retry.later_minutes")) for minutes in retry.get("later_minutes", [])
        ),
        sources={name: _source(name, entry, env, settings) for name, entry in entries.items()},
    )


def _source(name: str, entry: Mapping[str, Any], env: Mapping[str, str], settings: Settings) -> SourceConfig:
    place = f"sources.{name}."
    _only(entry, {"categories", "base_url", "fresh_hours", "credentials"}, place)
    prefix = f"{BUREAU_PREFIX}{name.upper()}_"
    base_url = env.get(f"{prefix}URL", entry.get("base_url", ""))
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"setting {place}base_url ({prefix}URL) must be an http(s) address, got {base_url!r}")
    configured = entry.get("credentials", {})
    _only(configured, set(_CREDENTIALS[name]), f"{place}credentials.")
    credentials = {}
    for key in _CREDENTIALS[name]:
        variable = prefix + key.upper()
        if settings.is_production and variable not in env:
            raise SettingError(f"setting {place}credentials.{key} ({variable}) is required in production")
        credentials[key] = env.get(variable, configured.get(key, ""))
        if not credentials[key]:
            raise SettingError(f"setting {place}credentials.{key} ({variable}) is empty")
    hours = _positive(entry.get("fresh_hours"), f"{place}fresh_hours")
    return SourceConfig(name, tuple(entry.get("categories", ())), base_url, timedelta(hours=hours), credentials)


def _only(table: Mapping[str, object], known: set[str], place: str) -> None:
    for key in table:
        if key not in known:
            raise SettingError(f"unknown setting {place}{key} in {_FILE}")


def _positive(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise SettingError(f"setting {name} in {_FILE} must be a number above 0, got {value!r}")
    return value


class Sources:
    """The offices of this process: connectors and circuits, shared by its threads."""

    def __init__(self, config: SourcesConfig) -> None:
        self.config = config
        self.connectors: dict[str, Connector] = {}
        self.circuits: dict[str, Circuit] = {}
        self.slots = Slots(config.limits.slots)
        for name, source in config.sources.items():
            self.connectors[name] = _connector(source, config.limits)
            self.circuits[name] = Circuit(
                name, failures=config.circuit_failures, reset_seconds=config.circuit_reset_seconds
            )

    def close(self) -> None:
        """Close the connections to the offices."""
        for connector in self.connectors.values():
            connector.close()


def _connector(source: SourceConfig, limits: TimeLimits) -> Connector:
    credentials = source.credentials
    if source.name == "tax":
        wire = Wire(source.base_url, limits)
        return TaxConnector(wire, app_id=credentials["app_id"], secret=credentials["secret"], clock=utc_now)
    if source.name == "social_security":
        return SocialSecurityConnector(Wire(source.base_url, limits), api_key=credentials["api_key"])
    for office in OFFICES:
        if office.source == source.name:
            return office(Wire(source.base_url, limits), **credentials)
    wire = Wire(source.base_url, limits, auth=httpx.BasicAuth(credentials["user"], credentials["password"]))
    return UtilityConnector(wire, source=source.name, kinds=source.categories)


def configure(sources: Sources | None) -> None:
    """Make `sources` those of this process; None: read the settings when first needed."""
    if sources is None:
        runtime.process().drop(Sources)
    else:
        runtime.process().put(sources)


def current() -> Sources:
    """Return this process's sources, read from the settings on first use."""
    return runtime.process().get_or_make(Sources, lambda: Sources(load_sources(load_settings())))
