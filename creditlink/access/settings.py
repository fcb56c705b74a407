"""The authorization server's part of the configuration (`config/oauth.toml`), checked when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from authlib.common.security import is_secure_transport

from creditlink.kit.settings import SettingError, Settings

# FAPI 2.0 Security Profile and our C4: bounds that configuration may tighten, never loosen.
_BOUNDS: dict[tuple[str, str], tuple[int, int]] = {
    ("lifetimes", "request_uri"): (5, 599),
    ("lifetimes", "decision"): (60, 7200),
    ("lifetimes", "code"): (1, 60),
    ("lifetimes", "access_token"): (1, 600),
    ("lifetimes", "backchannel"): (1800, 30 * 86400),
    ("clock", "ahead"): (10, 60),
    ("clock", "assertion_age"): (60, 3600),
    ("clock", "proof_age"): (5, 300),
    ("dpop", "nonce_life"): (10, 3600),
    ("backchannel", "interval"): (1, 60),
}


@dataclass(frozen=True)
class OAuthSettings:
    """Lifetimes and tolerances, in seconds."""

    issuer: str
    request_uri_life: int
    decision_life: int
    code_life: int
    access_token_life: int
    backchannel_life: int
    clock_ahead: int
    assertion_age: int
    proof_age: int
    dpop_nonce: bool
    dpop_nonce_life: int
    mtls_header: str
    poll_interval: int
    sandbox_clients: bool = True  # whether clients that developers made for themselves in a sandbox are let in


def load_oauth_settings(settings: Settings) -> OAuthSettings:
    """Return the checked settings.

    Raises
    ------
    SettingError
        A value is absent, of the wrong type or outside what FAPI 2.0 allows; or the issuer is plain
        http on an address other than loopback.
    """
    tables = settings.read_toml("oauth.toml")
    numbers = {name: _bounded(tables, *name) for name in _BOUNDS}
    nonce = tables.get("dpop", {}).get("nonce")
    if not isinstance(nonce, bool):
        raise SettingError(f"setting dpop.nonce in oauth.toml must be true or false, got {nonce!r}")
    if not is_secure_transport(settings.issuer):
        raise SettingError(f"setting issuer must be https, or http on loopback, got {settings.issuer!r}")
    return OAuthSettings(
        issuer=settings.issuer,
        request_uri_life=numbers["lifetimes", "request_uri"],
        decision_life=numbers["lifetimes", "decision"],
        code_life=numbers["lifetimes", "code"],
        access_token_life=numbers["lifetimes", "access_token"],
        backchannel_life=numbers["lifetimes", "backchannel"],
        clock_ahead=numbers["clock", "ahead"],
        assertion_age=numbers["clock", "assertion_age"],
        proof_age=numbers["clock", "proof_age"],
        dpop_nonce=nonce,
        dpop_nonce_life=numbers["dpop", "nonce_life"],
        mtls_header=settings.mtls_header,
        poll_interval=numbers["backchannel", "interval"],
        sandbox_clients=not settings.is_production,
    )


def _bounded(tables: Mapping[str, object], table: str, key: str) -> int:
    section = tables.get(table)
    value = section.get(key) if isinstance(section, dict) else None
    least, most = _BOUNDS[table, key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SettingError(f"setting {table}.{key} in oauth.toml must be a whole number {least}..{most}, got {value!r}")
    return value
