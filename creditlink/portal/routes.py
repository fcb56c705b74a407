"""Joins the pages to the application."""

from __future__ import annotations

import flask

from creditlink.kit.settings import Settings
from creditlink.portal import site
from creditlink.portal.developers import routes as developers
from creditlink.portal.firm import acts, discoverability, home, representatives
from creditlink.portal.firm.deciding import authorize, inbox, withdrawing
from creditlink.portal.firm.financing import accept, answers, handing_in, lenders, requests
from creditlink.portal.firm.known import changes, group, own, profile, reviews
from creditlink.portal.firm.known.cards import cards, presenting
from creditlink.portal.firm.known.reports import pages as report_pages
from creditlink.portal.firm.known.reports import verify
from creditlink.portal.firm.records import accesses, deletions, months, objections, uploads
from creditlink.portal.firm.records.disputes import filing
from creditlink.portal.firm.records.disputes import reading as dispute_pages
from creditlink.portal.person import keys as own_keys
from creditlink.portal.person import notices, security, signin
from creditlink.portal.person.arriving import invitations, password, proving
from creditlink.portal.person.sessions import StoredSessions
from creditlink.portal.public import status
from creditlink.portal.staff import desk, entry, keys, models
from creditlink.portal.staff.cohorts import pages as cohort_pages
from creditlink.portal.staff.decisions import finding, reading
from creditlink.portal.staff.disputes import objections as deciding
from creditlink.portal.staff.disputes import pages as staff_dispute_pages
from creditlink.portal.staff.operator import (
    evidence,
    institutions,
    overview,
    people,
    registry,
    rejections,
    screening,
    sources,
    work,
)
from creditlink.portal.staff.operator.figures import reading as figures
from creditlink.portal.staff.reviews import pages as review_pages
from creditlink.portal.staff.watch import pages as watch_pages

PAGES = (
    *(acts, authorize, discoverability, home, inbox, representatives, withdrawing),
    *(changes, group, own, profile, reviews),
    *(cards, presenting),
    *(accesses, deletions, months, objections, uploads),
    *(filing, dispute_pages, staff_dispute_pages),
    *(report_pages, verify),
    *(accept, answers, handing_in, lenders, requests),
    *(invitations, notices, own_keys, password, proving, security, signin, status),
    *(desk, entry, keys, models, finding, reading, cohort_pages, review_pages, watch_pages),
    *(deciding, evidence, figures, institutions, overview, people, registry, rejections, screening, sources, work),
)
"""Each adds its views to the blueprint when it is imported."""


def register(app: flask.Flask, settings: Settings) -> None:
    """Join the pages, their sessions and languages."""
    app.session_interface = StoredSessions(secure=settings.issuer.startswith("https"), secret=settings.secret_key)
    site.configure(app)
    app.register_blueprint(site.blueprint)
    if not settings.is_production:
        developers.register(app)
