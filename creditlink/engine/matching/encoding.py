"""The decisions on one firm's products as bytes: stored with a profile and put into words when it is read.

The bytes hold every decision (each distinct rule's status, observed value and gap; each product's state, place, score,
limit and price with their derivation), so later settings change nothing about them. What never changes is not
repeated: a product's own terms and rules are found by its code and version.

Layout: one line of JSON (the column names, then what is not a column), and the columns, little-endian, one after the
other. The same decisions give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.match import FirmMatches
from creditlink.engine.matching.offers.derivation import Derivation, LimitBasis
from creditlink.engine.matching.offers.offer import OfferWorth, priced_terms
from creditlink.engine.matching.offers.price_response import Response
from creditlink.engine.matching.products.rules import Evaluation
from creditlink.engine.matching.products.subjects import Subjects, TextColumn

Column = NDArray[np.number]

_VERSION = 3
_WITHOUT_TERM = 2  # has no term, so such a profile shows the cost that products were ordered by
_RULE_COLUMNS = {"status": "u1", "observed": "<f8", "gap": "<f8"}
_PRODUCT_COLUMNS = {
    "states": "u1",
    "order": "<u4",
    "chosen": "u1",
    "approval": "<f8",
    "rate_bps": "<f8",
    "yearly_cost_bps": "<f8",
    "limit_fen": "<f8",
    "fit": "<f8",
    "score": "<f8",
    "expected_loss_bps": "<f8",
    "running_bps": "<f8",
    "unclipped_bps": "<f8",
}
_WORTH = ("approval", "rate_bps", "yearly_cost_bps", "limit_fen", "fit", "score")
_PRICED = ("expected_loss_bps", "running_bps", "unclipped_bps")
_GRADE = "profile.grade"


class PackedHead(TypedDict):
    """What is not a column."""

    version: int
    rules: int
    products: int
    granted: list[str] | None
    texts: dict[str, str | None]
    grade: float | None
    grade_factor: float | None
    bases: list[PackedBasis]
    sets: Sequence[Sequence[int]]
    months: float | None
    response: dict[str, list[float]] | None


class PackedBasis(TypedDict):
    """A `LimitBasis`."""

    name: str
    indicator: str
    observed: float | None
    factor: float
    amount_fen: int | None
    label_zh: str
    label_en: str


class StoredMatchesInvalid(ValueError):
    """The bytes are not what `pack` wrote, or belong to other products."""


def pack(firm: FirmMatches) -> bytes:
    """Return everything decided on the firm's products as bytes."""
    rules = {name: getattr(firm.evaluation, name)[:, 0] for name in _RULE_COLUMNS}
    products: dict[str, Column] = {name: getattr(firm.worth, name)[:, 0] for name in _WORTH}
    products |= {name: getattr(firm.derivation, name) for name in _PRICED}
    products |= {"states": firm.states, "order": firm.order, "chosen": firm.derivation.chosen}
    rank = float(firm.subject.number(_GRADE)[0])
    head: dict[str, object] = {
        "version": _VERSION,
        "rules": len(firm.book.rule_set),
        "products": len(firm.book),
        "granted": None if firm.subject.granted is None else sorted(firm.subject.granted),
        "texts": {name: _text_of(firm.subject, name) for name in sorted(firm.subject.texts)},
        "grade": None if np.isnan(rank) else rank,
        "grade_factor": firm.derivation.grade_factor,
        "bases": [basis.to_dict() for basis in firm.derivation.bases],
        "sets": firm.derivation.sets,
        "months": firm.derivation.months,
        "response": None if firm.derivation.response is None else asdict(firm.derivation.response),
    }
    columns = [_canonical(rules[name], kind) for name, kind in _RULE_COLUMNS.items()]
    columns += [_canonical(products[name], kind) for name, kind in _PRODUCT_COLUMNS.items()]
    line = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return b"".join([line.encode(), b"\n", *columns])


