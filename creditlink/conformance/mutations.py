"""What offices do to their answers: bodies cut off, bodies of another kind, and single values that cannot be. Pure.

The kit knows how values are written (JSON, XML, CSV) and nothing of what they mean: it replaces each value by hard
ones, and the connector shows what it makes of that.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from random import Random

MOST = 240
"""How many single values of one answer are replaced, drawn with a fixed seed where there are more."""

_HARD: tuple[object, ...] = (
    None, "", "n/a", "\0", "\ud800", "２０２４", " ", "-1", -1, "9" * 30, 10**30, 1e400, True, [], {"a": 1},
    "0001-01-01", "99991231", "2024-02-30", "2024-13", "2024-05-21T10:12:45", "NaN", "1e9", "<b>", 'a"b', "x" * 5000,
)  # fmt: skip
_HARD_TEXT = (
    "", "n/a", "２０２４", " ", "-1", "9" * 30, "1e400", "0001-01-01", "99991231", "2024-02-30", "2024-13",
    "2024-05-21T10:12:45", "NaN", "x" * 5000, "\u0007", "佛山",
)  # fmt: skip
_XML_VALUE = re.compile(r'(?<==")[^"<]*(?=")|(?<=>)[^<>\s][^<>]*(?=</)')
_CELL = re.compile(r"[^,|\r\n]+")

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


def hard_values(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the body with one value replaced, for every value and hard value or a sample of them; and what was done."""
    found = list(_of_json_lines(body) if body.lstrip()[:1] in (b"{", b"[") else _of_text(body))
    drawn = found if len(found) <= MOST else Random(7).sample(found, MOST)  # noqa: S311 (no secret)
    yield from drawn


def _of_json_lines(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Values of one document, or of documents on a line each."""
    try:
        json.loads(body)
    except ValueError:
        lines = body.split(b"\n")
        for place, line in enumerate(lines):
            for what, spoilt in _of_json(line) if line else ():
                yield f"line {place}: {what}", b"\n".join([*lines[:place], spoilt, *lines[place + 1 :]])
    else:
        yield from _of_json(body)


def _of_json(body: bytes) -> Iterator[tuple[str, bytes]]:
    document = json.loads(body)
    for place in _leaves(document, ()):
        for hard in _HARD:
            yield f"{'/'.join(map(str, place))} = {hard!r:.40}", _replaced(body, place, hard)
        yield f"{'/'.join(map(str, place))} left out", _replaced(body, place, _GONE)


_GONE = object()


def _leaves(value: object, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, index))
    elif place:
        yield place


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


def _of_text(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Values of XML (attributes, texts), or the cells of a table below its header, replaced where they stand."""
    try:
        text, encoding = body.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = body.decode("gb18030"), "gb18030"
    is_xml = text.lstrip().startswith("<")
    start = 0 if is_xml else text.find("\n") + 1
    for value in (_XML_VALUE if is_xml else _CELL).finditer(text, start):
        for hard in _HARD_TEXT:
            written = text[: value.start()] + hard + text[value.end() :]
            yield f"{value[0]!r:.40} at {value.start()} = {hard!r:.40}", written.encode(encoding)
