"""What offices do to their answers: bodies cut off, bodies of another kind, and single values that cannot be. Pure.

The kit knows how values are written (JSON, XML, CSV) and nothing of what they mean: it replaces each value by hard
ones, and the connector shows what it makes of that.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

MOST = 600
"""How many single values of a connector's answers are replaced if nothing else is said."""

_HARD: tuple[object, ...] = (
    None, "", "n/a", "\0", "\ud800", "２０２４", " ", "-1", -1, "9" * 30, 10**30, 1e400, True, [], {"a": 1},
    "0001-01-01", "99991231", "2024-02-30", "2024-13", "2024-05-21T10:12:45", "NaN", "1e9", "<b>", 'a"b', "x" * 5000,
)  # fmt: skip
_HARD_TEXT = (
    "", "n/a", "２０２４", " ", "-1", "9" * 30, "1e400", "0001-01-01", "99991231", "2024-02-30", "2024-13",
    "2024-05-21T10:12:45", "NaN", "x" * 5000, "\u0007", "佛山",
)  # fmt: skip
_XML_VALUE = re.compile(r'(?<==")[^"<]*(?=")|(?<=>)[^<>\s][^<>]*(?=</)')
_XML_OPEN = re.compile(r"<([^\s/>!]+)")
_XML_ATTRIBUTE = re.compile(r'([^\s"<>]+)="$')
_CELL = re.compile(r"[^,|\r\n]+")
_CELL_END = re.compile(r"[,|]")

FOREIGN: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "an object": b"{}",
    "a page of a proxy": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    "deep brackets": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
    "zeros": b"\0" * 1000,
    "no UTF-8": b"\xff\xfe\xfd" * 100,
    "GBK": "系统繁忙，请稍后再试".encode("gbk"),
    "noise": bytes(Random(7).randrange(256) for _ in range(4096)),  # noqa: S311 (no secret)
}
"""What arrives -> a body that is no answer in any dialect."""


def cuts(body: bytes) -> Iterator[bytes]:
    """Yield the body cut off at several places."""
    for share in (0.1, 0.35, 0.5, 0.75, 0.95):
        yield body[: int(len(body) * share)]
    yield body[:-1]


def with_bom(body: bytes) -> bytes:
    """Return the body as editors of another system save it."""
    return codecs.BOM_UTF8 + body


@dataclass(frozen=True)
class Spoilt:
    """One value of a body replaced by a hard one."""

    alike: tuple[object, ...]  # the same for this member and hard value in every row
    what: str
    make: Callable[[], bytes]


def hard_values(
    *bodies: bytes, apart: Mapping[bytes, str] | None = None, most: int = MOST
) -> dict[bytes, list[tuple[str, bytes]]]:
    """Return, for each body, what was replaced in it and what it became: each member by each hard value, in one row.

    Rows have the same members and are read by the same code; which of them it is, and in which body, is drawn with a
    fixed seed.

    Parameters
    ----------
    apart : body -> the endpoint that gave it, where an office has several; None: all are of one.
    most : how many there are at most, drawn likewise.
    """
    endpoint = apart or {}
    random = Random(7)  # noqa: S311 (no secret)
    found: dict[tuple[object, ...], list[tuple[bytes, Spoilt]]] = {}
    for body in bodies:
        of_kind = _of_json_lines if body.lstrip()[:1] in (b"{", b"[") else _of_text
        for spoilt in of_kind(body):
            found.setdefault((endpoint.get(body), *spoilt.alike), []).append((body, spoilt))
    drawn = [random.choice(alike) for alike in found.values()]
    made: dict[bytes, list[tuple[str, bytes]]] = {body: [] for body in bodies}
    for body, spoilt in drawn if len(drawn) <= most else random.sample(drawn, most):
        made[body].append((spoilt.what, spoilt.make()))
    return made


def _of_json_lines(body: bytes) -> Iterator[Spoilt]:
    """Values of one document, or of documents on a line each."""
    try:
        json.loads(body)
    except ValueError:
        lines = body.split(b"\n")
        for place, line in enumerate(lines):
            for one in _of_json(line) if line else ():
                yield Spoilt(one.alike, f"line {place}: {one.what}", partial(_with_line, lines, place, one.make))
    else:
        yield from _of_json(body)


def _with_line(lines: list[bytes], place: int, make: Callable[[], bytes]) -> bytes:
    return b"\n".join([*lines[:place], make(), *lines[place + 1 :]])


def _of_json(body: bytes) -> Iterator[Spoilt]:
    document = json.loads(body)
    # Lines of several kinds have members of one name: they are told apart by all their names.
    names = tuple(document) if isinstance(document, dict) else ()
    for place, member in _leaves(document, (), ()):
        for number, hard in enumerate((*_HARD, _GONE)):
            done = "left out" if hard is _GONE else f"= {hard!r:.40}"
            what = f"{'/'.join(map(str, place))} {done}"
            yield Spoilt((names, member, number), what, partial(_replaced, body, place, hard))


_GONE = object()


def _leaves(
    value: object, place: tuple[str | int, ...], member: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], tuple[str | int, ...]]]:
    """Yield where each value stands, and which member it is: the same in each of several rows."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*place, name), (*member, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            # A list of objects or lists is one of rows; one of plain values may be a row, whose places are its members.
            known = "*" if isinstance(inner, dict | list) else index
            yield from _leaves(inner, (*place, index), (*member, known))
    elif place:
        yield place, member


def _replaced(body: bytes, place: tuple[str | int, ...], hard: object) -> bytes:
    document = json.loads(body)
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    if hard is _GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = hard
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _of_text(body: bytes) -> Iterator[Spoilt]:
    """Values of XML (attributes, texts), or the cells of a table below its header, replaced where they stand."""
    try:
        text, encoding = body.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = body.decode("gb18030"), "gb18030"
    is_xml = text.lstrip().startswith("<")
    start = 0 if is_xml else text.find("\n") + 1
    for value in (_XML_VALUE if is_xml else _CELL).finditer(text, start):
        member = _xml_member(text[: value.start()]) if is_xml else _column(text, value.start())
        for number, hard in enumerate(_HARD_TEXT):
            what = f"{value[0]!r:.40} at {value.start()} = {hard!r:.40}"
            yield Spoilt((member, number), what, partial(_written, text, value.span(), hard, encoding))


def _written(text: str, span: tuple[int, int], hard: str, encoding: str) -> bytes:
    return (text[: span[0]] + hard + text[span[1] :]).encode(encoding)


def _xml_member(before: str) -> tuple[object, ...]:
    """Return the depth and name of the element, and the attribute, that a value after this text belongs to."""
    depth = len(_XML_OPEN.findall(before)) - before.count("</") - before.count("/>")
    element, attribute = _XML_OPEN.findall(before)[-1:], _XML_ATTRIBUTE.search(before)
    return depth, *element, attribute and attribute[1]


def _column(text: str, at: int) -> tuple[int, int]:
    """Return how many cells the line has, which tells its kind, and which of them this is."""
    begin = text.rfind("\n", 0, at) + 1
    line = text[begin : text.find("\n", at)]
    return len(_CELL_END.findall(line)), len(_CELL_END.findall(text[begin:at]))
