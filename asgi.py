"""The ASGI entry, which `creditlink run` serves: the application behind its front (docs/adr/0029-front.md)."""

from creditlink.portal.site import FILE_PATHS, busy_pages
from creditlink.records.pulls.pull import ENDED
from creditlink.web.front.about import Callers
from creditlink.web.front.application import Bounds, Front
from creditlink.web.front.news import News
from wsgi import app as application
from wsgi import database, settings

app = Front(
    application,
    News(database.listening, ENDED),
    Bounds(
        threads=settings.request_threads,
        body_bytes=settings.max_body_bytes,
        upload_paths=FILE_PATHS,
        upload_bytes=settings.max_upload_bytes,
        proxies=settings.trusted_proxies,
    ),
    busy_pages(application),
    Callers(settings.var_dir / "front" / "callers"),
)
