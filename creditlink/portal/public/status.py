"""The status as a page, for everybody: nobody has to sign in."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from creditlink.consents.agreement.categories import is_known, label_of
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.portal.site import blueprint, lang, page
from creditlink.status.routes import current_status


@blueprint.get("/status")
def status() -> ResponseReturnValue:
    """Show how each step and each source is doing."""
    return page("status.html", report=current_status(), label_of=_label)


def _label(name: str) -> str:
    """Return what a source is called, or its own name: it need not be a category."""
    return label_of(name, lang()) if is_known(name) or name in PUBLIC_CATEGORIES else name
