"""A file of outcomes, CSV or NDJSON, read line by line: what is right, and what is wrong with the rest. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from creditlink.kit.clock import day_from
from creditlink.kit.files import csvfile, text
from creditlink.kit.files.textfile import JsonInvalid, TextFile, json_of

KINDS = ("draw", "repayment", "closure", "write_off")
COLUMNS = ("application_id", "kind", "on", "amount_fen", "days_past_due", "reference")
MOST_DAYS = 3650
MOST_FEN = 10**13
_LONGEST_REFERENCE = 64
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class LoanOutcome:
    """One thing that became of a loan; the amount is what was drawn, is outstanding, or was written off."""

    kind: str
    about_on: date
    amount_fen: int
    days_past_due: int | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that reads: its number, its application, and its outcome."""

    number: int
    application: str
    outcome: LoanOutcome


@dataclass(frozen=True, slots=True)
class LineError:
    """A line, or a field of it, that cannot be taken."""

    line: int
    field: str
    value: str
    problem: str

    def to_dict(self) -> dict[str, object]:
        """Return the error as the lender gets it."""
        return {"line": self.line, "field": self.field, "value": self.value, "problem": self.problem}


class OutcomeInvalid(ValueError):
    """A field of an outcome is wrong."""

    def __init__(self, field: str, value: object, problem: str) -> None:
        self.field, self.value, self.problem = field, value, problem
        super().__init__(f"field {field!r}: value {value!r}: {problem}")


def outcome_of(raw: Mapping[str, object]) -> LoanOutcome:
    """Return the outcome in one row; texts and numbers read alike.

    Raises
    ------
    OutcomeInvalid
        The first field that is wrong.
    """
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise OutcomeInvalid("kind", kind, f"must be one of {', '.join(KINDS)}")
    about_on = _day(raw.get("on"))
    if kind == "repayment" and about_on.day != 1:
        raise OutcomeInvalid("on", raw.get("on"), "of a repayment is the first day of its month")
    days = _whole("days_past_due", raw.get("days_past_due"), MOST_DAYS) if kind == "repayment" else None
    if kind != "repayment" and raw.get("days_past_due") not in (None, ""):
        raise OutcomeInvalid("days_past_due", raw.get("days_past_due"), f"does not belong to {kind}")
    amount = raw.get("amount_fen")
    if kind == "closure" and amount in (None, ""):
        amount = 0
    reference = raw.get("reference") or ""
    if not isinstance(reference, str) or len(reference) > _LONGEST_REFERENCE:
        raise OutcomeInvalid("reference", reference, f"must be a text of at most {_LONGEST_REFERENCE} characters")
    return LoanOutcome(kind, about_on, _whole("amount_fen", amount, MOST_FEN), days, reference)


def read_lines(file: TextFile, *, form: str) -> Iterator[Line | LineError]:
    """Yield every line of a file as its outcome or what is wrong with it; blank lines are skipped.

    Parameters
    ----------
    form : `csv` (with a header line) or `ndjson`.

    Raises
    ------
    OutcomeInvalid
        The header cannot be read, names a column twice or one that does not exist, or lacks one that is needed;
        nothing was read then.
    """
    for number, raw in _csv_rows(file) if form == "csv" else _json_rows(file):
        if isinstance(raw, LineError):
            yield raw
            continue
        unknown = sorted(set(raw) - set(COLUMNS))
        try:
            if unknown:
                raise OutcomeInvalid(str(unknown[0]), raw[unknown[0]], f"is none of {', '.join(COLUMNS)}")
            application = raw.get("application_id")
            if not isinstance(application, str) or not application:
                raise OutcomeInvalid("application_id", application, "is needed")
            yield Line(number, application, outcome_of(raw))
        except OutcomeInvalid as wrong:
            yield LineError(number, wrong.field[:_SHOWN], str(wrong.value)[:_SHOWN], wrong.problem)


def _csv_rows(file: TextFile) -> Iterable[tuple[int, dict[str, object] | LineError]]:
    try:
        for row in csvfile.rows(file, known=COLUMNS, needed=("application_id", "kind", "on")):
            if isinstance(row, csvfile.CsvRecord):
                yield row.line, dict(row.values)
            else:
                yield row.line, LineError(row.line, row.field, row.value, row.problem)
    except csvfile.HeaderInvalid as wrong:
        raise OutcomeInvalid("header", wrong.value, wrong.problem) from None


def _json_rows(file: TextFile) -> Iterable[tuple[int, dict[str, object] | LineError]]:
    for number, line in file.lines():
        if line.strip():
            yield number, _json_row(number, line, file.flaw(number))


def _json_row(number: int, line: str, flaw: str | None) -> dict[str, object] | LineError:
    begin = text.printable(line)[:_SHOWN]
    if flaw is not None:
        return LineError(number, "line", begin, flaw)
    try:
        row = json_of(line)
    except JsonInvalid as error:
        if error.member is not None:
            return LineError(number, text.printable(error.member)[:_SHOWN], begin, "appears twice")
        return LineError(number, "line", begin, f"is not a JSON object: {error}")
    if not isinstance(row, dict):
        return LineError(number, "line", begin, "is not a JSON object")
    for where, problem in text.flaws(row):
        name = str(where[0])
        return LineError(
            number, text.printable(name)[:_SHOWN] or "line", text.printable(str(row[name]))[:_SHOWN], problem
        )
    return row


def _day(value: object) -> date:
    try:
        return day_from(value)
    except ValueError:
        raise OutcomeInvalid("on", value, "must be a day YYYY-MM-DD") from None


def _whole(field: str, value: object, most: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if type(value) is not int or not 0 <= value <= most:
        raise OutcomeInvalid(field, value, f"must be a whole number 0 … {most}")
    return value
