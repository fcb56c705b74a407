"""A developer's own webhook address: set, tested, stopped; what came of each delivery; whom it may not reach."""

from __future__ import annotations

import re
import threading

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.notifications import delivery, message
from creditlink.notifications.tables import WebhookDelivery, WebhookSecret
from creditlink.portal.developers.pages import webhook as page
from tests.developers.conftest import HOME

PAGE = f"{HOME}/webhook"


@pytest.fixture(scope="module")
def receiver():
    """A server of a developer's own; it keeps what arrives."""
    arrived = []

    def answer(environ, start):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        arrived.append(({name: value for name, value in environ.items() if name.startswith("HTTP_")}, body))
        return Response("", status=204)(environ, start)

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", arrived
    server.shutdown()
    server.server_close()


def put(developer, url):
    developer.get(f"{PAGE}?lang=en")
    return developer.post(PAGE, url=url)


def press(developer, what):
    developer.get(f"{PAGE}?lang=en")
    return developer.post(f"{PAGE}/{what}")


def deliveries():
    with db.transaction("owner") as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.created_at)))


def send_all(settings):
    for one in deliveries():
        delivery.deliver(one.id, utc_now, key=settings.secret_key, allow_loopback=True)


def test_an_address_is_set_tested_and_its_deliveries_are_listed(make_developer, settings, receiver):
    url, arrived = receiver
    made = make_developer(with_key=False)
    assert "Nothing was sent yet" in made.get(f"{PAGE}?lang=en").text
    secret = re.search(r"<code>(whsec_[^<]+)</code>", put(made, url).text).group(1)
    assert secret not in made.get(PAGE).text
    assert press(made, "test").status_code == 303
    send_all(settings)
    headers, body = arrived[-1]
    signed = message.signature(
        secret, headers["HTTP_WEBHOOK_ID"], int(headers["HTTP_WEBHOOK_TIMESTAMP"]), body.decode()
    )
    assert signed in headers["HTTP_WEBHOOK_SIGNATURE"]
    shown = made.get(f"{PAGE}?lang=en").text
    assert "webhook.test" in shown
    assert "delivered" in shown
    again = re.search(r"/portal/developers/webhook/deliveries/whd_\w+", shown).group()
    assert made.post(again).status_code == 303
    assert made.get(f"{PAGE}?lang=en&state=waiting").text.count("webhook.test") == 1
    assert made.get(f"{PAGE}?export=csv").content_type.startswith("text/csv")
    other = re.search(r"<code>(whsec_[^<]+)</code>", press(made, "secret").text).group(1)
    assert other != secret
    assert press(made, "stop").status_code == 303
    assert press(made, "test").status_code == 409
    with db.transaction("owner") as session:
        assert session.scalars(select(Client.webhook_url)).all() == [None]


def test_an_address_that_is_not_called_is_refused_and_says_why(make_developer, monkeypatch):
    made = make_developer(with_key=False)
    for url in (
        "", "x", "ftp://example.com/", "http://example.com/", "https://10.0.0.1/", "https://169.254.169.254/latest",
        "https://user@example.com/", "https://[::1]/", "https://exa\0mple.com/", "https://例.com/", "https://a/#b",
        "javascript:alert(1)", "https://" + "x" * 3000,
    ):  # fmt: skip
        assert put(made, url).status_code in (400, 422), url
    # On a machine that others reach too, not even its own addresses are called.
    monkeypatch.setattr(page, "is_own_machine", lambda issuer: False)
    assert "must be https" in put(made, "http://127.0.0.1:9000/").text
    with db.transaction("owner") as session:
        assert session.scalars(select(WebhookSecret)).all() == []
    for issuer, own in (
        ("http://127.0.0.1:8000", True), ("http://[::1]:8000", True), ("http://localhost:8000", True),
        ("https://sandbox.example", False), ("https://127.0.0.1.example.com", False), ("http://10.0.0.5:8000", False),
    ):  # fmt: skip
        monkeypatch.undo()
        assert page.is_own_machine(issuer) is own


def test_it_is_nobody_elses(make_developer, app, receiver):
    made, other = make_developer(with_key=False), make_developer("other@example.com", with_key=False)
    put(made, receiver[0])
    press(made, "test")
    (sent,) = deliveries()
    other.get(PAGE)
    assert other.post(f"{PAGE}/deliveries/{sent.wire_id}").status_code == 404
    assert other.post(f"{PAGE}/deliveries/%00").status_code == 404
    assert receiver[0] not in other.get(PAGE).text
    assert "webhook.test" not in other.get(PAGE).text
    other.get(PAGE)
    assert other.post(f"{PAGE}/test").status_code == 409
    assert len(deliveries()) == 1


def test_whoever_presses_on_and_on_is_told_to_wait(make_developer, receiver, monkeypatch):
    monkeypatch.setattr(page, "TESTS", 2)
    made = make_developer(with_key=False)
    put(made, receiver[0])
    assert [press(made, "test").status_code for _ in range(3)] == [303, 303, 429]
    assert len(deliveries()) == 2
