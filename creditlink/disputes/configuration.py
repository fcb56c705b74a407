"""The settings of disputes and the calendar that this process goes by."""

from __future__ import annotations

from dataclasses import dataclass

from creditlink.disputes.rules import calendar
from creditlink.disputes.rules import settings as dispute_settings
from creditlink.disputes.rules.calendar import WorkCalendar
from creditlink.disputes.rules.settings import DisputeSettings
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings


@dataclass(frozen=True)
class DisputeTerms:
    """What disputes go by: one part of the process's runtime."""

    settings: DisputeSettings
    calendar: WorkCalendar


def load_terms(settings: Settings) -> DisputeTerms:
    """Return the terms of the configuration folder.

    Raises
    ------
    SettingError
        `disputes.toml` or `holidays.toml` is absent or wrong; the message names it.
    """
    return DisputeTerms(
        settings.parsed(dispute_settings.FILE, dispute_settings.parse), settings.parsed(calendar.FILE, calendar.parse)
    )


def current() -> DisputeTerms:
    """Return the terms of the application or the process."""
    try:
        return runtime.part(DisputeTerms)
    except LookupError:
        settings = runtime.part(Settings)
        return runtime.process().get_or_make(DisputeTerms, lambda: load_terms(settings))
