"""How much a firm may upload, what counts as the same, and when a person must look: `config/uploads.toml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


class UploadSettingError(ValueError):
    """A line of `uploads.toml` is absent, unknown or wrong; the message names it."""


@dataclass(frozen=True)
class UploadRules:
    """All of `uploads.toml`."""

    rows: int  # of one file at most
    unpacked_bytes: int  # of an Excel file or an OFD package at most
    months: int  # how far back a file is taken
    files_a_day: int  # of one firm
    kept_days: int  # after the upload its facts are deleted
    settled_day: int  # of the month after a period: an office that answers from then on has said all about the period
    same_within_bps: int
    same_within_fen: int
    review_from_bps: int
    review_from_fen: int


def parse(values: Mapping[str, object]) -> UploadRules:
    """Return the rules of a parsed `uploads.toml`.

    Raises
    ------
    UploadSettingError
        A line is absent, unknown, of the wrong type or out of range.
    """
    names = [one.name for one in fields(UploadRules)]
    for name in values:
        if name not in (*names, "version"):
            raise UploadSettingError(f"{name}: {values[name]!r}: is not a setting of uploads")
    found: dict[str, int] = {}
    for name in names:
        value = values.get(name)
        if type(value) is not int or value < 1:
            raise UploadSettingError(f"{name}: a whole number of at least 1 is expected, got {value!r}")
        found[name] = value
    if found["settled_day"] > 28:
        raise UploadSettingError(f"settled_day: a day of every month is expected, got {found['settled_day']}")
    return UploadRules(**found)
