"""What is written down: settings, secrets, files, the offices, the model's folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from creditlink.access.settings import load_oauth_settings
from creditlink.audit.places import open_place
from creditlink.audit.stamps import authority_of
from creditlink.cli.doctor.findings import DoctorFinding, error, mend_of, warning, weakness_of
from creditlink.enterprises.identity.providers import settings_of as identity_settings
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.keyring import keys_of
from creditlink.kit.settings import SettingError, Settings
from creditlink.messages.providers import load_providers
from creditlink.profiles.serving.live import load_first
from creditlink.records.offices.configuration import load_sources
from creditlink.web.wiring import faults_of_files

_MAKE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
_DAYS = 30
_AT_START: tuple[Callable[[Settings], object], ...] = (
    load_oauth_settings,
    load_providers,
    identity_settings,
    load_first,
    lambda settings: open_place(settings.anchors_place),
    authority_of,
)
"""What a process reads at its start beside the files of `wiring.check_files`."""


def look_at_settings(settings: Settings | None, faults: list[str]) -> Iterator[DoctorFinding]:
    """Yield what is wrong with what is written, without asking anybody."""
    for fault in faults:
        yield error("setting", fault, mend_of(fault))
    if settings is None:
        return
    for fault in _faults_of_files(settings):
        if fault not in faults:
            yield error("file", fault, mend_of(fault))
    yield from _secrets(settings)
    yield from _folder(settings)
    if settings.is_production:
        yield from _of_production(settings)


def _faults_of_files(settings: Settings) -> Iterator[str]:
    yield from faults_of_files(settings)
    for read in _AT_START:
        try:
            read(settings)
        except SettingError as fault:
            yield str(fault)


def _secrets(settings: Settings) -> Iterator[DoctorFinding]:
    production, keys = settings.is_production, keys_of(settings.secret_key).keys
    sandboxes = settings.var_dir / "secret_key"
    if production and any(_text_of(sandboxes) == key.secret for key in keys):
        yield error("secret_of_sandbox", f"secret_key is the one of a sandbox, in {sandboxes}", f"{_MAKE}, then set "
                    "CREDITLINK_SECRET_KEY: before anything is sealed with it")  # fmt: skip
    if production:
        yield from _weak("secret_key", keys[0].secret)
        yield from _keys_file(settings)
        if settings.metrics_token:
            yield from _weak("metrics_token", settings.metrics_token)
    if settings.metrics_token and any(settings.metrics_token == key.secret for key in keys):
        yield error("secret_shared", "metrics_token is secret_key: every scraper holds the key of the server",
                    f"{_MAKE}, then set CREDITLINK_METRICS_TOKEN")  # fmt: skip


def _weak(name: str, secret: str) -> Iterator[DoctorFinding]:
    if why := weakness_of(secret):
        yield error("secret_weak", f"{name} {why}", f"{_MAKE}, then set CREDITLINK_{name.upper()}")


def _keys_file(settings: Settings) -> Iterator[DoctorFinding]:
    """Look at the file of keys: who else may read it, and whether it lies where data lies."""
    path = settings.keys_path
    if not path.exists():
        return
    if path.stat().st_mode & 0o077:
        yield error("keys_open", f"others than its owner may read {path}", f"chmod 600 {path}")
    if path.is_relative_to(settings.var_dir):
        yield warning("keys_with_data", f"{path} lies in var_dir: whoever copies the data copies the keys",
                      "move it, and set CREDITLINK_KEYS_FILE")  # fmt: skip


def _text_of(path: os.PathLike[str]) -> str | None:
    try:
        with open(path) as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _folder(settings: Settings) -> Iterator[DoctorFinding]:
    """Try to write: a container's root is read-only, and `var_dir` must be a place of its own."""
    try:
        settings.var_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.var_dir):
            pass
    except OSError as fault:
        yield error("var_dir", f"nothing can be written into {settings.var_dir}: {fault.strerror}",
                    "set CREDITLINK_VAR_DIR to a folder of this user, or mount one there")  # fmt: skip


