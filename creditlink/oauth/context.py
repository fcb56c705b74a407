"""What every request to the authorization server needs besides its database session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import flask

from creditlink.consents.limits import FairUse
from creditlink.institutions.jwks import RemoteKeys
from creditlink.oauth.settings import OAuthSettings


@dataclass(frozen=True)
class OAuthContext:
    """Made once per process, by `oauth.routes.register`."""

    settings: OAuthSettings
    secret: str = field(repr=False)
    remote_keys: RemoteKeys = field(default_factory=RemoteKeys)


def current() -> OAuthContext:
    """Return the application's context."""
    return cast(OAuthContext, flask.current_app.extensions["oauth"])


def fair_use() -> FairUse:
    """Return the application's limits by purpose."""
    return cast(FairUse, flask.current_app.extensions["fair_use"])
