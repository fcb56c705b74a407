"""The classes of what is kept of a firm: why, how long, who may look, and what a withdrawal or a deletion does. Pure.

Read from `config/retention.toml`; a test wants every table that the purge deletes from in a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

KINDS = ("data_life", "years", "ever", "until_deleted")
EFFECTS = ("goes", "in_time", "sealed", "stays")
DECISION_RECORD, NEGATIVE_RECORDS = "decision_record", "negative_records"
LOOKS: dict[str, tuple[str, str]] = {
    "replay": ("复算核对", "checking a decision by computing it again"),
    "complaint": ("处理投诉或异议", "a complaint or an objection"),
    "model_review": ("模型检查", "a review of the model"),
    "model_training": ("以还款结果训练模型", "teaching a model from how loans turned out"),
    "audit": ("审计", "an audit"),
}
"""Purposes for which staff may look at an archived decision, in zh and en, as the firm reads them."""
_TEXTS = (
    "name", "holds_zh", "holds_en", "basis_zh", "basis_en", "source", "told_zh", "told_en", "for", "on_withdrawal",
    "on_deletion",
)  # fmt: skip
_MOST_YEARS = 30


class RetentionInvalid(ValueError):
    """A line of `retention.toml` is absent, unknown or wrong; the message names class, field and value."""


@dataclass(frozen=True)
class RetentionClass:
    """One class of what is kept of a firm."""

    name: str
    tables: tuple[str, ...]
    holds_zh: str
    holds_en: str
    basis_zh: str
    basis_en: str
    source: str
    told_zh: str
    told_en: str
    kind: str  # one of KINDS
    years: int | None
    on_withdrawal: str  # one of EFFECTS
    on_deletion: str
    readers: Mapping[str, tuple[str, ...]]  # role -> purposes

    def until(self, since: datetime) -> datetime:
        """Return when what began at `since` has reached its end; for classes that are counted in years."""
        if self.years is None:
            raise ValueError(f"class {self.name} is kept by {self.kind}, not by years")
        year = since.year + self.years
        try:
            return since.replace(year=year)
        except ValueError:  # the 29th of February
            return since.replace(year=year, day=28) + timedelta(days=1)

    def refusal(self, role: str, purpose: str) -> str | None:
        """Return why somebody of a role may not look for a purpose, or None."""
        if role not in self.readers:
            return f"role {role!r} may not look at {self.name}: {', '.join(self.readers)} may"
        if purpose not in self.readers[role]:
            return f"purpose {purpose!r} is not one of role {role}: {', '.join(self.readers[role])}"
        return None


@dataclass(frozen=True)
class RetentionClasses:
    """All of `retention.toml`."""

    version: int
    classes: tuple[RetentionClass, ...]

    def of(self, name: str) -> RetentionClass:
        """Return a class by its name."""
        return next(one for one in self.classes if one.name == name)

    @property
    def staying(self) -> tuple[RetentionClass, ...]:
        """Return the classes that a deletion does not empty, in their order."""
        return tuple(one for one in self.classes if one.on_deletion in ("sealed", "stays"))


def parse(values: Mapping[str, object]) -> RetentionClasses:
    """Return the classes of a parsed `retention.toml`.

    Raises
    ------
    RetentionInvalid
        A line is absent, unknown, of the wrong type or out of range; a class is there twice or is absent.
    """
    _only(values, {"version", "class"}, "retention")
    version, rows = values.get("version"), values.get("class")
    if type(version) is not int:
        raise RetentionInvalid(f"version: a whole number is expected, got {version!r}")
    if not isinstance(rows, list) or not rows:
        raise RetentionInvalid(f"class: a list of tables is expected, got {rows!r}")
    classes = tuple(_class(row) for row in rows)
    names = [one.name for one in classes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RetentionInvalid(f"class {twice[0]}: is there twice")
    for needed in (DECISION_RECORD, NEGATIVE_RECORDS):
        if needed not in names or classes[names.index(needed)].years is None:
            raise RetentionInvalid(f"class {needed}: is needed, with years")
    if not classes[names.index(DECISION_RECORD)].readers:
        raise RetentionInvalid(f"class {DECISION_RECORD}: readers are needed")
    return RetentionClasses(version, classes)


def _class(row: object) -> RetentionClass:
    if not isinstance(row, Mapping):
        raise RetentionInvalid(f"class: a table is expected, got {row!r}")
    name = str(row.get("name"))
    _only(row, {*_TEXTS, "tables", "years", "readers"}, f"class {name}")
    for field in _TEXTS:
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise RetentionInvalid(f"class {name}: {field}: a text is expected, got {row.get(field)!r}")
    for field, allowed in (("for", KINDS), ("on_withdrawal", EFFECTS), ("on_deletion", EFFECTS)):
        if row[field] not in allowed:
            raise RetentionInvalid(
                f"class {name}: {field}: one of {', '.join(allowed)} is expected, got {row[field]!r}"
            )
    years = row.get("years")
    if (row["for"] == "years") != (years is not None):
        raise RetentionInvalid(f"class {name}: years: given where it is kept by years and nowhere else, got {years!r}")
    if years is not None and (type(years) is not int or not 1 <= years <= _MOST_YEARS):
        raise RetentionInvalid(f"class {name}: years: a whole number 1 … {_MOST_YEARS} is expected, got {years!r}")
    readers = row.get("readers", {})
    if not isinstance(readers, Mapping):
        raise RetentionInvalid(f"class {name}: readers: a table is expected, got {readers!r}")
    looks = {str(role): _texts(purposes, f"class {name}: readers.{role}") for role, purposes in readers.items()}
    for role, purposes in looks.items():
        if unknown := [one for one in purposes if one not in LOOKS]:
            raise RetentionInvalid(
                f"class {name}: readers.{role}: one of {', '.join(LOOKS)} is expected, got {unknown[0]!r}"
            )
    return RetentionClass(
        name=name,
        tables=_texts(row.get("tables"), f"class {name}: tables"),
        kind=row["for"],
        years=years,
        readers=looks,
        **{field: row[field] for field in _TEXTS if field not in ("name", "for")},
    )


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise RetentionInvalid(f"{where}: a list of texts is expected, got {value!r}")
    if wrong := [one for one in value if not isinstance(one, str) or not one.strip()]:
        raise RetentionInvalid(f"{where}: a text is expected, got {wrong[0]!r}")
    return tuple(value)


def _only(values: Mapping[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(set(values) - known):
        raise RetentionInvalid(f"{where}: {unknown[0]}: {values[unknown[0]]!r}: is not a field")
