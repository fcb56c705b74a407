"""The review queue, the watch, cohorts and what moves a model in a real browser; axe finds nothing serious."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from creditlink.engine.scoring.model import sha256_of
from creditlink.kit.settings import ROOT
from tests import factories as make
from tests.decisions.conftest import kept
from tests.lifecycle.conftest import people, registered, session, walked
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture, served
from tests.portal.test_cohorts import chosen, many
from tests.portal.test_risk_desk import override, risk
from tests.portal.test_staff import code
from tests.portal.test_watch_desk import watched_days
from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = [
    "authorized", "axe", "bank", "chromium", "city", "created", "delivered", "firm", "http", "kept", "look", "many",
    "people", "products", "rich_firm", "risk", "served", "session",
]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
DESK = "/portal/staff"
MODEL = "city-2026g"


@pytest.fixture
def busy(risk, created, many, session, people):
    """A desk with work: decisions for two cohorts, one overridden, a case that waits, a live model that drifts."""
    _, profile = created()
    override(profile, risk.actor, notches=-1)
    many(10)
    many(12, days=60, apart=-40)
    sha256 = sha256_of((ROOT / "models" / MODEL / "manifest.json").read_bytes())
    registered(session, people.ada, model_id=MODEL, manifest_sha256=sha256)
    walked(session, people, model_id=MODEL)
    watched_days(session, MODEL)
    session.commit()
    return profile["id"].replace("prf_", "dec_")


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_the_staff_pages_are_readable_everywhere(look, risk, busy, many, size, language):
    decision = busy
    page = look(size)
    page.keeps = f"{size}-{language}"
    page.goto(f"/portal/staff/sign-in?lang={language}")
    page.fill("[name=login]", risk.account.login)
    page.fill("[name=password]", make.PASSWORD)
    page.fill("[name=totp]", code(1))
    page.click("main button[type=submit]")
    found = []

    def seen(name):
        picture(page, name)
        found.extend(page.findings())
        assert fits(page), name

    page.goto(f"{DESK}/reviews?state=decided")
    seen("reviews")
    page.click("main td a >> nth=0")
    seen("review-decided")
    page.goto(f"{DESK}/reviews/overrides")
    seen("overrides")
    page.goto(f"{DESK}/reviews/notices")
    seen("notices")
    page.goto(f"{DESK}/watch")
    seen("watch")
    page.goto(f"{DESK}/watch/underwriting/{MODEL}?series=points")
    seen("watch-series")
    page.goto(f"{DESK}/models/{MODEL}")
    seen("model-swarm")
    page.click("table.swarm th a >> nth=0")
    seen("model-indicator")
    page.goto(f"{DESK}/cohorts?{urlencode(chosen(many.day, 30))}")
    seen("cohorts-counted")
    page.check("[name=purpose][value=model_review]")
    page.click("main form[method=post] button.primary")
    seen("cohorts")
    page.goto(f"{DESK}/decisions?override=any")
    seen("decisions-overridden")
    page.goto(f"{DESK}/decisions/{decision}")
    page.check("[name=purpose][value=replay]")
    page.click("main button.primary")
    page.fill("textarea[name=text]", "asked the bank")
    page.click("form:has([value=note]) button")
    seen("decision-noted")
    page.click("form:has([value=lineage]) button >> nth=0")
    seen("decision-lineage")
    assert found == []
