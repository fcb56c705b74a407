"""The WSGI entry, for `gunicorn wsgi:app` behind a buffering proxy; `creditlink run` serves `asgi.py`."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from creditlink.app import create_app
from creditlink.clock import day_of, utc_now
from creditlink.config import load_settings
from creditlink.process import open_database
from creditlink.products.service import live_book
from creditlink.profiles.warm import settle_memory, warm_up

settings = load_settings()
database = open_database(settings)
app = create_app(settings, database)
try:
    with database.transaction("api") as session:
        book = live_book(session, settings)
    warm_up(app.extensions["model"], book, as_of=day_of(utc_now()))
except SQLAlchemyError as error:
    # A server may start before its database is there or migrated: /health/ready says so until it is.
    structlog.get_logger().warning("not_warmed_up", error=type(error).__name__)
settle_memory()
