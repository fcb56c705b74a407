"""The deadlines of `financing.toml` and the decline reasons of `declines.toml`, each read once per process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from creditlink.financing.applications.declines import DeclineReason, declines_from
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import SettingError

_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Every deadline of a request; all in whole days."""

    request_days: int  # a request without an accepted offer ends
    answer_days: int  # a lender answers: offer or decline
    escalate_days: int  # before that, it is reminded and the operator is alerted
    offer_days_at_most: int  # how long an offer may stand
    sign_days: int  # after acceptance
    draw_days: int  # after signing

    def after(self, name: str) -> timedelta:
        """Return one of them as a span of time."""
        return timedelta(days=getattr(self, name))


@dataclass(frozen=True, slots=True)
class PaperBounds:
    """How many documents a request may have, how large, and how many days after its end they are kept."""

    most_files: int
    most_file_bytes: int
    kept_days: int


def papers_from(table: Mapping[str, object]) -> PaperBounds:
    """Return the bounds of documents in a parsed `financing.toml`.

    Raises
    ------
    ValueError
        One is absent, unknown or not a whole number from 1; the message names it.
    """
    known = {field.name for field in fields(PaperBounds)}
    bounds = table.get("papers")
    if not isinstance(bounds, Mapping) or set(bounds) != known:
        found = set(bounds) if isinstance(bounds, Mapping) else set()
        raise ValueError(f"papers: missing {sorted(known - found)}, unknown {sorted(found - known)}")
    for name, value in bounds.items():
        if type(value) is not int or value < 1:
            raise ValueError(f"papers.{name} must be a whole number from 1, got {value!r}")
    return PaperBounds(**bounds)


def clocks_from(table: Mapping[str, object]) -> Clocks:
    """Return the clocks in a parsed `financing.toml`.

    Raises
    ------
    ValueError
        A clock is absent, unknown or not a whole number of days; the message names it.
    """
    known = {field.name for field in fields(Clocks)}
    clocks = table.get("clocks")
    if not isinstance(clocks, Mapping) or set(clocks) != known:
        found = set(clocks) if isinstance(clocks, Mapping) else set()
        raise ValueError(f"clocks: missing {sorted(known - found)}, unknown {sorted(found - known)}")
    for name, value in clocks.items():
        if type(value) is not int or not 1 <= value <= 365:
            raise ValueError(f"clocks.{name} must be a whole number of days 1 … 365, got {value!r}")
    if clocks["escalate_days"] >= clocks["answer_days"]:
        raise ValueError(f"clocks.escalate_days = {clocks['escalate_days']} must be below answer_days")
    return Clocks(**clocks)


@lru_cache(maxsize=8)
def clocks(config_dir: Path) -> Clocks:
    """Return the deadlines of `financing.toml`.

    Raises
    ------
    SettingError
        The file is absent or wrong; the message names it.
    """
    return _parsed(config_dir / "financing.toml", clocks_from)


@lru_cache(maxsize=8)
def papers(config_dir: Path) -> PaperBounds:
    """Return the bounds of documents of `financing.toml`.

    Raises
    ------
    SettingError
        The file is absent or wrong; the message names it.
    """
    return _parsed(config_dir / "financing.toml", papers_from)


@lru_cache(maxsize=8)
def declines(config_dir: Path) -> dict[str, DeclineReason]:
    """Return the decline reasons of `declines.toml`.

    Raises
    ------
    SettingError
        The file is absent or wrong; the message names it.
    """
    return _parsed(config_dir / "declines.toml", declines_from)


def _parsed(path: Path, parse: Callable[[dict[str, object]], _Parsed]) -> _Parsed:
    try:
        return parse(read_toml(path))
    except OSError as error:
        raise SettingError(f"configuration file {path.name}: {error.strerror}") from error
    except ValueError as error:
        raise SettingError(f"configuration file {path.name}: {error}") from error
