"""Faults on request: an office that is slow, down, partial or lying, for tests and demonstrations."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import flask

MODES = ("latency", "http500", "timeout", "partial", "no_record", "malformed", "truncated")
_LONGEST, _MOST = 600.0, 1_000_000


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
    """What is asked for and not yet used up; the oldest that fits is used first."""

    def __init__(self, resources: tuple[str, ...]) -> None:
        self._resources = resources
        self._held: list[BureauFault] = []
        self._next = 1
        self._lock = threading.Lock()

    def take(self, uscc: str, resource: str) -> BureauFault | None:
        """Return the fault for this request, counting it; waits where the mode says so."""
        with self._lock:
            fits = [f for f in self._held if f.uscc in ("*", uscc) and f.resource in (None, resource)]
            fault = fits[0] if fits else None
            if fault is not None and fault.times:
                fault.times -= 1
                if fault.times == 0:
                    self._held.remove(fault)
        if fault is not None and fault.mode in ("latency", "timeout"):
            time.sleep(fault.seconds)
        return fault

    def register(self, app: flask.Flask) -> None:
        """Add `/_faults` and `/health` to an office."""
        app.add_url_rule("/_faults", "faults", self._answer, methods=["GET", "POST", "DELETE"])

    def _answer(self) -> Any:
        if flask.request.method == "DELETE":
            with self._lock:
                self._held.clear()
            return "", 204
        if flask.request.method == "GET":
            with self._lock:
                return {"faults": [asdict(fault) for fault in self._held]}
        wanted: Any = flask.request.get_json(silent=True)
        field, message = self._wrong(wanted)
        if field:
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
            self._held.append(fault)
        return asdict(fault), 201

    def _wrong(self, wanted: Any) -> tuple[str, str]:
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


def spoiled(rows: list[dict[str, Any]], *, day: str, number: str, last: str) -> list[dict[str, Any]]:
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


def halved(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first half of a page's rows, rounded down."""
    return rows[: len(rows) // 2]
