"""Who may go on: buckets by institution, client, route and address, and what is agreed. Nobody waits for the store."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog

from creditlink.kit.clock import day_of
from creditlink.kit.processes.metrics import LIMITED, LIMITS_DOWN, LIMITS_SKIPPED
from creditlink.metering import postgres
from creditlink.metering.buckets import Bucket, Charge, Rate, Ruling, Store, StoreDown
from creditlink.metering.contracts import Contracts, Terms
from creditlink.metering.fields import headers_of, refusal
from creditlink.metering.rates import Rates

log = structlog.get_logger()

UNCOUNTED = frozenset({"client:read", "usage:read"})
"""Whoever has used up a quota can still see that, and which client did."""
_SAID_EVERY = 60.0


class Limiter:
    """The limits of one process, over a store that all processes share.

    Parameters
    ----------
    rates : None: no buckets; what is agreed with an institution holds all the same
    """

    def __init__(self, rates: Rates | None, store: Store) -> None:
        self._rates, self._store, self._contracts = rates, store, Contracts()
        self._down_since: float | None = None
        self._said_at = 0.0

    def terms_of(self, institution_id: UUID) -> Terms:
        """Return what is agreed with an institution."""
        return self._contracts.of(institution_id)

    def admit_client(self, client_id: str, institution_id: UUID, scope: str, now: datetime) -> Ruling | None:
        """Take the tokens of a call by a client and count it; None where the store does not answer: it may go on.

        Raises
        ------
        TooManyRequests, QuotaUsedUp
            Nothing was taken and nothing counted.
        """
        terms = self._contracts.of(institution_id)
        charge = Charge(
            institution_id, client_id, day_of(now), "call", scope, per_day=terms.calls_a_day,
            per_month=terms.calls_a_month,
        )  # fmt: skip
        buckets = self._of_client(client_id, institution_id, scope, terms)
        return self._admit(buckets, None if scope in UNCOUNTED else charge, now)

    def admit_address(self, kind: str, address: str | None, now: datetime) -> Ruling | None:
        """Take a token of whoever asks from an address; None where the store does not answer: it may go on.

        Raises
        ------
        TooManyRequests
        """
        if self._rates is None:
            return None
        return self._admit([Bucket(kind, f"address:{kind}:{_hashed(address)}", self._rates.address[kind])], None, now)

    def give_back(self, charge: Charge) -> None:
        """Take back a call that was counted and is not to be paid."""
        try:
            postgres.give_back(charge)
        except StoreDown as error:
            log.warning("call_not_given_back", client_id=charge.client_id, error=str(error))

    def _of_client(self, client_id: str, institution_id: UUID, scope: str, terms: Terms) -> list[Bucket]:
        if self._rates is None:
            return []
        agreed = terms.calls_a_minute
        whole = self._rates.institution if agreed is None else Rate(agreed, 60)
        buckets = [
            Bucket("institution", f"institution:{institution_id}", whole),
            Bucket("client", f"client:{client_id}", self._rates.client),
        ]
        own = self._rates.routes.get(scope)
        return buckets if own is None else [*buckets, Bucket(scope, f"route:{scope}:{institution_id}", own)]

    def _admit(self, buckets: Sequence[Bucket], charge: Charge | None, now: datetime) -> Ruling | None:
        if not buckets and charge is None:
            return None
        try:
            verdict = self._store.admit(buckets, charge)
        except StoreDown as error:
            self._note_down(error)
            return None
        self._note_up()
        refused = refusal(verdict, now)
        if refused is not None:
            violated = refused.extra["violated-policies"]
            LIMITED.labels(violated[0] if isinstance(violated, list) else "").inc()
            refused.headers.update(headers_of(verdict, now))
            raise refused
        return verdict

    def _note_down(self, error: StoreDown) -> None:
        """Count a request that nobody limited, and say so, once a minute at most."""
        LIMITS_SKIPPED.inc()
        LIMITS_DOWN.set(1)
        now = time.monotonic()
        if self._down_since is None:
            self._down_since = now
        if now - self._said_at >= _SAID_EVERY:
            self._said_at = now
            log.error("limits_fail_open", error=str(error), seconds=round(now - self._down_since, 1))

    def _note_up(self) -> None:
        if self._down_since is not None:
            log.warning("limits_work_again", seconds=round(time.monotonic() - self._down_since, 1))
            self._down_since, self._said_at = None, 0.0
            LIMITS_DOWN.set(0)


def _hashed(address: str | None) -> str:
    """Return what stands for an address: of IPv6 its /64, which one sender has all of; what is none is one sender."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0].strip("[]"))
    except ValueError:
        return "none"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        else:
            return hashlib.sha256(found.packed[:8]).hexdigest()[:32]
    return hashlib.sha256(found.packed).hexdigest()[:32]
