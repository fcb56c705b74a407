"""What a process, and an application in it, keeps as long as it runs: settings, the live model, sources, memories.

There is one part of each class. A process may run several applications (tests do), so each application has its own
runtime and falls back on the process's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast

import flask

Part = TypeVar("Part")
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_EXTENSION = "creditlink"


class Runtime:
    """Parts, each found by its class."""

    def __init__(self, beyond: Runtime | None = None) -> None:
        self._parts: dict[type, object] = {}
        self._beyond = beyond
        self._lock = threading.RLock()

    def put(self, part: object) -> None:
        """Keep a part, in place of the one of its class."""
        self._parts[type(part)] = part

    def drop(self, kind: type) -> None:
        """Forget the part of a class, if there is one."""
        self._parts.pop(kind, None)

    def of(self, kind: type[Part]) -> Part:
        """Return the part of a class.

        Raises
        ------
        LookupError
            There is none.
        """
        part = self._find(kind)
        if part is None:
            raise LookupError(f"this runtime has no {kind.__name__}")
        return part

    def get_or_make(self, kind: type[Part], make: Callable[[], Part]) -> Part:
        """Return the part of a class; `make` makes it when it is first needed."""
        with self._lock:
            part = self._find(kind)
            if part is None:
                part = self._parts[kind] = make()
            return part

    def _find(self, kind: type[Part]) -> Part | None:
        part = self._parts.get(kind)
        if part is None and self._beyond is not None:
            return self._beyond._find(kind)
        return cast(Part | None, part)


class Memory(Generic[Key, Value]):
    """The last few values that took long to make, by key. Each memory is a subclass, and so a part of its own."""

    most = 4

    def __init__(self) -> None:
        self._values: dict[Key, Value] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key; one that is not remembered is made, and the oldest makes room."""
        value = self._values.get(key)
        if value is None:
            value = make()
            while len(self._values) >= self.most:
                self._values.pop(next(iter(self._values)), None)
            self._values[key] = value
        return value


_process = Runtime()


def process() -> Runtime:
    """Return this process's runtime."""
    return _process


def install(app: flask.Flask) -> Runtime:
    """Give an application its runtime, still empty."""
    runtime: Runtime = app.extensions.setdefault(_EXTENSION, Runtime(_process))
    return runtime


def of_app(app: flask.Flask) -> Runtime:
    """Return an application's runtime."""
    return cast(Runtime, app.extensions[_EXTENSION])


def part(kind: type[Part]) -> Part:
    """Return a part of the application that serves the current request, or else of the process.

    Raises
    ------
    LookupError
        There is none.
    """
    return (of_app(flask.current_app) if flask.has_app_context() else _process).of(kind)
