"""Files of products, read row by row: each wrong row is named by line, field and value, and the good ones are there.

Three forms: JSON (one product, a list of them, or an object with the list `products`), NDJSON (one product a line),
and the compact TOML of `config/products.toml`. Pure.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from creditlink.engine.matching.book import rule_flaws
from creditlink.engine.matching.products.subjects import Subject
from creditlink.engine.matching.products.terms import Flaw, ProductInvalid, ProductTerms
from creditlink.kit.files.textfile import TextFile, TextUnreadable, no_constant
from creditlink.products.files.open_form import parse_product
from creditlink.products.files.seed import read_seed
from creditlink.products.files.templates import SeedInvalid

FORMS = {".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".toml": "toml"}
"""How a file's name ends -> its form."""

_SPACE = " \t\r\n"
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class WrongProductRow:
    """One thing wrong with a file. `product` and `field` are empty where the row does not even parse."""

    line: int
    product: str
    field: str
    value: object
    problem: str

    def __str__(self) -> str:
        """Return it as one sentence."""
        if not self.field:
            return f"line {self.line}: {self.problem}"
        return f"line {self.line}: product {self.product!r}: {Flaw(self.field, self.value, self.problem)}"

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class ProductFile:
    """The good products of a file with the lines they begin at, and everything that is wrong with the others."""

    products: tuple[tuple[int, ProductTerms], ...]
    wrong: tuple[WrongProductRow, ...]


def read_products(file: TextFile, form: str, known: Mapping[str, Subject], *, name: str = "products") -> ProductFile:
    """Return what a file of products holds.

    Parameters
    ----------
    form : one of the values of `FORMS`.
    known : the subjects that a rule may name.
    name : of the file, for messages.
    """
    if form != "ndjson":
        try:
            file.whole()
        except TextUnreadable as error:
            return ProductFile((), (WrongProductRow(error.line, "", "", None, error.problem),))
    if form == "toml":
        return _of_toml(file.text, known, name)
    good: list[tuple[int, ProductTerms]] = []
    wrong: list[WrongProductRow] = []
    codes: dict[tuple[str, int], int] = {}
    for row in _json_rows(file.text) if form == "json" else _ndjson_rows(file):
        if isinstance(row, WrongProductRow):
            wrong.append(row)
            continue
        value, lines = row
        begins = lines[()]
        try:
            if not isinstance(value, dict):
                raise ProductInvalid("(no code)", [Flaw("(product)", value, "must be a product as an object")])
            terms = _parsed(value, known)
            if (first := codes.setdefault((terms.code, terms.version), begins)) != begins:
                raise ProductInvalid(terms.code, [Flaw("code", terms.code, f"is that of line {first} too")])
            good.append((begins, terms))
        except ProductInvalid as error:
            wrong += [
                WrongProductRow(_line_of(flaw.field, lines), error.code, flaw.field, flaw.value, flaw.problem)
                for flaw in error.flaws
            ]
    return ProductFile(tuple(good), tuple(wrong))


def _parsed(value: dict[str, object], known: Mapping[str, Subject]) -> ProductTerms:
    terms = parse_product(value)
    if flaws := rule_flaws(terms, known):
        raise ProductInvalid(terms.code, flaws)
    return terms


Path = tuple[str | int, ...]


def _line_of(field: str, lines: Mapping[Path, int]) -> int:
    """Return the line of a field such as `rules[0].limit`, or of the nearest thing that holds it."""
    steps = re.findall(r"[^.\[\]]+", field)
    path: Path = tuple(int(step) if step.isascii() and step.isdigit() else step for step in steps)
    while path not in lines and path:
        path = path[:-1]
    return lines[path]


def _of_toml(text: str, known: Mapping[str, Subject], name: str) -> ProductFile:
    read = read_seed(text, name)
    good: list[tuple[int, ProductTerms]] = []
    problems = list(read.problems)
    codes: dict[str, int] = {}
    for line, terms in read.products:
        flaws = rule_flaws(terms, known)
        if (first := codes.setdefault(terms.code, line)) != line:
            flaws.append(Flaw("code", terms.code, f"is that of a product of line {first} too"))
        if flaws:
            problems.append(ProductInvalid(terms.code, flaws, line))
        else:
            good.append((line, terms))
    # A template makes many products: what is wrong with it is reported once.
    wrong = {(row.line, row.field, row.problem): row for error in reversed(problems) for row in _rows_of(error, text)}
    return ProductFile(tuple(good), tuple(sorted(wrong.values(), key=lambda row: (row.line, row.field))))


