"""What an application holds for as long as it runs: settings, the live model, limits. One of each, by its class.

A process may hold several applications (tests do), so nothing of this is a global of a module.
"""

from __future__ import annotations

from typing import TypeVar, cast

import flask

Part = TypeVar("Part")

_KEY = "creditlink"


class Runtime:
    """The parts of one application, each asked for by its class."""

    def __init__(self) -> None:
        self._parts: dict[type, object] = {}

    def put(self, part: object) -> None:
        """Keep a part, in place of the one of its class."""
        self._parts[type(part)] = part

    def of(self, kind: type[Part]) -> Part:
        """Return the part of a class.

        Raises
        ------
        LookupError
            The application was put together without it.
        """
        try:
            return cast(Part, self._parts[kind])
        except KeyError:
            raise LookupError(f"the application has no {kind.__name__}") from None


def install(app: flask.Flask) -> Runtime:
    """Give an application its runtime, empty as yet."""
    made: Runtime = app.extensions.setdefault(_KEY, Runtime())
    return made


def of_app(app: flask.Flask) -> Runtime:
    """Return an application's runtime."""
    return cast(Runtime, app.extensions[_KEY])


def part(kind: type[Part]) -> Part:
    """Return a part of the application that serves the current request."""
    return of_app(flask.current_app).of(kind)
