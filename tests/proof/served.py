"""The application as a server under test loads it: `wsgi.py` without its warming up, which takes a while."""

from creditlink.app import create_app
from creditlink.config import load_settings
from creditlink.db import Database

settings = load_settings()
app = create_app(settings, Database(settings.database_url, pool_size=settings.pool_size))
