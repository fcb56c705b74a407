"""The slice's configuration files, each read once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from creditlink.financing.applications.declines import DeclineReason, declines_from
from creditlink.financing.settings import Clocks, clocks_from
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import SettingError


@lru_cache(maxsize=8)
def clocks(config_dir: Path) -> Clocks:
    """Return the deadlines of `financing.toml`.

    Raises
    ------
    SettingError
        The file is absent or wrong; the message names it.
    """
    try:
        return clocks_from(_read(config_dir / "financing.toml"))
    except ValueError as error:
        raise SettingError(f"configuration file financing.toml: {error}") from error


@lru_cache(maxsize=8)
def declines(config_dir: Path) -> dict[str, DeclineReason]:
    """Return the decline reasons of `declines.toml`.

    Raises
    ------
    SettingError
        The file is absent or wrong; the message names it.
    """
    try:
        return declines_from(_read(config_dir / "declines.toml"))
    except ValueError as error:
        raise SettingError(f"configuration file declines.toml: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except OSError as error:
        raise SettingError(f"configuration file {path.name}: {error.strerror}") from error
