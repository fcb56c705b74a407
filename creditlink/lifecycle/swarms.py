"""Where it is kept what moves a model's scores over many firms: beside the folders, bound to the one model."""

from __future__ import annotations

import json
from pathlib import Path

from creditlink.engine.scoring.swarm import ModelSwarm
from creditlink.kit.files.textfile import canonical_json

FOLDER = "swarms"
_MOST_BYTES = 4_000_000


class SwarmDamaged(Exception):
    """The file of a model cannot be read, or is of another model; the message says which."""


def swarm_for(model_id: str, manifest_sha256: str, models_dir: Path) -> ModelSwarm | None:
    """Return what moves a model's scores; None: nobody has computed it.

    Raises
    ------
    SwarmDamaged
    """
    path = models_dir / FOLDER / f"{Path(model_id).name}.json"
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"at most {_MOST_BYTES} bytes are read")
        found = ModelSwarm.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise SwarmDamaged(f"{FOLDER}/{path.name}: {type(error).__name__}: {error}") from error
    if found.manifest_sha256 != manifest_sha256:
        raise SwarmDamaged(f"{FOLDER}/{path.name}: it is of another model than the one registered")
    return found


def write_swarm(model_id: str, swarm: ModelSwarm, models_dir: Path) -> Path:
    """Write the file of a model beside the folders; return it."""
    path = models_dir / FOLDER / f"{model_id}.json"
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(canonical_json(swarm.to_json()) + "\n", encoding="utf-8")
    beside.replace(path)
    return path
