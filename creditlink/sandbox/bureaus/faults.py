"""Faults on request: an office that is slow, down, partial or lying, for tests and demonstrations."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass

import flask
from flask.typing import ResponseReturnValue

from creditlink.portal.developers.script import DOWN, FIRMS

MODES = ("latency", "http500", "timeout", "partial", "no_record", "malformed", "truncated")
_LONGEST, _MOST = 600.0, 1_000_000

_ALWAYS_DOWN = frozenset((firm.uscc, DOWN) for firm in FIRMS if firm.is_down)
"""What developers are told of: for one scripted firm, one office is down for good."""

WireRow = dict[str, str | int | None]
"""One row as an office sends it, by field."""


@dataclass
class BureauFault:
    """One kind of trouble: for whom, how often, how long."""

    id: int
    uscc: str
    mode: str
    times: int
    seconds: float
    resource: str | None


class Faults:
    """The faults that were asked for and are not used up; the oldest that fits is used first."""

    def __init__(self, resources: tuple[str, ...]) -> None:
        self._resources = resources
        self._open: list[BureauFault] = []
        self._next = 1
        self._lock = threading.Lock()

    def take(self, uscc: str, resource: str) -> str | None:
        """Return the mode of the fault for this request, and count its use; wait where the mode says so."""
        with self._lock:
            fits = [f for f in self._open if f.uscc in ("*", uscc) and f.resource in (None, resource)]
            fault = fits[0] if fits else None
            if fault is not None and fault.times:
                fault.times -= 1
                if fault.times == 0:
                    self._open.remove(fault)
        if fault is None and (uscc, resource) in _ALWAYS_DOWN:
            return "http500"
        if fault is not None and fault.mode in ("latency", "timeout"):
            time.sleep(fault.seconds)
        return None if fault is None else fault.mode

    def register(self, app: flask.Flask) -> None:
        """Add `/_faults` to an office."""
        app.add_url_rule("/_faults", "faults", self._answer, methods=["GET", "POST", "DELETE"])

    def _answer(self) -> ResponseReturnValue:
        if flask.request.method == "DELETE":
            with self._lock:
                self._open.clear()
            return "", 204
        if flask.request.method == "GET":
            with self._lock:
                return {"faults": [asdict(fault) for fault in self._open]}
        wanted = flask.request.get_json(silent=True)
        field, message = self._wrong(wanted)
        if field or wanted is None:
            return {"field": field, "message": message}, 422
        with self._lock:
            fault = BureauFault(
                self._next,
                wanted.get("uscc", "*"),
                wanted["mode"],
                wanted.get("times", 1),
                float(wanted.get("seconds", 5)),
                wanted.get("resource"),
            )
            self._next += 1
            self._open.append(fault)
        return asdict(fault), 201

    def _wrong(self, wanted: object) -> tuple[str, str]:
        """Return the field that is wrong and why, empty where nothing is."""
        if not isinstance(wanted, dict):
            return "/", "must be a JSON object"
        unknown = set(wanted) - {"uscc", "mode", "times", "seconds", "resource"}
        if unknown:
            return min(unknown), "is not a field here"
        if wanted.get("mode") not in MODES:
            return "mode", f"must be one of {', '.join(MODES)}, got {wanted.get('mode')!r}"
        times, seconds = wanted.get("times", 1), wanted.get("seconds", 5)
        if type(times) is not int or not 0 <= times <= _MOST:
            return "times", f"must be a whole number within 0 … {_MOST}, got {times!r}"
        if type(seconds) not in (int, float) or not 0 <= seconds <= _LONGEST:
            return "seconds", f"must be within 0 … {_LONGEST:.0f}, got {seconds!r}"
        if wanted.get("resource") not in (None, *self._resources):
            return "resource", f"must be one of {', '.join(self._resources)}, got {wanted['resource']!r}"
        return "", ""


def faulty_page(
    page: list[WireRow], mode: str | None, *, day: str, number: str, last: str
) -> tuple[list[WireRow], bool]:
    """Return a page as a fault leaves it, and whether the office calls it complete."""
    if mode == "partial":
        return page[: len(page) // 2], not page
    if mode == "malformed":
        return _spoil(page, day=day, number=number, last=last), True
    return page, True


def faulty_text(text: bytes, mode: str | None) -> bytes:
    """Return an answer's text as a fault leaves it: whole or cut in half."""
    return text[: len(text) // 2] if mode == "truncated" else text


def _spoil(rows: list[WireRow], *, day: str, number: str, last: str) -> list[WireRow]:
    """Return the rows with every fourth broken: in turn an impossible day, a word for a number, a field left out."""
    out = [dict(row) for row in rows]
    for turn, row in enumerate(out[::4]):
        if turn % 3 == 0:
            row[day] = "20250230" if "-" not in str(row.get(day, "")) else "2025-02-30"
        elif turn % 3 == 1:
            row[number] = "n/a"
        else:
            row.pop(last, None)
    return out
