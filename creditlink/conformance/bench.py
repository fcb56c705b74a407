"""The bench: a connector as the product builds it, before the office of a golden file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import httpx

from creditlink.conformance.cases import GoldenCase, fact_line
from creditlink.conformance.replay import ReplayedOffice, Spoil, replayed
from creditlink.records.connectors.wire import Connector, Proceed, PullStopped, TimeLimits, Wire
from creditlink.records.offices.admission import Admission, admit
from creditlink.records.offices.factory import ConnectorFactory, OfficeAccess
from creditlink.records.pulls.delivery import Delivery, Fact

QUICK = TimeLimits(
    connect_seconds=1, read_seconds=0.5, attempts=2, wait_seconds=0, wait_max_seconds=0, jitter_seconds=0,
    total_seconds=3,
)  # fmt: skip
SOURCE = "conformance"


class ConnectorBroke(AssertionError):
    """The connector raised instead of saying what went wrong."""


@dataclass
class Bench:
    """One factory, with credentials that no text may show."""

    factory: ConnectorFactory
    credentials: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)  # every text that came of it, for leaks

    def __post_init__(self) -> None:
        self.credentials = {name: f"kit-{name}-{secrets.token_hex(12)}" for name in self.factory.credentials}

    @contextmanager
    def facing(self, case: GoldenCase, spoil: Spoil | None = None) -> Iterator[tuple[Connector, ReplayedOffice]]:
        """Put the connector before a case's office."""
        with replayed(case.exchanges, self.credentials) as office:
            office.spoil = spoil or office.spoil

            def open_wire(auth: httpx.Auth | None) -> Wire:
                return Wire(office.url, QUICK, auth=auth)

            connector = self.factory.build(OfficeAccess(SOURCE, self.credentials, open_wire, page_size=case.page_size))
            try:
                yield connector, office
            finally:
                connector.close()

    def fetch(
        self,
        connector: Connector,
        case: GoldenCase,
        *,
        since: date | None = None,
        until: date | None = None,
        proceed: Proceed = lambda: True,
    ) -> Delivery:
        """Return what the product would store of what the connector delivers.

        Raises
        ------
        ConnectorBroke
            It raised, or delivered facts that the product refuses: what does not read is a reject of the connector's.
        """
        first, last = since or case.since, until or case.until
        try:
            delivery = connector.fetch(case.uscc, since=first, until=last, proceed=proceed)
        except Exception as error:
            if isinstance(error, PullStopped):
                raise
            raise ConnectorBroke(f"fetch raised {type(error).__name__}: {error}") from error
        self.said += [delivery.error or "", *(str(reject) for reject in delivery.rejects)]
        taken = admit(delivery, Admission(SOURCE, self.factory.frames, self.factory.categories, first, last))
        refused = taken.rejects[len(delivery.rejects) :]
        if refused:
            raise ConnectorBroke(f"the product refuses {len(refused)} facts, first {refused[0]}")
        return taken

    def leaks(self, texts: Sequence[str], firms: Sequence[str]) -> list[str]:
        """Return the names of credentials, and codes of firms, that any text shows."""
        everything = "\n".join([*self.said, *texts])
        return [name for name, secret in self.credentials.items() if secret in everything] + [
            f"the code of firm {firm}" for firm in firms if firm in everything
        ]


def lines(facts: Sequence[Fact]) -> tuple[str, ...]:
    """Return facts in the form in which they are compared, in order."""
    return tuple(
        sorted(
            fact_line(
                fact.frame, fact.period.isoformat(), fact.subkey, fact.version, fact.known_at.isoformat(), fact.values,
                complete=fact.complete,
            )
            for fact in facts
        )
    )  # fmt: skip
