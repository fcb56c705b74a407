"""The dialects that come with the product, one a line. Others come in packages of their own, by entry points."""

from __future__ import annotations

from creditlink.records.connectors import social_security, tax, utility
from creditlink.records.connectors.offices import OFFICES
from creditlink.records.offices.factory import ConnectorFactory

BUILT_IN: tuple[ConnectorFactory, ...] = (
    tax.FACTORY,
    social_security.FACTORY,
    *utility.FACTORIES,
    *(ConnectorFactory.of(kind, kind.source, kind.frames, kind.credentials) for kind in OFFICES),
)
