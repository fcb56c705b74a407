"""Providers of identity: who can prove that a person is a firm's legal representative, and what they prove."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import urlsplit

from creditlink.kit.settings import IDENTITY_PREFIX, SettingError, Settings

FILE = "identity.toml"
_MEMBERS = {"name", "label_zh", "label_en", "scope", "claims", "legal"}
_CLAIMS = {"uscc", "name", "role"}


class IdentityRefused(Exception):
    """The answer proves nothing; the message is for our log."""


class ProviderAway(Exception):
    """The provider cannot be reached, or does not speak as it should; the message is for our log."""


@dataclass(frozen=True)
class BegunProof:
    """What the browser's session keeps while its person is at the provider."""

    address: str  # where the browser goes
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class ProvenIdentity:
    """What a provider says of a person: its own name of them, their name, their firm, what they are to it."""

    provider: str
    subject: str
    name: str
    uscc: str
    is_legal: bool


class IdentityProvider(Protocol):
    """One provider. Neither method may be called within a transaction: both ask over the network."""

    @property
    def name(self) -> str:
        """Its name in addresses and evidence."""

    @property
    def label(self) -> tuple[str, str]:
        """What people call it, zh and en."""

    def begin(self, back: str) -> BegunProof:
        """Return where to send the browser, which comes back to the address `back`.

        Raises
        ------
        ProviderAway
        """

    def finish(self, begun: BegunProof, answer: Mapping[str, str], back: str) -> ProvenIdentity:
        """Return what the provider says, from the parameters with which the browser came back.

        Raises
        ------
        IdentityRefused
            They are no answer to what was begun.
        ProviderAway
        """


@dataclass(frozen=True)
class OidcSettings:
    """A provider as it is set up here."""

    name: str
    label: tuple[str, str]
    scope: str
    claims: Mapping[str, str]
    legal: frozenset[str]
    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class IdentityProviders:
    """The providers that are offered, by name."""

    by_name: Mapping[str, IdentityProvider]


def settings_of(settings: Settings, env: Mapping[str, str] | None = None) -> list[OidcSettings]:
    """Return the providers that the environment sets up.

    Raises
    ------
    SettingError
        The file or a variable is wrong; the message names it.
    """
    env = os.environ if env is None else env
    known = settings.parsed(FILE, _parse)
    prefixes = {f"{IDENTITY_PREFIX}{one['name']}_".upper(): one for one in known}
    for variable in env:
        if variable.startswith(IDENTITY_PREFIX) and not any(
            variable in (f"{prefix}URL", f"{prefix}CLIENT_ID", f"{prefix}CLIENT_SECRET") for prefix in prefixes
        ):
            raise SettingError(f"unknown variable {variable} in the environment")
    found = []
    for prefix, one in prefixes.items():
        issuer = env.get(f"{prefix}URL", "").rstrip("/")
        if not issuer:
            continue
        parts = urlsplit(issuer)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise SettingError(f"{prefix}URL must be the address of an issuer")
        if settings.is_production and parts.scheme != "https":
            raise SettingError(f"{prefix}URL must be https in production")
        client_id, secret = env.get(f"{prefix}CLIENT_ID", "creditlink"), env.get(f"{prefix}CLIENT_SECRET", "")
        if len(secret) < 16:
            raise SettingError(f"{prefix}CLIENT_SECRET must have at least 16 characters")
        labels = (str(one["label_zh"]), str(one["label_en"]))
        claims, legal = cast(Mapping[str, str], one["claims"]), frozenset(cast(list[str], one["legal"]))
        found.append(
            OidcSettings(str(one["name"]), labels, str(one["scope"]), claims, legal, issuer, client_id, secret)
        )
    return found


def _parse(document: Mapping[str, object]) -> list[dict[str, object]]:
    providers = document.get("provider")
    if set(document) != {"provider"} or not isinstance(providers, list):
        raise ValueError("must hold [[provider]] tables and nothing else")
    names = set()
    for one in providers:
        if set(one) != _MEMBERS or set(one["claims"]) != _CLAIMS or not one["legal"]:
            raise ValueError(f"a provider has {', '.join(sorted(_MEMBERS))}; its claims {', '.join(sorted(_CLAIMS))}")
        if not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", one["name"]) or one["name"] in names:
            raise ValueError(f"name {one['name']!r} is no name, or is there twice")
        if "openid" not in one["scope"].split():
            raise ValueError(f"{one['name']}: scope must hold openid")
        names.add(one["name"])
    return providers
