"""Banks at an application whose limits are small enough to reach."""

from __future__ import annotations

import httpx
import pytest

from creditlink.kit.processes import runtime
from creditlink.metering.buckets import Rate
from creditlink.metering.limiter import Limiter
from creditlink.metering.postgres import PostgresStore
from creditlink.metering.rates import Rates
from tests.oauth import flow

WIDE = Rate(10_000, 60)


@pytest.fixture
def http(app):
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


@pytest.fixture
def limit(app):
    """Set limits of the application: those given, all others wide."""

    def setting(*, store=None, **rates):
        address = dict.fromkeys(("authorization", "open", "pages", "refused"), WIDE) | rates.pop("address", {})
        made = Limiter(
            Rates(rates.get("institution", WIDE), rates.get("client", WIDE), rates.get("routes", {}), address),
            store or PostgresStore(),
        )
        runtime.of_app(app).put(made)
        return made

    return setting
