"""The code and libraries that compute at this moment."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from creditlink import __version__
from creditlink.decisions.policy.bundle import BundleCode, BundleDocument
from creditlink.engine.scoring.model import sha256_of

_ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ("numba", "numpy", "polars", "scikit-learn", "xgboost-cpu", "xgboost")
"""Libraries whose version may change a number."""


def running(document: BundleDocument) -> BundleDocument:
    """Return what a bundle would say of code and libraries if it were made here and now."""
    here = document.copy()
    here["code"], here["libraries"] = code(), libraries()
    return here


@cache
def code() -> BundleCode:
    """Return which code this is."""
    return {"version": __version__, "commit": _commit(), "engine_sha256": _engine()}


@cache
def libraries() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # the one module xgboost comes in two packages
    return found


def _commit() -> str | None:
    """Return the commit of a checkout; None where the package was installed."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        asked = subprocess.run(  # noqa: S603
            ["git", "-C", str(_ROOT), "rev-parse", "HEAD"],  # noqa: S607 (whichever git the machine has)
            capture_output=True,
            check=False,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def _engine() -> str:
    """Return one hash over the engine's source files and their names: the code that decides, committed or not."""
    folder = _ROOT / "creditlink" / "engine"
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        whole.update(f"{path.relative_to(folder).as_posix()}\n{sha256_of(path.read_bytes())}\n".encode())
    return whole.hexdigest()
