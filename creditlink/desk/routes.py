"""Joins the desk's pages to the other pages, before these are joined to an application."""

from __future__ import annotations

from creditlink.desk.pages.firms import ask, objections, portfolio, profile, scan
from creditlink.desk.pages.lending import applications, feedback, outcomes
from creditlink.desk.pages.person import colleagues, entry, keys
from creditlink.desk.pages.products import overlay, products
from creditlink.desk.pages.technical import software, statements
from creditlink.desk.site import blueprint
from creditlink.portal import site

PAGES = (
    *(colleagues, entry, keys),
    *(ask, objections, portfolio, profile, scan),
    *(applications, feedback, outcomes),
    *(overlay, products, software, statements),
)
"""Each adds its views to the blueprint when it is imported."""


def join() -> None:
    """Put the desk's pages among the others, once in a process: a blueprint serves every application."""
    if "bank" not in {inner.name for inner, _ in site.blueprint._blueprints}:
        site.blueprint.register_blueprint(blueprint)