def _of_production(settings: Settings) -> Iterator[DoctorFinding]:
    if settings.metrics_token is None:
        yield warning("metrics_off", "metrics_token is not set: nobody may read /metrics", f"{_MAKE}, then set "
                      "CREDITLINK_METRICS_TOKEN")  # fmt: skip
    if "email" not in _channels(settings):
        yield warning("mail_off", "mail_url is not set: no notice goes out by e-mail, and no forgotten password is set "
                      "anew", "set CREDITLINK_MAIL_URL and CREDITLINK_MAIL_FROM")  # fmt: skip
    if settings.clamd is None:
        yield warning("scanner_off", "clamd is not set: files that firms hand in are told by their kind alone",
                      "set CREDITLINK_CLAMD")  # fmt: skip
    if settings.timestamp_url is None:
        yield warning("stamps_off", "timestamp_url is not set: nobody outside certifies when an anchor was there",
                      "set CREDITLINK_TIMESTAMP_URL and CREDITLINK_TIMESTAMP_ROOTS")  # fmt: skip
    if not settings.anchors:
        yield warning("anchors_here", f"anchors is not set: they are beside the data, in {settings.anchors_place}",
                      "set CREDITLINK_ANCHORS to a place to which the platform may only add")  # fmt: skip
    if settings.security_expires is None or not settings.security_contact:
        yield warning("security_txt", "security_contact is not set: nobody knows whom to tell of a weakness",
                      "set CREDITLINK_SECURITY_CONTACT and CREDITLINK_SECURITY_EXPIRES")  # fmt: skip
    elif (days := (settings.security_expires - day_of(utc_now())).days) < _DAYS:
        yield warning("security_txt", f"security_expires is in {days} days: /.well-known/security.txt ends",
                      "look at security_contact again, then set CREDITLINK_SECURITY_EXPIRES")  # fmt: skip
    if settings.trusted_proxies < 1:
        yield error("proxies", "trusted_proxies is 0: TLS ends at a proxy, and every sender looks like that proxy",
                    "set CREDITLINK_TRUSTED_PROXIES to how many proxies are in front")  # fmt: skip
    if settings.log_level == "DEBUG":
        yield warning("log_level", "log_level is DEBUG: more is written than anybody reads", "set CREDITLINK_LOG_LEVEL "
                      "to INFO")  # fmt: skip
    if settings.log_level == "ERROR":
        yield error("log_level", "log_level is ERROR: requests and refusals are not logged, and logs of half a year "
                    "are a duty", "set CREDITLINK_LOG_LEVEL to INFO")  # fmt: skip
    if settings.log_format != "json":
        yield warning("log_format", "log_format is not json: what collects the logs cannot search them",
                      "set CREDITLINK_LOG_FORMAT to json")  # fmt: skip
    yield from _offices(settings)


def _channels(settings: Settings) -> frozenset[str]:
    try:
        return frozenset(load_providers(settings).by_channel)
    except SettingError:  # said already
        return frozenset({"email"})


def _offices(settings: Settings) -> Iterator[DoctorFinding]:
    try:
        sources, providers = load_sources(settings).sources, identity_settings(settings)
    except SettingError:  # said already
        return
    for name, source in sources.items():
        parts = urlsplit(source.base_url)
        variable = f"CREDITLINK_BUREAU_{name.upper()}_URL"
        if parts.hostname in ("127.0.0.1", "::1", "localhost"):
            yield error("office", f"source {name} leads to this machine: it is the sandbox's", f"set {variable}, or "
                        "take the source out of sources.toml")  # fmt: skip
        elif parts.scheme != "https":
            yield warning("office_plain", f"source {name} is asked without TLS", f"set {variable} to an https address")
    if not providers:
        yield warning("identity_off", "no provider of identity is set up: no firm's person can register",
                      "set CREDITLINK_IDENTITY_<NAME>_URL, …_CLIENT_ID and …_CLIENT_SECRET")  # fmt: skip
