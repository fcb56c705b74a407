"""Settings: frozen, from `config/*.toml` and the environment, checked once at start."""

from __future__ import annotations

import difflib
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from creditlink.kit.clock import day_from
from creditlink.kit.files.scanning import is_address as is_scanner
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.keyring import Secret, keys_of
from creditlink.kit.keyring.keyfile import read_keys
from creditlink.kit.keyring.wrapping import KeyService, open_service

ROOT = Path(__file__).resolve().parents[2]

_CHOICES = {
    "environment": ("sandbox", "production", "test"),
    "log_level": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "log_format": ("json", "console"),
}
_AT_LEAST = {
    "max_body_bytes": 1024,
    "max_upload_bytes": 1024,
    "trusted_proxies": 0,
    "pool_size": 1,
    "worker_concurrency": 1,
    "worker_give_up_seconds": 1,
    "max_wait_seconds": 0,
    "request_threads": 1,
    "limits_times": 0,
    "api_statement_seconds": 1,
    "api_lock_seconds": 1,
    "worker_statement_seconds": 1,
    "worker_lock_seconds": 1,
}
_MIN_SECRET = 32
_CONTACT = re.compile(r"mailto:[!-~]+@[!-~]+|https:/{2}[!-~]+")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_PREFIX = "CREDITLINK_"
BUREAU_PREFIX = "CREDITLINK_BUREAU_"  # addresses and credentials of the sources: records.sources
IDENTITY_PREFIX = "CREDITLINK_IDENTITY_"  # those of the providers of identity: enterprises.identity.providers
Parsed = TypeVar("Parsed")
_Written = dict[str, Any]  # settings as they are written, before they have their types


class SettingError(Exception):
    """A setting is absent or wrong; the message names it and where it is set."""


