"""`config/disputes.toml`: clocks, files, which sources answer by themselves, and the rules of repair. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from creditlink.disputes.rules.calendar import MOST_DAYS
from creditlink.disputes.rules.repair import RepairRule, rules_of

FILE = "disputes.toml"


class DisputeSettingsInvalid(ValueError):
    """A line of `disputes.toml` is absent, unknown or wrong; the message names table, field and value."""


@dataclass(frozen=True)
class DisputeSettings:
    """All of the file; days are working days but where they say otherwise."""

    source_days: int
    appeal_days: int
    appeal_within_days: int
    believed_days: int
    most_files: int
    most_file_bytes: int
    files_kept_days: int  # calendar days after the end
    scan_hours: int
    remind_days: int  # after which a bank is reminded of a correction that it has not acknowledged
    silent_days: int  # after which the operator is shown that it still has not
    wired: frozenset[str]
    repair: tuple[RepairRule, ...]

    def days_of(self, level: int) -> int:
        """Return how many working days a source has at a level."""
        return self.appeal_days if level else self.source_days


_CLOCK = ("source_days", "appeal_days", "appeal_within_days", "believed_days")
_CORRECTIONS = ("remind_days", "silent_days")
_FILES = ("most", "most_bytes", "kept_days", "scan_hours")


def parse(values: Mapping[str, object]) -> DisputeSettings:
    """Return the settings in a parsed file.

    Raises
    ------
    DisputeSettingsInvalid, RepairRulesInvalid
    """
    _only(values, ("version", "clock", "corrections", "files", "sources", "repair"), "disputes")
    clock, files, sources = (_table(values, name) for name in ("clock", "files", "sources"))
    corrections = _table(values, "corrections")
    _only(clock, _CLOCK, "clock")
    _only(corrections, _CORRECTIONS, "corrections")
    _only(files, _FILES, "files")
    _only(sources, ("wired",), "sources")
    wired = sources["wired"]
    if not isinstance(wired, list) or not all(isinstance(name, str) for name in wired):
        raise DisputeSettingsInvalid(f"sources: wired: must be a list of names, got {wired!r}")
    days = {name: _number("clock", name, clock[name], 1, MOST_DAYS) for name in _CLOCK}
    waits = {name: _number("corrections", name, corrections[name], 1, MOST_DAYS) for name in _CORRECTIONS}
    if waits["silent_days"] <= waits["remind_days"]:
        told = waits["silent_days"]
        raise DisputeSettingsInvalid(f"corrections: silent_days: must be more than remind_days, got {told}")
    return DisputeSettings(
        **days,
        **waits,
        most_files=_number("files", "most", files["most"], 0, 20),
        most_file_bytes=_number("files", "most_bytes", files["most_bytes"], 1024, 2**25),
        files_kept_days=_number("files", "kept_days", files["kept_days"], 0, 3650),
        scan_hours=_number("files", "scan_hours", files["scan_hours"], 1, 24 * 30),
        wired=frozenset(wired),
        repair=rules_of(values["repair"]),
    )


def _table(values: Mapping[str, object], name: str) -> dict[str, object]:
    found = values[name]
    if not isinstance(found, Mapping):
        raise DisputeSettingsInvalid(f"{name}: a table is expected, got {found!r}")
    return dict(found)


def _only(values: Mapping[str, object], names: tuple[str, ...], where: str) -> None:
    for name in (*sorted(set(values) - set(names)), *sorted(set(names) - set(values))):
        said = f"{values[name]!r} is not a field" if name in values else "is absent"
        raise DisputeSettingsInvalid(f"{where}: {name}: {said}")


def _number(where: str, name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise DisputeSettingsInvalid(f"{where}: {name}: must be a whole number {least} … {most}, got {value!r}")
    return value
