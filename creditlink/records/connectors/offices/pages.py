"""Page after page from one resource of an office: rows to facts, rows kept aside, and how it answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import httpx

from creditlink.records.connectors.fields import FieldError, SourceRow, row_id
from creditlink.records.connectors.wire import Digest, Failure, Passing, SourceResponse, refused
from creditlink.records.pulls.delivery import Delivery, Fact, Reject, ResourceResult

_MAX_PAGES = 100


@dataclass(frozen=True, slots=True)
class OfficePage:
    """A page as it arrived. Each row is a mapping, or the reason why it is none."""

    rows: list[object]
    total: int | None  # None: the answer was cut off before it said so
    whole: bool  # as the office says
    following: str | None = None  # what to ask for next; None: this is the last


class CutOff(Passing):
    """The answer ends in the middle; the rows before it are still good."""

    def __init__(self, answer: SourceResponse, rows: list[object], total: int | None = None) -> None:
        super().__init__("DOWN", "the answer is cut off")
        self.answer = answer
        self.page = OfficePage(rows, total, whole=False)


Ask = Callable[[str | None], tuple[SourceResponse, OfficePage | None]]
"""Asks for the first page (None) or a following one; None in place of a page: the office has no record of the firm."""


@dataclass
class _Reading:
    """What has come so far."""

    delivery: Delivery
    resource: str
    result: ResourceResult
    names: tuple[str, str]
    seen: set[tuple[date, str, int]] = field(default_factory=set)

    def take(self, page: OfficePage, read: Callable[[SourceRow], Fact]) -> None:
        self.result.pages += 1
        if page.total is not None:
            self.result.total = page.total
        if not page.whole:
            self.result.status = "PARTIAL"
            self.result.error = "the office marked its answer as incomplete"
        for index, row in enumerate(page.rows):
            self.result.rows += 1
            known = row_id(row, *self.names)
            try:
                if isinstance(row, FieldError):
                    raise row
                self.delivery.facts.append(self._new(read(SourceRow.of(row))))
                self.delivery.accept(self.resource, known)
            except FieldError as error:
                where = f"page {self.result.pages} row {index}"
                self.delivery.rejects.append(
                    Reject.of(
                        self.delivery.source, self.resource, where, error.field, error.value, error.reason, row=known
                    )
                )

    def _new(self, fact: Fact) -> Fact:
        """Return a fact whose version has not been seen yet: of two, nobody could say which counts."""
        key = fact.period, fact.subkey, fact.version
        if key in self.seen:
            said = " ".join(part for part in (f"{fact.period:%Y-%m}", fact.subkey, f"version {fact.version}") if part)
            raise FieldError("(row)", said, "the same version of the same record came before")
        self.seen.add(key)
        return fact


def collect(
    source: str,
    resource: str,
    size: int,
    ask: Ask,
    read: Callable[[SourceRow], Fact],
    *,
    names: tuple[str, str] = ("id", "version"),
) -> Delivery:
    """Return what an office gave: every page that could be had, and what became of each row.

    Parameters
    ----------
    size : how many rows a page may have.
    read : makes a fact of a row, or raises FieldError; the row is then kept aside, by itself.
    names : how the dialect calls the office's id of a record, and its version.
    """
    result = ResourceResult()
    reading = _Reading(Delivery(source, resources={resource: result}), resource, result, names)
    digest = Digest()
    following: str | None = None
    asked: set[str | None] = set()
    try:
        while result.pages < _MAX_PAGES:
            asked.add(following)
            try:
                answer, page = ask(following)
            except CutOff as cut:
                digest.add(cut.answer)
                _check_size(len(cut.page.rows), size + 1)  # the torn line may be the one that ends the answer
                reading.take(cut.page, read)
                raise
            digest.add(answer)
            if page is None:
                if not result.pages:
                    result.status = "NO_RECORD"
                    break
                raise Failure("DOWN", "the office has no record any more")
            _check_size(len(page.rows), size)
            reading.take(page, read)
            following = page.following
            if following is None:
                break
            if following in asked:
                raise Failure("DOWN", "the office repeats a page")
    except Failure as failure:
        result.status = "PARTIAL" if result.rows else failure.status
        result.error = failure.reason
    result.rejected = len(reading.delivery.rejects)
    if result.status == "DELIVERED" and result.total is not None and result.rows < result.total:
        result.status = "PARTIAL"
        result.error = f"{result.rows} of {result.total} rows arrived"
    reading.delivery.digest = digest.hexdigest()
    return reading.delivery


def _check_size(rows: int, most: int) -> None:
    """Refuse a page of more rows than it may have: each costs far more memory than its bytes."""
    if rows > most:
        raise Failure("DOWN", "the office sends more rows than were asked for")


def check_lines(answer: SourceResponse, end: bytes, most: int) -> None:
    """Refuse an answer of more lines than it may have, before any of them is read.

    Raises
    ------
    Failure
        It has more.
    """
    _check_size(answer.content.count(end), most)


def next_place(start: int, size: int, total: int) -> str | None:
    """Return where the page after the one at `start` begins; None where that was the last."""
    return str(start + size) if start + size < total else None


def json_object(answer: SourceResponse) -> dict[str, object]:
    """Return the object that an answer is.

    Raises
    ------
    Failure
        It is none, and the office refuses.
    Passing
        It is none, although the office says that all is well.
    """
    try:
        body = json.loads(answer.content, parse_int=whole_number)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        if answer.status != httpx.codes.OK:
            raise refused(answer, "")
        raise Passing("DOWN", "the answer is not a JSON object")
    return body


def whole_number(digits: str) -> int | float:
    """Return a number; of more digits than any field has, what no field takes, so that its row alone does not read."""
    return int(digits) if len(digits) < 20 else float(digits)


def listed(value: object, name: str) -> list[object]:
    """Return a member of an answer that must be a list.

    Raises
    ------
    Passing
        It is none; the answer lacks its rows.
    """
    if not isinstance(value, list):
        raise Passing("DOWN", f"the answer lacks its {name}")
    return value


def without_code(text: str, uscc: str) -> str:
    """Return a line that does not read, with the firm's code left out of it, whole or cut off: some lines have it.

    The first eight characters say which authority registered the firm and where, not which firm it is.
    """
    return re.sub(f"{re.escape(uscc[:8])}[0-9A-Z]*", "(code)", text, flags=re.IGNORECASE)


def about(value: object, uscc: str) -> None:
    """Check that an answer is about the firm that was asked for.

    Raises
    ------
    Passing
        It is about another, or does not say.
    """
    if value != uscc:
        raise Passing("DOWN", "the answer is not about the firm asked for")