def _rows_of(error: SeedInvalid | ProductInvalid, text: str) -> list[WrongProductRow]:
    if isinstance(error, SeedInvalid):
        said = str(error)
        found = re.search(r"line (\d+)", said)
        return [WrongProductRow(int(found.group(1)) if found else 1, "", "", None, said)]
    begins = error.line or 1
    return [
        WrongProductRow(_toml_line(text, begins, flaw.field), error.code, flaw.field, flaw.value, flaw.problem)
        for flaw in error.flaws
    ]


def _toml_line(text: str, begins: int, field: str) -> int:
    """Return the line in the entry that begins at a line where a field is set; the entry's where it is not."""
    name = re.escape(re.split(r"[.\[]", field)[0])
    for number, line in list(enumerate(text.split("\n"), 1))[begins:]:
        if line.lstrip().startswith("[["):
            break
        if re.match(rf"\s*{name}\s*=", line):
            return number
    return begins


Row = tuple[object, dict[Path, int]]


def _ndjson_rows(file: TextFile) -> Iterator[Row | WrongProductRow]:
    for number, line in file.lines():
        if not line.strip():
            continue
        if problem := file.flaw(number):
            yield WrongProductRow(number, "", "", None, problem)
            continue
        try:
            value, lines = _Json(line).whole()
            yield value, dict.fromkeys(lines, number)
        except ValueError as error:
            yield WrongProductRow(number, "", "", None, f"not JSON: {_message(error)}")


def _json_rows(text: str) -> Iterator[Row | WrongProductRow]:
    reader = _Json(text)
    try:
        yield from reader.rows()
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else reader.line()
        yield WrongProductRow(line, "", "", None, f"not JSON from here on: {_message(error)}")


def _message(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


class _Json:
    """Reads JSON and remembers on which line each value begins, which the library does not say."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [i for i, sign in enumerate(text) if sign == "\n"]
        self._decoder = json.JSONDecoder(parse_constant=no_constant)

    def line(self, at: int | None = None) -> int:
        """Return the line of a position, or of where reading has come to."""
        return bisect_right(self._breaks, (self._at if at is None else at) - 1) + 1

    def whole(self) -> Row:
        """Return the one value of the text, and the line of every value in it by its path."""
        lines: dict[Path, int] = {}
        value = self._value((), lines, 0)
        self._end()
        return value, lines

    def rows(self) -> Iterator[Row]:
        """Yield product after product of a list, or the one product that the text is; what is read is kept."""
        sign = self._next()
        if sign == "[":
            yield from self._list()
            self._end()
            return
        lines: dict[Path, int] = {}
        value = self._value((), lines, 0)
        self._end()
        if isinstance(value, dict) and set(value) == {"products"} and isinstance(value["products"], list):
            for k, one in enumerate(value["products"]):
                begin: Path = ("products", k)
                yield one, {path[2:]: line for path, line in lines.items() if path[:2] == begin}
            return
        yield value, lines

    def _list(self) -> Iterator[Row]:
        self._take("[")
        if self._next() == "]":
            self._at += 1
            return
        while True:
            lines: dict[Path, int] = {}
            value = self._value((), lines, 1)
            yield value, lines
            if self._next() == "]":
                self._at += 1
                return
            self._take(",")

    def _value(self, path: Path, lines: dict[Path, int], depth: int) -> object:
        sign = self._next()
        lines[path] = self.line()
        if depth > _DEEPEST:
            raise json.JSONDecodeError("nested too deeply", self._text, self._at)
        if sign == "{":
            return self._object(path, lines, depth)
        if sign == "[":
            found: list[object] = []
            self._take("[")
            while self._next() != "]":
                if found:
                    self._take(",")
                found.append(self._value((*path, len(found)), lines, depth + 1))
            self._at += 1
            return found
        value, self._at = self._decoder.raw_decode(self._text, self._at)
        return value

    def _object(self, path: Path, lines: dict[Path, int], depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        self._take("{")
        while self._next() != "}":
            if found:
                self._take(",")
                self._next()
            at = self._at
            if self._next() != '"':
                raise json.JSONDecodeError("expected the name of a member", self._text, at)
            name, self._at = self._decoder.raw_decode(self._text, at)
            if name in found:
                raise json.JSONDecodeError(f"member {name!r} appears twice", self._text, at)
            self._take(":")
            found[name] = self._value((*path, name), lines, depth + 1)
        self._at += 1
        return found

    def _next(self) -> str:
        while self._at < len(self._text) and self._text[self._at] in _SPACE:
            self._at += 1
        if self._at >= len(self._text):
            raise json.JSONDecodeError("the text ends too early", self._text, self._at)
        return self._text[self._at]

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            raise json.JSONDecodeError(f"expected {wanted!r}", self._text, self._at)
        self._at += 1

    def _end(self) -> None:
        if self._text[self._at :].strip(_SPACE):
            self._next()
            raise json.JSONDecodeError("there is more after the end", self._text, self._at)
