"""The one reader of text files that people give us: any encoding and line ends in, numbered lines out. Pure.

Spreadsheets, editors and old systems write a byte order mark or none, UTF-8, UTF-16 or GB18030 (with GBK and GB2312 in
it), and end lines by LF, CRLF or CR. Only these three end a line: U+2028, U+0085 and the like are part of it, so that
line numbers are those of every editor. docs/adr/0037-one-reader-for-text-files.md says how an encoding is found.
"""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32-LE"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "UTF-32-BE"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
    (b"\x84\x31\x95\x33", "GB18030"),
)
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_PROBED = 4096
_SHOWN = 80
_MANY_ZEROS = 0.3
"""Of every second byte: from this share on a text without a mark is UTF-16."""
_CJK = "\u2e80"
"""From here on three bytes of UTF-8 are needed: seldom the bytes of GBK by chance."""


class TextUnreadable(ValueError):
    """A file is not text in an encoding that is read; the message names the line."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(f"line {line}: {problem}")


class JsonInvalid(ValueError):
    """A text is not JSON as we accept it; the message says why, and `member` which one appears twice."""

    def __init__(self, problem: str, member: str | None = None) -> None:
        self.member = member
        super().__init__(problem)


@dataclass(frozen=True)
class TextFile:
    """A file as text, whose line ends are all LF.

    Attributes
    ----------
    encoding
        That of the file, or of most of its lines.
    unreadable
        Line -> what is wrong with its bytes; U+FFFD replaces them in `text`.
    foreign
        Lines in the other of UTF-8 and GB18030; read too, but only a caller that expects a mixture should use them.
    """

    text: str
    encoding: str = "UTF-8"
    unreadable: Mapping[int, str] = field(default_factory=dict)
    foreign: frozenset[int] = frozenset()

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines with their numbers from 1, without their ends."""
        return enumerate(self.text.split("\n"), 1)

    def flaw(self, line: int) -> str | None:
        """Return why the bytes of a line cannot be trusted; None where they can."""
        if line in self.foreign:
            return f"is not {self.encoding}, as the rest of the file is"
        return self.unreadable.get(line)

    def whole(self) -> str:
        """Return the text, if every line could be read with certainty.

        Raises
        ------
        TextUnreadable
            A line could not; the first is named.
        """
        if wrong := min((*self.unreadable, *self.foreign), default=0):
            raise TextUnreadable(wrong, self.flaw(wrong) or "")
        return self.text


def read_file(path: Path) -> TextFile:
    """Return a file's text; OSError where it cannot be opened."""
    return decode(path.read_bytes())


def decode(content: bytes) -> TextFile:
    """Return the text of a file's bytes; what cannot be read is named by line, nothing is raised."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _in_one(content[len(mark) :], encoding)
    if encoding_ := _unmarked_utf16(content):
        return _in_one(content, encoding_)
    try:
        return TextFile(_plain(content.decode("utf-8")))
    except UnicodeDecodeError:
        return _by_line(content)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    OSError
        It cannot be opened.
    ValueError
        It is not text (TextUnreadable) or not TOML.
    """
    return tomllib.loads(read_file(path).whole())


def json_of(text: str | bytes) -> Any:
    """Return the value of a JSON text, strictly: no member twice, no NaN, no number of endless digits.

    Raises
    ------
    JsonInvalid
        It is not.
    UnicodeDecodeError
        The bytes are not in the encoding that they appear to be in.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise JsonInvalid(f"{error.msg} at character {error.pos + 1}") from None
    except (JsonInvalid, UnicodeDecodeError):
        raise
    except RecursionError:
        raise JsonInvalid("it is nested too deeply") from None
    except ValueError:  # the only one that is left: Python's own bound
        raise JsonInvalid("a number in it has too many digits") from None


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted names, no spaces, every character as it is. What we hash and sign."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _in_one(content: bytes, encoding: str) -> TextFile:
    """Read bytes in an encoding that the file states."""
    try:
        return TextFile(_plain(content.decode(encoding)), encoding)
    except UnicodeDecodeError:
        text = _plain(content.decode(encoding, "replace"))
    wrong = {n: f"is not {encoding}" for n, line in enumerate(text.split("\n"), 1) if "\ufffd" in line}
    return TextFile(text, encoding, wrong)


def _unmarked_utf16(content: bytes) -> str | None:
    """Return UTF-16 with its byte order where every second byte says so: digits and commas have a zero byte."""
    begin = content[:_PROBED]
    if len(content) % 2 or not begin.count(0):
        return None
    high, low = (begin[k::2].count(0) / (len(begin) // 2) for k in (0, 1))
    if min(high, low) > 0 or max(high, low) < _MANY_ZEROS:
        return None
    return "UTF-16-BE" if high else "UTF-16-LE"


def _by_line(content: bytes) -> TextFile:
    """Read bytes that are not wholly UTF-8: in GB18030 throughout, unless lines are clearly UTF-8."""
    lines = _LINE_ENDS.split(content)
    utf8, gbk = [_decoded(line, "utf-8") for line in lines], [_decoded(line, "gb18030") for line in lines]
    both = [not line.isascii() and u is not None and g is not None for line, u, g in zip(lines, utf8, gbk, strict=True)]
    sure = {k for k, either in enumerate(both) if either and _is_utf8(utf8[k] or "", lines[k])}
    sure |= {k for k, u in enumerate(utf8) if u is not None and gbk[k] is None}
    other = {k for k, g in enumerate(gbk) if g is not None and utf8[k] is None}
    mostly_utf8 = len(sure) > len(other) or not other
    text, unreadable = [], {}
    foreign = other if mostly_utf8 else sure
    for k, line in enumerate(lines):
        read = utf8[k] if mostly_utf8 is (k not in foreign) else gbk[k]
        if read is None:
            unreadable[k + 1] = "is neither UTF-8 nor GBK (GB18030)"
            read = line.decode("utf-8", "replace")
        text.append(read)
    return TextFile(
        "\n".join(text), "UTF-8" if mostly_utf8 else "GB18030", unreadable, frozenset(k + 1 for k in foreign)
    )


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_utf8(text: str, line: bytes) -> bool:
    """Tell whether a line that reads in both is UTF-8: it holds Chinese, and as GBK its characters would be rare."""
    return any(sign >= _CJK for sign in text) and _decoded(line, "gb2312") is None


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen = set[str]()
        for name, _ in pairs:
            if name in seen:
                raise JsonInvalid(f"member {name[:_SHOWN]!r} appears twice", name)
            seen.add(name)
    return members


def no_constant(name: str) -> None:
    """Refuse `NaN` and `Infinity`, which Python would take for numbers."""
    raise JsonInvalid(f"{name} is not a JSON number")
