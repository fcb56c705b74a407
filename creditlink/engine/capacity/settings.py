"""The terms by which capacity is derived, from `config/capacity.toml`, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import TypedDict

OTHERWISE = "otherwise"


class CapacitySettingError(ValueError):
    """A line of `capacity.toml` is absent, unknown or wrong; the message names it and its value."""


@dataclass(frozen=True)
class IndustryMargin:
    """What a firm of an industry is taken to earn where no return tells it; shares of sales."""

    margin: float  # left after income tax
    payroll_share: float  # that such a margin already pays for
    energy_share: float


class CapacityTerms(TypedDict):
    """All numbers that one firm's capacity is derived by; a profile keeps them, so that a replay has the same."""

    version: int
    rate_bps: int
    cover: float
    terms_months: list[int]
    suggested_months: int
    most_of_sales: float
    round_to_fen: int
    stress_deviations: float
    employer_share: float
    section: str  # of GB/T 4754, whose margin it is; `otherwise`: the section has none of its own
    margin: float
    payroll_share: float
    energy_share: float


@dataclass(frozen=True)
class CapacitySettings:
    """All of `capacity.toml`."""

    version: int
    rate_bps: int
    cover: float
    terms_months: tuple[int, ...]
    suggested_months: int
    most_of_sales: float
    round_to_fen: int
    stress_deviations: float
    employer_share: float
    margins: Mapping[str, IndustryMargin]

    def terms_for(self, industry: str | None) -> CapacityTerms:
        """Return the terms for a firm of an industry (GB/T 4754: a letter and two digits)."""
        section = (industry or "")[:1]
        section = section if section in self.margins else OTHERWISE
        usual = self.margins[section]
        return {
            "version": self.version,
            "rate_bps": self.rate_bps,
            "cover": self.cover,
            "terms_months": list(self.terms_months),
            "suggested_months": self.suggested_months,
            "most_of_sales": self.most_of_sales,
            "round_to_fen": self.round_to_fen,
            "stress_deviations": self.stress_deviations,
            "employer_share": self.employer_share,
            "section": section,
            "margin": usual.margin,
            "payroll_share": usual.payroll_share,
            "energy_share": usual.energy_share,
        }


_WHOLE = {
    "version": (1, 1_000_000), "rate_bps": (0, 3_600), "suggested_months": (1, 360), "round_to_fen": (1, 10**12),
}  # fmt: skip
_SHARES = {
    "cover": (1.0, 10.0), "most_of_sales": (0.0, 2.0), "stress_deviations": (0.0, 5.0), "employer_share": (0.0, 1.0),
}  # fmt: skip


def parse(values: Mapping[str, object]) -> CapacitySettings:
    """Return the settings of a parsed `capacity.toml`.

    Raises
    ------
    CapacitySettingError
        A line is absent, unknown, of the wrong type or out of range.
    """
    _only("", values, {field.name for field in fields(CapacitySettings)})
    terms = values["terms_months"]
    if not isinstance(terms, list) or not terms:
        raise CapacitySettingError(f"terms_months: a list of months is expected, got {terms!r}")
    months = tuple(_whole("terms_months", month, 1, 360) for month in terms)
    if list(months) != sorted(set(months)):
        raise CapacitySettingError(f"terms_months: ascending months are expected, got {terms!r}")
    whole = {name: _whole(name, values[name], *bounds) for name, bounds in _WHOLE.items()}
    if whole["suggested_months"] not in months:
        raise CapacitySettingError(
            f"suggested_months: one of {list(months)} is expected, got {whole['suggested_months']}"
        )
    shares = {name: _share(name, values[name], *bounds) for name, bounds in _SHARES.items()}
    return CapacitySettings(
        version=whole["version"],
        rate_bps=whole["rate_bps"],
        cover=shares["cover"],
        terms_months=months,
        suggested_months=whole["suggested_months"],
        most_of_sales=shares["most_of_sales"],
        round_to_fen=whole["round_to_fen"],
        stress_deviations=shares["stress_deviations"],
        employer_share=shares["employer_share"],
        margins=_margins(values["margins"]),
    )


def _margins(table: object) -> dict[str, IndustryMargin]:
    if not isinstance(table, Mapping) or OTHERWISE not in table:
        raise CapacitySettingError(f"margins: tables by section are expected, {OTHERWISE!r} among them, got {table!r}")
    margins = {}
    for section, row in table.items():
        if section != OTHERWISE and not (len(section) == 1 and "A" <= section <= "T"):
            raise CapacitySettingError(f"margins.{section}: a section A … T of GB/T 4754 or {OTHERWISE!r} is expected")
        if not isinstance(row, Mapping):
            raise CapacitySettingError(f"margins.{section}: a table is expected, got {row!r}")
        names = {field.name for field in fields(IndustryMargin)}
        _only(f"margins.{section}.", row, names)
        margins[section] = IndustryMargin(**{n: _share(f"margins.{section}.{n}", row[n], 0.0, 1.0) for n in names})
    return margins


def _only(at: str, table: Mapping[str, object], names: set[str]) -> None:
    for name in sorted(names - set(table)):
        raise CapacitySettingError(f"{at}{name} is absent")
    for name in sorted(set(table) - names):
        raise CapacitySettingError(f"{at}{name}: {table[name]!r}: is not a setting of capacity")


def _whole(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise CapacitySettingError(f"{name}: a whole number {least} … {most} is expected, got {value!r}")
    return value


def _share(name: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise CapacitySettingError(f"{name}: a number is expected, got {value!r}")
    if not least <= value <= most:
        raise CapacitySettingError(f"{name}: a number {least:g} … {most:g} is expected, got {value!r}")
    return float(value)
