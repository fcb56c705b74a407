"""How a process of CreditLink starts: settings, logs, database, role."""

from __future__ import annotations

from creditlink import db
from creditlink.config import Settings, load_settings
from creditlink.embedded import database_url
from creditlink.log import configure_logging


def start(role: db.Role) -> tuple[Settings, db.Database]:
    """Load the settings and open the database under `role`, for a command or a worker.

    Raises
    ------
    SettingError
        A setting is absent or wrong.
    """
    settings = load_settings()
    configure_logging(settings)
    database = db.Database(database_url(settings), api_url=settings.database_api_url, pool_size=settings.pool_size)
    db.configure(database, role=role)
    return settings, database
