"""The settings of cards that this process goes by."""

from __future__ import annotations

from creditlink.cards.rules import settings as card_settings
from creditlink.cards.rules.settings import CardSettings
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings


def current() -> CardSettings:
    """Return the settings of the application or the process.

    Raises
    ------
    SettingError
        `cards.toml` is absent or wrong; the message names it.
    """
    try:
        return runtime.part(CardSettings)
    except LookupError:
        settings = runtime.part(Settings)
    return runtime.process().get_or_make(CardSettings, lambda: settings.parsed(card_settings.FILE, card_settings.parse))
