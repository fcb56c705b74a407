"""The application as a server under test loads it: `wsgi.py` without its warming up, which takes a while."""

from creditlink.kit.postgres.db import Database
from creditlink.kit.settings import load_settings
from creditlink.web.app import create_app

settings = load_settings()
app = create_app(settings, Database(settings.database_url, pool_size=settings.pool_size))