@dataclass(frozen=True)
class Settings:
    """Everything a process needs to know before it starts."""

    environment: str
    issuer: str
    model: str
    log_level: str
    log_format: str
    max_body_bytes: int
    max_upload_bytes: int
    trusted_proxies: int
    pool_size: int
    worker_concurrency: int
    worker_give_up_seconds: int
    max_wait_seconds: int
    request_threads: int
    limits_times: int
    api_statement_seconds: int
    api_lock_seconds: int
    worker_statement_seconds: int
    worker_lock_seconds: int
    secret_key: Secret = field(repr=False)
    metrics_token: str | None = field(repr=False, default=None)
    database_url: str | None = field(repr=False, default=None)
    database_api_url: str | None = field(repr=False, default=None)
    mail_url: str | None = field(repr=False, default=None)
    mail_from: str | None = None
    keys_file: Path | None = None
    key_service: str | None = None
    key_service_secret: str | None = field(repr=False, default=None)
    anchors: str | None = None
    timestamp_url: str | None = None
    timestamp_roots: Path | None = None
    clamd: str | None = None
    mtls_header: str = ""
    security_contact: str = ""
    security_expires: date | None = None
    limits_store: str | None = field(repr=False, default=None)
    var_dir: Path = ROOT / "var"
    config_dir: Path = ROOT / "config"
    models_dir: Path = ROOT / "models"

    @property
    def is_production(self) -> bool:
        """Whether sandbox conveniences must be off."""
        return self.environment == "production"

    @property
    def anchors_place(self) -> str:
        """Where the evidence's anchors go: a folder, or an address with a scheme."""
        return self.anchors or str(self.var_dir / "anchors")

    @property
    def keys_path(self) -> Path:
        """Where the file of the server's keys is, or will be once the first key is added."""
        return _keys_path(self.keys_file, self.var_dir)

    @property
    def key_wrapping(self) -> KeyService | None:
        """What wraps the keys of the file; None: nothing does.

        Raises
        ------
        SettingError
            The address is none, or lacks its secret or its extra.
        """
        return _key_service(self.key_service, self.key_service_secret)

    def read_toml(self, name: str) -> dict[str, Any]:
        """Return the parsed file `name` of the configuration folder.

        Raises
        ------
        SettingError
            The file is absent or is not TOML.
        """
        return _read_toml(self.config_dir / name)

    def parsed(self, name: str, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
        """Return the file `name` of the configuration folder, as `parse` reads it.

        Raises
        ------
        SettingError
            The file is absent, is not TOML, or `parse` refuses it with a ValueError.
        """
        try:
            return parse(self.read_toml(name))
        except ValueError as error:
            raise SettingError(f"configuration file {name}: {error}") from error


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings for this process.

    Raises
    ------
    SettingError
        A setting is unknown, absent, of the wrong type or out of range.
    """
    env = os.environ if environ is None else environ
    values, unknown = _written(env)
    for fault in (*unknown, *_faults(values)):
        raise SettingError(fault)
    return Settings(**values)


def survey(environ: Mapping[str, str] | None = None) -> tuple[Settings | None, list[str]]:
    """Return the settings, and everything that is wrong with them at once; without settings, nothing can be made.

    What is wrong does not serve: it is here only so that what depends on the rest can be looked at too.

    Raises
    ------
    SettingError
        A file of settings cannot be read.
    """
    env = os.environ if environ is None else environ
    values, unknown = _written(env)
    faults = [*unknown, *_faults(values)]
    try:
        return Settings(**{**values, "secret_key": values.get("secret_key") or ""}), faults
    except TypeError:  # one is absent from the file and has no default
        return None, faults


def _written(env: Mapping[str, str]) -> tuple[_Written, list[str]]:
    """Return what files and environment say, and what of it means nothing."""
    config_dir = Path(env.get("CREDITLINK_CONFIG_DIR", ROOT / "config"))
    values = _read_toml(config_dir / "default.toml")
    name = env.get("CREDITLINK_ENVIRONMENT", values.get("environment", "sandbox"))
    overrides = config_dir / f"{name}.toml"
    if overrides.exists():
        values |= _read_toml(overrides)
    values["environment"] = name
    known = {f.name: f for f in fields(Settings)}
    unknown = [f"unknown setting {key!r} in {config_dir.name}/*.toml" for key in values if key not in known]
    variables = [_PREFIX + key.upper() for key in known]
    unknown += unknown_variables(env, variables, except_for=(BUREAU_PREFIX, IDENTITY_PREFIX))
    values = {key: value for key, value in values.items() if key in known}
    for key in known:
        variable = _PREFIX + key.upper()
        if variable in env:
            values[key] = env[variable]
    for key in ("database_url", "database_api_url"):
        if env.get(key.upper()):
            values[key] = env[key.upper()]
    values["config_dir"] = config_dir
    return values, unknown


def unknown_variables(
    env: Mapping[str, str], known: Iterable[str], *, prefix: str = _PREFIX, except_for: str | tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield what is wrong with variables of our prefix that mean nothing: a misspelt setting would keep its default.

    Each message names the variable, and the one that was probably meant.
    """
    names = sorted(known)
    for variable in sorted(env):
        ours = variable.startswith(prefix) and not variable.startswith(except_for)
        if ours and variable not in names:
            meant = difflib.get_close_matches(variable, names, n=1)
            hint = f"; is {meant[0]} meant?" if meant else ""
            yield f"unknown variable {variable} in the environment{hint}"


def _faults(values: _Written) -> Iterator[str]:
    """Yield every wrong setting, and bring the right ones to their types."""
    for key, least in _AT_LEAST.items():
        try:
            values[key] = int(values[key])
        except (KeyError, TypeError, ValueError):
            yield f"setting {key} must be a whole number, got {values.get(key)!r}"
            values[key] = least
        if values[key] < least:
            yield f"setting {key} must be at least {least}, got {values[key]}"
    for key, choices in _CHOICES.items():
        if values.get(key) not in choices:
            yield f"setting {key} must be one of {', '.join(choices)}, got {values.get(key)!r}"
    for key in ("var_dir", "config_dir", "models_dir", "timestamp_roots", "keys_file"):
        if values.get(key):
            values[key] = Path(values[key]).resolve()
        else:
            values.pop(key, None)  # an empty one is none
    issuer = urlsplit(str(values.get("issuer", "")))
    if issuer.scheme not in ("http", "https") or not issuer.hostname or issuer.path or issuer.query:
        yield f"setting issuer must be scheme://host[:port] without a path, got {values.get('issuer')!r}"
    yield from _faults_of_authority(values)
    values["clamd"] = values.get("clamd") or None
    if values["clamd"] is not None and not is_scanner(str(values["clamd"])):
        yield f"setting clamd must be tcp://host:port or unix:///path, got {values['clamd']!r}"
    header = str(values.get("mtls_header") or "")
    if header and not _HEADER_NAME.fullmatch(header):
        yield f"setting mtls_header must be the name of a header, got {header!r}"
    if header and values["trusted_proxies"] < 1:
        yield "setting mtls_header needs trusted_proxies of at least 1: without a proxy anybody could send it"
    yield from _faults_of_contact(values)
    production = values["environment"] == "production"
    if production and issuer.scheme != "https":
        yield "setting issuer must be https in production"
    if production and not values.get("database_url"):
        yield "setting database_url (DATABASE_URL) is required in production"
    if production and not values.get("database_api_url"):
        # A login that may be the owner can leave the API's role again (RESET ROLE), and row-level security with it.
        yield "setting database_api_url (DATABASE_API_URL) is required in production"
    try:
        var_dir = values.get("var_dir", ROOT / "var")
        service = _key_service(values.get("key_service") or None, values.get("key_service_secret") or None)
        keys_path = _keys_path(values.get("keys_file"), var_dir)
        values["secret_key"] = _keys(
            values.get("secret_key") or None, keys_path, var_dir, service, production=production
        )
    except SettingError as error:
        yield str(error)
    if values.get("metrics_token") is not None and len(values["metrics_token"]) < _MIN_SECRET:
        yield f"setting metrics_token must have at least {_MIN_SECRET} characters, or be left out"


def _faults_of_contact(values: dict[str, object]) -> Iterator[str]:
    """Yield what is wrong with whom to tell of a weakness, and until when that holds (RFC 9116)."""
    contact, expires = str(values.get("security_contact") or ""), values.pop("security_expires", None)
    if contact and not _CONTACT.fullmatch(contact):
        yield f"setting security_contact must be mailto:name@host or https://…, got {contact!r}"
    try:
        values["security_expires"] = day_from(str(expires)) if expires else None
    except ValueError:
        yield f"setting security_expires must be a day, YYYY-MM-DD, got {expires!r}"
    if bool(contact) != bool(expires):
        yield "settings security_contact and security_expires go together"


def _keys(secret: str | None, path: Path, var_dir: Path, service: KeyService | None, *, production: bool) -> Secret:
    """Return the server's keys: those of the file, or the one secret as long as there is no file."""
    if secret is not None and len(secret) < _MIN_SECRET:
        raise SettingError(f"setting secret_key must have at least {_MIN_SECRET} characters")
    if path.exists():
        try:
            return read_keys(path, beside=secret, service=service)
        except ValueError as error:
            raise SettingError(f"setting keys_file: {path}: {error}") from None
    if secret is None and production:
        raise SettingError("setting secret_key (CREDITLINK_SECRET_KEY) or keys_file is required in production")
    secret = secret or _sandbox_secret(var_dir)
    if len(secret) < _MIN_SECRET:
        raise SettingError(f"setting secret_key must have at least {_MIN_SECRET} characters")
    return keys_of(secret)


def _key_service(address: str | None, secret: str | None) -> KeyService | None:
    try:
        return None if address is None else open_service(address, secret)
    except ValueError as error:
        raise SettingError(f"setting key_service: {error}") from None


def _keys_path(keys_file: Path | None, var_dir: Path) -> Path:
    return keys_file or var_dir / "keys.json"


def _faults_of_authority(values: dict[str, object]) -> Iterator[str]:
    """Yield what is wrong with a time-stamping authority that cannot be reached, or whose stamps prove nothing."""
    if not (url := values.get("timestamp_url")):
        values["timestamp_url"] = None
        return
    try:
        parts = urlsplit(str(url))
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        yield f"setting timestamp_url must be http(s)://host[:port]/…, got {url!r}"
    if not values.get("timestamp_roots"):
        yield "setting timestamp_roots is required with timestamp_url: the roots its stamps must lead to"


def _sandbox_secret(var_dir: Path) -> str:
    """Return a secret kept under `var/`, so that every sandbox process signs with the same key."""
    path = var_dir / "secret_key"
    candidate = var_dir / f".secret_key.{os.getpid()}"
    try:
        if path.exists():
            return path.read_text()
        var_dir.mkdir(parents=True, exist_ok=True)
        candidate.touch(mode=0o600)
        candidate.write_text(secrets.token_urlsafe(48))
    except OSError as error:
        raise SettingError(f"setting var_dir={str(var_dir)!r}: {error.strerror}") from None
    try:
        os.link(candidate, path)  # atomic: the first process wins, and the others read its secret
    except FileExistsError:
        pass
    finally:
        candidate.unlink()
    return path.read_text()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except FileNotFoundError:
        raise SettingError(f"configuration file not found: {path}") from None
    except OSError as error:
        raise SettingError(f"configuration file {path}: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingError(f"configuration file {path.name}: {error}") from None
