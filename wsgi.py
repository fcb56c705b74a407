"""The WSGI entry, for `gunicorn wsgi:app` behind a buffering proxy; `creditlink run` serves `asgi.py`."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.processes import runtime
from creditlink.kit.processes.process import open_database
from creditlink.kit.settings import load_settings
from creditlink.products.service import live_book
from creditlink.profiles.serving.warm import settle_memory, warm_up
from creditlink.profiles.serving.watch import ServedModels
from creditlink.web import reference
from creditlink.web.app import create_app

settings = load_settings()
database = open_database(settings)
app = create_app(settings, database)
reference.prepare(app)
try:
    with database.transaction("api") as session:
        book = live_book(session, settings)
    runtime.of_app(app).of(ServedModels).look(runtime.of_app(app))
    warm_up(runtime.of_app(app).of(LiveModel), book, as_of=day_of(utc_now()))
except SQLAlchemyError as error:
    # A server may start before its database is there or migrated: /health/ready says so until it is.
    structlog.get_logger().warning("not_warmed_up", error=type(error).__name__)
settle_memory()
