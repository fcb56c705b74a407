"""What makes a connector: the promise between the product and whoever writes an office's dialect, here or elsewhere.

A package of its own offers one `ConnectorFactory` for each dialect, by an entry point of the group
`creditlink.connectors` whose name is the factory's. docs/connectors.md is its manual.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from creditlink.engine.facts.frames import FRAME_CATEGORY
from creditlink.kit.clock import utc_now
from creditlink.records.connectors.wire import Connector, Wire

GROUP = "creditlink.connectors"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")


class FactoryFault(ValueError):
    """A factory promises what cannot be; the message names what."""


@dataclass(frozen=True)
class OfficeAccess:
    """How a connector reaches its office: the way there, and what lets it in.

    A connector asks by `wire` only: that is where time limits, the office's limits, its rests and its signatures hold.
    """

    source: str  # the entry in config/sources.toml
    credentials: Mapping[str, str] = field(repr=False)  # those that the factory names, none empty
    open_wire: Callable[[httpx.Auth | None], Wire] = field(repr=False)
    clock: Callable[[], datetime] = utc_now
    page_size: int | None = None  # rows to ask for at once, where a dialect lets the caller say; None: its most

    def wire(self, *, auth: httpx.Auth | None = None) -> Wire:
        """Return the HTTP client for the office's address; the connector closes it."""
        return self.open_wire(auth)


@dataclass(frozen=True)
class ConnectorFactory:
    """One dialect that an office may speak.

    Raises
    ------
    FactoryFault
        The name is none that configuration could hold, a frame is unknown, or a credential has no plain name.
    """

    name: str  # of the dialect; an entry of config/sources.toml names it, or has the same name
    frames: tuple[str, ...]  # all that it may ever deliver
    credentials: tuple[str, ...]  # all of them required
    build: Callable[[OfficeAccess], Connector]
    serves: tuple[str, ...] = ()  # the categories that configuration may give it; none: those of its frames

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise FactoryFault(f"name must be lower-case letters, digits and _, got {self.name!r}")
        for frame in self.frames:
            if frame not in FRAME_CATEGORY or frame == "registration":
                raise FactoryFault(f"frames of {self.name}: {frame!r} is no record frame that an office delivers")
        if not self.frames:
            raise FactoryFault(f"frames of {self.name}: none is named")
        for key in self.credentials:
            if not isinstance(key, str) or not _NAME.fullmatch(key) or key == "url":
                raise FactoryFault(f"credentials of {self.name}: {key!r} is no name of a credential")

    @classmethod
    def of(
        cls, kind: Callable[..., Connector], name: str, frames: tuple[str, ...], credentials: tuple[str, ...]
    ) -> ConnectorFactory:
        """Build that of a class which needs the wire and, by their names, its credentials."""

        def build(office: OfficeAccess) -> Connector:
            paged = {} if office.page_size is None else {"page_size": office.page_size}
            return kind(office.wire(), **office.credentials, **paged)

        return cls(name, frames, credentials, build)

    @property
    def categories(self) -> frozenset[str]:
        """Return the categories that configuration may give it."""
        return frozenset(self.serves or (FRAME_CATEGORY[frame] for frame in self.frames))
