"""The path of docs/integrate.md, walked from nothing: signed up, every block run in order, at a running sandbox."""

from __future__ import annotations

import json
import re
import sys

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.settings import ROOT
from creditlink.notifications import message
from tests.developers.conftest import HOME, Developer

sys.path.append(str(ROOT / "clients" / "python"))
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
TEXT = (ROOT / "docs" / "integrate.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


class Walk:
    """One developer's Python, and the pages beside it."""

    def __init__(self, platform, capsys) -> None:
        app, issuer, firms = platform
        self.capsys = capsys
        self.blocks = iter(BLOCKS)
        self.developer = Developer(app.test_client())
        assert self.developer.join("new@bank.example").status_code == 303
        self.names = {"ISSUER": issuer, "CLIENT_ID": self.developer.client_id(), "USCC": firms[0].uscc}

    def block(self, begins: str) -> str:
        """Run the next block; return what it prints."""
        block = next(self.blocks)
        assert begins in block, f"the path has changed: {block}"
        exec(compile(block, "docs/integrate.md", "exec"), self.names)
        return self.capsys.readouterr().out

    def paste(self, keys: str) -> None:
        """Register keys on the page, as the text says."""
        self.developer.get(f"{HOME}/keys")
        answer = self.developer.post(f"{HOME}/keys", key=keys)
        assert answer.status_code == 303, answer.text


def test_the_path(platform, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    walk = Walk(platform, capsys)
    walk.paste(walk.block("generate_key").strip())
    said = walk.block("ask_in_inbox")
    assert re.match(r"cns_\w+ \[.*'tax'", said)
    said = walk.block("create_profile")
    assert re.match(r"A\+? \d+ 0\.\d+", said)
    assert re.search(r"\n[A-Z]+-[A-Z-]+\n$", said)
    said = walk.block("OAuthError")
    assert said.startswith("invalid_authorization_details")
    assert "/0/categories" in said
    assert "/0/history_months" in said
    assert walk.block("Prefer") == "201 total=1\n"
    assert walk.block("again = ") == "True total=1\n"
    assert re.fullmatch(r"403 consent-refused exhausted\nA\+?\n", walk.block("ProblemError"))
    assert walk.block("restarted") == "True\n"
    walk.paste(walk.block("new_key").strip())
    assert walk.block("rotated") == "True\n"
    walk.developer.get(f"{HOME}/keys")
    assert walk.developer.post(f"{HOME}/keys/end", kid="lending-2026").status_code == 303
    refused = walk.names["bank"]
    with pytest.raises(walk.names["OAuthError"], match="invalid_client"):
        refused.introspect("x")
    assert walk.names["rotated"].introspect("x") == {"active": False}
    body = json.dumps({"type": "consent.revoked", "version": 1, "data": {}})
    secret = message.secret_text(b"s" * 32)
    walk.names |= {"WEBHOOK_SECRET": secret, "webhook_body": body.encode()}
    walk.names["webhook_headers"] = message.headers_of([secret], "msg_1", utc_now(), body)
    assert walk.block("verified_webhook") == "consent.revoked\n"
    assert list(walk.blocks) == []
    log = " ".join(" ".join(row) for row in walk.developer.log())
    assert "consent-refused" in log or "403" in log