def unpack(raw: bytes, book: ProductBook) -> FirmMatches:
    """Return the firm's products as they were packed.

    Parameters
    ----------
    book : the products of that moment, in their order; its settings are not used.

    Raises
    ------
    StoredMatchesInvalid
        The bytes are damaged, of another version, or of another book.
    """
    try:
        line, _, body = raw.partition(b"\n")
        head: PackedHead = json.loads(line)
        sizes = (head["version"], head["rules"], head["products"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoredMatchesInvalid(f"matches: not readable: {error!r}") from error
    if sizes[0] not in (_WITHOUT_TERM, _VERSION) or sizes[1:] != (len(book.rule_set), len(book)):
        raise StoredMatchesInvalid(
            f"matches: version, rules, products are {sizes}, wanted {(_VERSION, len(book.rule_set), len(book))}"
        )
    months = head["months"] if sizes[0] == _VERSION else None
    columns = dict(_columns(body, rules=len(book.rule_set), products=len(book)))

    def floats(name: str) -> NDArray[np.float64]:
        return columns[name].astype(np.float64, copy=False)

    status = columns["status"].astype(np.uint8, copy=False)
    evaluation = Evaluation(status[:, None], floats("observed")[:, None], floats("gap")[:, None])
    return FirmMatches(
        book,
        _subject(head, book, evaluation),
        columns["states"].astype(np.uint8, copy=False),
        evaluation,
        OfferWorth(**{name: floats(name)[:, None] for name in _WORTH}),
        Derivation(
            bases=tuple(LimitBasis(**basis) for basis in head["bases"]),
            sets=tuple(tuple(one) for one in head["sets"]),
            chosen=columns["chosen"].astype(np.intp),
            grade_factor=head["grade_factor"],
            rate_range=book.rate_range,
            response=None
            if head["response"] is None
            else Response(**{name: tuple(points) for name, points in head["response"].items()}),
            months=months,
            term_months=None if months is None else priced_terms(book, months),
            **{name: floats(name) for name in _PRICED},
        ),
        columns["order"].astype(np.intp),
    )


def _canonical(column: Column, kind: str) -> bytes:
    """Return a column's bytes, with one bit pattern for every not-a-number and for both zeros."""
    values = column.astype(kind)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values + 0.0).astype(kind)
    return values.tobytes()


def _columns(body: bytes, *, rules: int, products: int) -> Iterator[tuple[str, Column]]:
    begin = 0
    for columns, length in ((_RULE_COLUMNS, rules), (_PRODUCT_COLUMNS, products)):
        for name, kind in columns.items():
            end = begin + np.dtype(kind).itemsize * length
            if end > len(body):
                raise StoredMatchesInvalid(f"matches: column {name} is cut short")
            yield name, np.frombuffer(body[begin:end], dtype=kind)
            begin = end
    if begin != len(body):
        raise StoredMatchesInvalid(f"matches: {len(body) - begin} bytes too many")


def _text_of(subject: Subjects, name: str) -> str | None:
    column = subject.text(name)
    code = int(column.codes[0])
    return None if code < 0 else column.values[code]


def _subject(head: PackedHead, book: ProductBook, evaluation: Evaluation) -> Subjects:
    """Return the firm as the rules saw it: the observed values, and the texts."""
    is_known = (~np.isnan(evaluation.observed[:, 0])).tolist()
    rows = zip(book.rule_set.rules, evaluation.observed, is_known, strict=True)
    numbers = {rule.subject: observed for rule, observed, known in rows if known}
    if head["grade"] is not None:
        numbers[_GRADE] = np.array([head["grade"]], dtype=np.float64)
    texts = {
        name: TextColumn(np.array([-1 if value is None else 0], dtype=np.int32), () if value is None else (value,))
        for name, value in head["texts"].items()
    }
    granted = None if head["granted"] is None else frozenset(head["granted"])
    return Subjects(np.zeros(1, dtype=np.int32), numbers, texts, granted)
