"""The file config/sources.toml with the environment's overrides, read and checked as a whole."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit.files.textfile import json_of
from creditlink.kit.settings import BUREAU_PREFIX, SettingError, Settings, unknown_variables
from creditlink.records.connectors.wire import TimeLimits
from creditlink.records.offices import regions
from creditlink.records.offices.budget import CallLimits
from creditlink.records.offices.factory import ConnectorFactory
from creditlink.records.offices.installed import factories
from creditlink.records.offices.signatures import HEADER, SignatureKeys

FILE = "sources.toml"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_SETTINGS = {"connector", "categories", "regions", "base_url", "fresh_hours", "credentials", "calls", "signature"}


@dataclass(frozen=True)
class SourceConfig:
    """One office as configured."""

    name: str
    categories: tuple[str, ...]
    base_url: str
    fresh: timedelta
    credentials: Mapping[str, str] = field(repr=False)
    connector: str = ""  # the dialect it speaks; "": the one of its own name
    regions: tuple[str, ...] = ()  # of GB/T 2260, whose firms it serves; none: all
    calls: CallLimits = field(default_factory=CallLimits)  # what it allows
    signed_by: SignatureKeys | None = None  # None: it does not sign

    @property
    def dialect(self) -> str:
        """Return the name of the factory that makes its connector."""
        return self.connector or self.name


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

    @property
    def is_regional(self) -> bool:
        """Whether which office is asked depends on where a firm is."""
        return any(source.regions for source in self.sources.values())

    def serving(self, region: str) -> SourcesConfig:
        """Return it with those offices only that serve firms of a region: one a category, the closest."""
        if not self.is_regional:
            return self
        kept: dict[str, SourceConfig] = {}
        for name, source in self.sources.items():
            own = tuple(c for c in source.categories if name == regions.closest(self._holders(c), region))
            if own:
                kept[name] = replace(source, categories=own)
        return replace(self, sources=kept)

    def _holders(self, category: str) -> dict[str, tuple[str, ...]]:
        return {name: one.regions for name, one in self.sources.items() if category in one.categories}


def load_sources(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    dialects: Mapping[str, ConnectorFactory] | None = None,
) -> SourcesConfig:
    """Return the configured sources.

    Parameters
    ----------
    dialects : the factories at hand; None: the built-in ones and those of installed packages.

    Raises
    ------
    SettingError
        A setting is absent, unknown or wrong, or a package's connector does not load; the message names it.
    """
    env = os.environ if environ is None else environ
    known = factories() if dialects is None else dialects
    table = settings.read_toml(FILE)
    _only(table, {"limits", "circuit", "retry", "sources"}, "")
    limits = table.get("limits", {})
    _only(limits, {f.name for f in fields(TimeLimits)}, "limits.")
    for key, value in limits.items():
        _positive(value, f"limits.{key}")
    for key in ("attempts", "slots"):
        if type(limits.get(key, 1)) is not int:
            raise SettingError(f"setting limits.{key} in {FILE} must be a whole number, got {limits[key]!r}")
    circuit, retry = table.get("circuit", {}), table.get("retry", {})
    _only(circuit, {"failures", "reset_seconds"}, "circuit.")
    _only(retry, {"soon_seconds", "later_minutes"}, "retry.")
    entries = table.get("sources", {})
    for fault in unknown_variables(env, _variables(entries, known), prefix=BUREAU_PREFIX):
        raise SettingError(fault)
    found = {name: _source(name, entry, env, settings, known) for name, entry in entries.items()}
    _check_regions(found)
    return SourcesConfig(
        limits=TimeLimits(**limits),
        circuit_failures=int(_positive(circuit.get("failures"), "circuit.failures")),
        circuit_reset_seconds=_positive(circuit.get("reset_seconds"), "circuit.reset_seconds"),
        retry_soon=timedelta(seconds=_positive(retry.get("soon_seconds"), "retry.soon_seconds")),
        retry_later=tuple(
            timedelta(minutes=_positive(minutes, "retry.later_minutes")) for minutes in retry.get("later_minutes", [])
        ),
        sources=found,
    )


def faults_of(settings: Settings, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return everything that is wrong with the sources at once: what `load_sources` refuses, office by office."""
    env, known = os.environ if environ is None else environ, factories()
    found = []
    try:
        load_sources(settings, env, known)
    except SettingError as error:
        found.append(str(error))
    else:
        return []
    try:
        entries = settings.read_toml(FILE).get("sources", {})
    except SettingError:
        return found
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        try:
            _source(name, entry, env, settings, known)
        except SettingError as error:
            if str(error) not in found:
                found.append(str(error))
    return found


def _variables(entries: Mapping[str, Mapping[str, Any]], known: Mapping[str, ConnectorFactory]) -> Iterable[str]:
    """Yield the variables of every entry, and of the dialects that no entry uses at the moment."""
    spoken = {name: name for name in known} | {
        name: str(entry.get("connector", name)) for name, entry in entries.items()
    }
    for name, dialect in spoken.items():
        for key in ("url", *(known[dialect].credentials if dialect in known else ())):
            yield f"{BUREAU_PREFIX}{name}_{key}".upper()


