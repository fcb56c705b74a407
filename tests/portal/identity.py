"""The sandbox's providers of identity, listening; and a browser that goes there and back."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import httpx
from werkzeug.serving import make_server

from creditlink.enterprises.identity.oidc import OidcProvider
from creditlink.enterprises.identity.providers import IdentityProviders, settings_of
from creditlink.kit.processes import runtime
from creditlink.sandbox.identity.provider import IdentityDesk
from creditlink.sandbox.platform.services import free_port
from creditlink.sandbox.platform.stack import identity_addresses


@contextmanager
def listening():
    """Serve both issuers; yields the desk."""
    port = free_port()
    desk = IdentityDesk(f"http://127.0.0.1:{port}")
    server = make_server("127.0.0.1", port, desk.application(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(app, desk, settings):
    """Let an application know the two issuers."""
    found = settings_of(settings, identity_addresses(desk.base))
    runtime.of_app(app).put(IdentityProviders({one.name: OidcProvider(one) for one in found}))


def at_provider(address, **person):
    """Be somebody at the provider's page; return where the browser is sent: path and query."""
    asked = dict(parse_qsl(urlsplit(address).query))
    form = asked | {"doing": "confirm", "role": "legal"} | person
    with httpx.Client(trust_env=False) as client:
        answer = client.post(address.partition("?")[0], data=form)
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}"


def prove(person, firm, *, provider="one_pass", purpose="join", name="Li Wei", **more):
    """Go to the provider and back; return the page that follows."""
    begun = person.get(f"/portal/prove/{provider}/{purpose}?lang=en")
    assert begun.status_code == 303, begun.text
    answer = person.get(at_provider(begun.headers["Location"], person=name, uscc=firm.uscc, **more))
    return person.get(answer.headers["Location"]) if answer.status_code == 303 else answer
