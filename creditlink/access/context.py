"""What every request to the authorization server needs besides its database session."""

from __future__ import annotations

from dataclasses import dataclass, field

from creditlink.access.settings import OAuthSettings
from creditlink.institutions.jwks import RemoteKeys
from creditlink.kit.keyring import Secret
from creditlink.kit.processes import runtime


@dataclass(frozen=True)
class OAuthContext:
    """Created once per process, by `oauth.routes.register`."""

    settings: OAuthSettings
    secret: Secret = field(repr=False)
    remote_keys: RemoteKeys = field(default_factory=RemoteKeys)


def current() -> OAuthContext:
    """Return the application's context."""
    return runtime.part(OAuthContext)
