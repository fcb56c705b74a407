"""Queued work on notifications: one try of one delivery."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from procrastinate import RetryStrategy

from creditlink import jobs
from creditlink.clock import utc_now
from creditlink.config import Settings, load_settings
from creditlink.notifications import delivery

# An endpoint that fails is no exception: what raises here is our own database being away for a moment.
_AGAIN = RetryStrategy(max_attempts=6, exponential_wait=2)


@cache
def _settings() -> Settings:
    return load_settings()


@jobs.app.task(name="notifications.deliver", queue="webhooks", retry=_AGAIN)
def deliver(delivery_id: str) -> None:
    """Try once; where it fails, the next try is queued."""
    settings = _settings()
    delivery.deliver(UUID(delivery_id), utc_now, key=settings.secret_key, allow_loopback=not settings.is_production)