def _source(
    name: str,
    entry: Mapping[str, Any],
    env: Mapping[str, str],
    settings: Settings,
    known: Mapping[str, ConnectorFactory],
) -> SourceConfig:
    place = f"sources.{name}."
    if not _NAME.fullmatch(name):
        raise SettingError(f"setting sources.{name} in {FILE}: a name has lower-case letters, digits and _ only")
    _only(entry, _SETTINGS, place)
    factory = known.get(str(entry.get("connector", name)))
    if factory is None:
        wanted = f"{place}connector" if "connector" in entry else place[:-1]
        raise SettingError(
            f"setting {wanted} in {FILE}: no connector {entry.get('connector', name)!r} is installed; "
            f"there are {', '.join(sorted(known))}"
        )
    base_url = env.get(f"{BUREAU_PREFIX}{name.upper()}_URL", entry.get("base_url", ""))
    if not _is_address(base_url):
        variable = f"{BUREAU_PREFIX}{name.upper()}_URL"
        raise SettingError(f"setting {place}base_url ({variable}) must be an http(s) address, got {base_url!r}")
    return SourceConfig(
        name=name,
        categories=_listed(entry, "categories", place, factory.categories, f"a category of connector {factory.name}"),
        base_url=base_url,
        fresh=timedelta(hours=_positive(entry.get("fresh_hours"), f"{place}fresh_hours")),
        credentials=_credentials(name, entry, env, settings, factory),
        connector=factory.name,
        regions=_regions(entry, place),
        calls=_call_limits(entry.get("calls", {}), f"{place}calls."),
        signed_by=_signature_keys(entry.get("signature"), f"{place}signature.", settings),
    )


def _call_limits(table: Mapping[str, Any], place: str) -> CallLimits:
    _only(table, {"per_second", "per_day", "equal_per_day"}, place)
    for key in table:
        _positive(table[key], f"{place}{key}")
        if key != "per_second" and type(table[key]) is not int:
            raise SettingError(f"setting {place}{key} in {FILE} must be a whole number, got {table[key]!r}")
    return CallLimits(**table)


def _signature_keys(table: Mapping[str, Any] | None, place: str, settings: Settings) -> SignatureKeys | None:
    if table is None:
        return None
    _only(table, {"jwks", "algorithms", "header"}, place)
    algorithms, header = table.get("algorithms"), table.get("header", HEADER)
    if not isinstance(algorithms, list) or not algorithms:
        raise SettingError(f"setting {place}algorithms in {FILE} must be a list that is not empty, got {algorithms!r}")
    if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
        raise SettingError(f"setting {place}header in {FILE} must be the name of a header, got {header!r}")
    path = settings.config_dir / str(table.get("jwks", ""))
    try:
        return SignatureKeys.of(json_of(path.read_bytes()), algorithms, header)
    except OSError as error:
        raise SettingError(f"setting {place}jwks in {FILE}: {path.name}: {error.strerror}") from None
    except ValueError as error:  # no JSON, or no keys
        raise SettingError(f"setting {place[:-1]} in {FILE}: {error}") from None


def _credentials(
    name: str, entry: Mapping[str, Any], env: Mapping[str, str], settings: Settings, factory: ConnectorFactory
) -> dict[str, str]:
    place, prefix = f"sources.{name}.credentials.", f"{BUREAU_PREFIX}{name.upper()}_"
    configured = entry.get("credentials", {})
    _only(configured, set(factory.credentials), place)
    if settings.is_production:
        lacking = [f"{place}{k} ({prefix}{k.upper()})" for k in factory.credentials if prefix + k.upper() not in env]
        if lacking:
            raise SettingError(f"setting {', '.join(lacking)} is required in production")
    credentials = {}
    for key in factory.credentials:
        variable = prefix + key.upper()
        credentials[key] = env.get(variable, configured.get(key, ""))
        if not isinstance(credentials[key], str) or not credentials[key]:
            raise SettingError(f"setting {place}{key} ({variable}) is empty or not a text")
    return credentials


def _regions(entry: Mapping[str, Any], place: str) -> tuple[str, ...]:
    found = entry.get("regions", [])
    if not isinstance(found, list):
        raise SettingError(f"setting {place}regions in {FILE} must be a list, got {found!r}")
    for prefix in found:
        if not regions.is_prefix(prefix):
            raise SettingError(
                f"setting {place}regions in {FILE}: 2, 4 or 6 digits of GB/T 2260 are wanted, got {prefix!r}"
            )
    return tuple(found)


def _listed(entry: Mapping[str, Any], key: str, place: str, allowed: Collection[str], what: str) -> tuple[str, ...]:
    found = entry.get(key)
    if not isinstance(found, list) or not found:
        raise SettingError(f"setting {place}{key} in {FILE} must be a list that is not empty, got {found!r}")
    for one in found:
        if one not in allowed:
            raise SettingError(f"setting {place}{key} in {FILE}: {one!r} is not {what}")
    return tuple(found)


def _check_regions(found: Mapping[str, SourceConfig]) -> None:
    for category in {category for source in found.values() for category in source.categories}:
        holders = [(name, source.regions) for name, source in found.items() if category in source.categories]
        twice = regions.overlap(holders)
        if twice is not None:
            first, second, prefix = twice
            raise SettingError(
                f"setting sources.{second}.regions in {FILE}: {first} holds {category} for "
                f"{f'region {prefix}' if prefix else 'all regions'} already"
            )


def _is_address(value: object) -> bool:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _only(table: object, known: set[str], place: str) -> None:
    if not isinstance(table, Mapping):
        raise SettingError(f"setting {place.rstrip('.')} in {FILE} must be a table, got {table!r}")
    for key in table:
        if key not in known:
            raise SettingError(f"unknown setting {place}{key} in {FILE}")


def _positive(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingError(f"setting {name} in {FILE} must be a number above 0, got {value!r}")
    return value
