"""A developer's first hour in a real browser: sign up, a key made in the browser, a profile, a wrong assertion told."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import httpx
import pytest
from werkzeug.serving import make_server

from creditlink.kit.clock import utc_now
from creditlink.kit.ids import internal
from creditlink.kit.processes import runtime
from creditlink.portal.developers.script import FIRMS
from creditlink.records.pulls import fetching
from creditlink.sandbox.banks.bank import DemoBank, load_key
from creditlink.sandbox.platform.services import free_port
from creditlink.web.app import create_app
from tests.developers.conftest import HOME, PASSWORD
from tests.oauth import flow
from tests.portal.test_accessibility import axe, look
from tests.portal.test_browser import chromium, fits, picture

__all__ = ["axe", "chromium", "look"]
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def served(settings, empty_database):
    """The application at an address that is its issuer, as a sandbox on a developer's machine."""
    port = free_port()
    settings = replace(settings, issuer=f"http://127.0.0.1:{port}")
    runtime.process().put(settings)
    server = make_server("127.0.0.1", port, create_app(settings, empty_database), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield settings.issuer
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_from_signing_up_to_the_reason_in_the_log(look, served, firms, offices, tmp_path, size, language):
    page = look(size)
    found = []

    def seen(name):
        picture(page, f"developers-{name}-{language}")
        found.extend(page.findings())
        assert fits(page), name

    page.goto(f"{HOME}/join?lang={language}")
    seen("join")
    page.fill("[name=login]", "dev@example.com")
    page.fill("[name=password]", PASSWORD)
    page.click("form.stack button.primary")
    seen("bench")
    page.goto(f"{HOME}/keys")
    page.click("[data-make]")
    page.wait_for_selector("[data-made]:not([hidden])")
    seen("key-made")
    saved = {}
    for kind in ("pem", "jwk"):
        with page.expect_download() as download:
            page.click(f"[data-{kind}]")
        saved[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[kind])
    page.click("[data-made] button")
    seen("keys")
    key = load_key(saved["jwk"].read_text())
    assert saved["pem"].read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert page.locator("main code", has_text=key.kid).count() == 1
    page.fill("form[enctype] textarea", json.dumps(key.as_dict(private=True)))
    page.click("form[enctype] button.primary")
    seen("private-key")
    assert "d" in page.locator("[role=alert] code").all_text_contents()

    page.goto(f"{HOME}/firms")
    seen("firms")
    page.goto(f"{HOME}/examples/python")
    seen("example")
    client_id = page.locator("pre").first.text_content().split('CLIENT_ID = "')[1].split('"')[0]
    with httpx.Client(base_url=served, timeout=60, trust_env=False) as http:
        bank = DemoBank(
            client_id=client_id, redirect_uri="http://127.0.0.1:9876/callback", issuer=served, key=key, http=http
        )
        details = flow.details(uscc=FIRMS[0].uscc, categories=["tax"], actions=["profile", "match"], history_months=36)
        waiting = bank.ask_in_inbox(details, scope="profile:create profile:read", login_hint=FIRMS[0].uscc)
        assert bank.poll(waiting)
        fetching.run_pull(internal("cns", waiting.grant_id), offices, utc_now)
        assert bank.call("POST", "/v1/profiles", waiting, json={}).status_code == 201
        wrong = bank.client_parameters() | {
            "client_assertion": bank.assertion(aud=[served]),
            "grant_type": "client_credentials",
        }
        assert bank.send("/oauth/token", wrong, dpop=True).status_code == 401
    page.goto(f"{HOME}/webhook")
    page.fill("[name=url]", "http://127.0.0.1:9/hook")
    page.click("main button.primary")
    seen("webhook-secret")
    page.goto(f"{HOME}/webhook")
    page.click("form[action$='/test'] button")
    seen("webhook")
    page.goto(f"{HOME}/requests")
    seen("requests")
    row = page.locator(".log tbody tr").first
    assert "aud" in row.locator(".tag").text_content()
    assert "an array" in row.text_content()
    assert {"en": "as one string", "zh": "单个字符串"}[language] in row.text_content()
    assert page.locator(".log tbody tr", has_text="/v1/profiles").locator(".ok").text_content() == "201"
    page.click("header .aside form button")
    seen("sign-in")
    assert found == []
