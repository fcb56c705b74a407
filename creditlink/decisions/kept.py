"""`config/retention.toml`, read once per process."""

from __future__ import annotations

from functools import lru_cache

from creditlink.decisions.classes import RetentionClasses, parse
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import ROOT, SettingError, Settings

FILE = "retention.toml"


def classes_of(settings: Settings) -> RetentionClasses:
    """Return the classes of the configuration folder.

    Raises
    ------
    SettingError
        The file is absent or wrong; the message names class, field and value.
    """
    return settings.parsed(FILE, parse)


@lru_cache(maxsize=1)
def shipped_classes() -> RetentionClasses:
    """Return the classes that come with the code, for what is not told of others."""
    try:
        return parse(read_toml(ROOT / "config" / FILE))
    except (OSError, ValueError) as error:
        raise SettingError(f"configuration file {FILE}: {error}") from error
