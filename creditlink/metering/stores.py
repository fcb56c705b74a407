"""Which store of buckets a process uses."""

from __future__ import annotations

from creditlink.kit.settings import SettingError, Settings
from creditlink.metering.buckets import Store
from creditlink.metering.postgres import PostgresStore


def store_of(settings: Settings) -> Store:
    """Return the store of the settings: PostgreSQL, or the one that the extra `valkey` brings.

    Raises
    ------
    SettingError
        The extra is not installed, or the address is none of its own.
    """
    if not settings.limits_store:
        return PostgresStore()
    try:
        from creditlink.metering.valkey import ValkeyStore

        return ValkeyStore.at(settings.limits_store)
    except ImportError:
        raise SettingError("setting limits_store needs the extra: pip install 'creditlink[valkey]'") from None
    except ValueError as error:  # the address itself may hold a password
        raise SettingError(f"setting limits_store (CREDITLINK_LIMITS_STORE): {error}") from None
