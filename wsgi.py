"""The WSGI entry: `granian --interface wsgi wsgi:app` or `gunicorn wsgi:app`."""

from creditlink.app import create_app
from creditlink.config import load_settings
from creditlink.db import Database
from creditlink.embedded import database_url

settings = load_settings()
app = create_app(
    settings,
    Database(database_url(settings), api_url=settings.database_api_url, pool_size=settings.pool_size),
)
