"""The published settings of matching as they lie in the configuration: a TOML file, and the curve beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from creditlink.engine.matching.settings import MatchingSettings, MatchingSettingsInvalid, parse_settings
from creditlink.kit.files.textfile import TextFile, read_file
from creditlink.products.files.price_response import PriceResponseInvalid
from creditlink.products.files.price_response import parse as parse_response

PRICE_RESPONSE = "price_response.csv"
"""Beside the settings: the curve of how firms respond to a price."""


def load_settings(path: Path) -> MatchingSettings:
    """Return the settings of one TOML file.

    Raises
    ------
    MatchingSettingsInvalid
        The file is not TOML, or a setting is missing, unknown or out of range.
    """
    curve = path.with_name(PRICE_RESPONSE)
    try:
        toml = read_file(path).whole()
    except ValueError as error:
        raise MatchingSettingsInvalid(f"{path.name}: not TOML: {error}") from error
    try:
        response = read_file(curve)
    except OSError as error:
        raise MatchingSettingsInvalid(f"{curve.name}: cannot be read: {error.strerror}") from error
    return settings_from(toml, response, name=path.name)


def settings_from(toml: str, curve: TextFile, *, name: str = "matching.toml") -> MatchingSettings:
    """Return the settings of the two texts, wherever they were kept; `name` is the first one's in messages.

    Raises
    ------
    MatchingSettingsInvalid
        As for `load_settings`.
    """
    try:
        raw = tomllib.loads(toml)
    except ValueError as error:
        raise MatchingSettingsInvalid(f"{name}: not TOML: {error}") from error
    try:
        response = parse_response(curve, source=PRICE_RESPONSE)
    except PriceResponseInvalid as error:
        raise MatchingSettingsInvalid(str(error)) from error
    return parse_settings(raw, response)
