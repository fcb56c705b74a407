"""The published settings of matching as they lie in the configuration: a TOML file, and the curve beside it."""

from __future__ import annotations

from pathlib import Path

from creditlink.engine.matching.settings import MatchingSettings, MatchingSettingsInvalid, parse_settings
from creditlink.kit.files.textfile import read_file, read_toml
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
    try:
        raw = read_toml(path)
    except ValueError as error:
        raise MatchingSettingsInvalid(f"{path.name}: not TOML: {error}") from error
    curve = path.with_name(PRICE_RESPONSE)
    try:
        response = parse_response(read_file(curve), source=curve.name)
    except OSError as error:
        raise MatchingSettingsInvalid(f"{curve.name}: cannot be read: {error.strerror}") from error
    except PriceResponseInvalid as error:
        raise MatchingSettingsInvalid(str(error)) from error
    return parse_settings(raw, response)
