"""A model folder appears whole or not at all, and is loaded before it does."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from creditlink.engine.scoring.model import load

PACKAGES = ("xgboost", "polars", "numpy", "scipy", "crepes")


def written_at_once(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files of a new model folder beside its place, load it, and rename it.

    Raises
    ------
    OSError
        There is something at `out`, or it cannot be written there.
    ModelFolderError
        The files make no model.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for name, content in contents.items():
            (beside / name).write_bytes(content)
        load(beside)
        beside.chmod(0o755)
        os.rename(beside, out)  # refused where a folder with files has come meanwhile
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def versions() -> dict[str, str]:
    """Return the versions of the packages that a model's bytes depend on."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
