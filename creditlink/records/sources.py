"""The connected offices of this process: one connector and one circuit breaker each, and who serves which firm."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.tables import Enterprise
from creditlink.kit.processes import runtime
from creditlink.kit.processes.slots import Slots
from creditlink.kit.settings import load_settings
from creditlink.records.connectors.wire import Connector, TimeLimits, Wire
from creditlink.records.offices.circuit import Circuit
from creditlink.records.offices.configuration import SourceConfig, SourcesConfig, load_sources
from creditlink.records.offices.factory import ConnectorFactory, OfficeAccess
from creditlink.records.offices.gate import SourceGate
from creditlink.records.offices.installed import factories

__all__ = ["SourceConfig", "Sources", "SourcesConfig", "configure", "current", "load_sources", "serving"]


class Sources:
    """The offices of this process: connectors and circuits, shared by its threads."""

    def __init__(self, config: SourcesConfig, dialects: Mapping[str, ConnectorFactory] | None = None) -> None:
        self.config = config
        self.connectors: dict[str, Connector] = {}
        self.circuits: dict[str, Circuit] = {}
        self.slots = Slots(config.limits.slots)
        known = factories() if dialects is None else dialects
        self.frames: dict[str, tuple[str, ...]] = {}
        for name, source in config.sources.items():
            self.frames[name] = known[source.dialect].frames
            self.connectors[name] = known[source.dialect].build(_access(source, config.limits))
            self.circuits[name] = Circuit(
                name, failures=config.circuit_failures, reset_seconds=config.circuit_reset_seconds
            )

    def close(self) -> None:
        """Close the connections to the offices."""
        for connector in self.connectors.values():
            connector.close()


def _access(source: SourceConfig, limits: TimeLimits) -> OfficeAccess:
    def open_wire(auth: httpx.Auth | None) -> Wire:
        gate = SourceGate(source.name, source.calls)
        return Wire(source.base_url, limits, auth=auth, gate=gate, signed_by=source.signed_by)

    return OfficeAccess(source.name, source.credentials, open_wire)


def serving(config: SourcesConfig, session: Session, enterprise_id: UUID | None) -> SourcesConfig:
    """Return the configuration with those offices only that serve a firm, by the region it is registered in."""
    if enterprise_id is None or not config.is_regional:
        return config
    region = session.scalar(select(Enterprise.region).where(Enterprise.id == enterprise_id))
    return config.serving(region or "")


def configure(sources: Sources | None) -> None:
    """Make `sources` those of this process; None: read the settings when first needed."""
    if sources is None:
        runtime.process().drop(Sources)
    else:
        runtime.process().put(sources)


def current() -> Sources:
    """Return this process's sources, read from the settings on first use."""
    return runtime.process().get_or_make(Sources, lambda: Sources(load_sources(load_settings())))
