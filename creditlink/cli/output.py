"""What commands print for programs: JSON on standard output."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import click


def print_json(body: object, *, indent: int | None = 2, default: Callable[..., str] = str) -> None:
    """Print a value as JSON; `default` writes what JSON has no form for: ids, days and instants."""
    click.echo(json.dumps(body, ensure_ascii=False, indent=indent, default=default))


def iso(instant: datetime) -> str:
    """Return an instant as RFC 3339 has it, with a T: what `print_json` takes as `default`."""
    return instant.isoformat()
