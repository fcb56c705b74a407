"""The two people of the demo: a loan officer at the demo bank, and a person who acts for a firm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from creditlink.sandbox.browser import Browser, PageError
from creditlink.sandbox.seed import FirmLogin

SCOPE = "profile:create profile:read consent:read"


def underwriting(uscc: str, *, required: list[str], optional: list[str], pulls: int) -> dict[str, Any]:
    """Return what a bank asks a firm for before it lends: `authorization_details`, one object."""
    return {
        "type": "enterprise_credit_profile",
        "uscc": uscc,
        "categories": [*required, *optional],
        **({"optional_categories": optional} if optional else {}),
        "purpose": "underwriting",
        "access": "once",
        "history_months": 36,
        "valid_until": (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data_life_days": 30,
        "pulls_per_month": pulls,
        "actions": ["profile", "match"],
    }


@dataclass(frozen=True)
class Answer:
    """What the platform answered to the bank."""

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float


class Officer:
    """Works at the demo bank's desk; every call to the platform is made by the bank's process."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=120, trust_env=False)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def ask(
        self, uscc: str, *, required: list[str], optional: list[str], purpose: str = "underwriting"
    ) -> dict[str, Any]:
        """Ask a firm for consent; the answer says where to send its browser."""
        details = underwriting(uscc, required=required, optional=optional, pulls=2)
        response = self._http.post("/cases", json={"authorization_details": details, "scope": SCOPE})
        response.raise_for_status()
        asked: dict[str, Any] = response.json()
        return asked

    def ask_in_inbox(self, uscc: str, *, required: list[str], optional: list[str], message: str) -> tuple[str, float]:
        """Lay a request into a firm's inbox; return the case and how many seconds to wait between two polls."""
        details = underwriting(uscc, required=required, optional=optional, pulls=2)
        inbox = {"login_hint": uscc, "binding_message": message, "requested_expiry": "7200"}
        wanted = {"authorization_details": details, "scope": SCOPE, "inbox": inbox}
        response = self._http.post("/cases", json=wanted)
        response.raise_for_status()
        return response.json()["case"], float(response.json()["poll_every_seconds"])

    def poll(self, case: str) -> dict[str, Any]:
        """Ask once whether the firm has answered."""
        polled: dict[str, Any] = self._http.post(f"/cases/{case}/poll").json()
        return polled

    def case(self, case: str) -> dict[str, Any]:
        """Say how a case stands."""
        shown: dict[str, Any] = self._http.get(f"/cases/{case}").json()
        return shown

    def heard(self, type_: str, consent_id: str) -> dict[str, Any] | None:
        """Return what the platform told the bank of a consent by webhook, if it did."""
        told = self._http.get("/webhooks").json()
        return next((e for e in told if e["type"] == type_ and e["data"]["consent_id"] == consent_id), None)

    def call(self, case: str, method: str, path: str, **wanted: Any) -> Answer:
        """Call the platform under a case's consent."""
        response = self._http.post(f"/cases/{case}/call", json={"method": method, "path": path, **wanted})
        response.raise_for_status()
        said = response.json()
        return Answer(said["status"], said["body"], said["headers"], said["seconds"])

    def refresh(self, case: str) -> dict[str, Any]:
        """Try for a new access token."""
        tried: dict[str, Any] = self._http.post(f"/cases/{case}/refresh").json()
        return tried


class Representative:
    """A person who acts for a firm, at a browser without JavaScript."""

    def __init__(self, login: FirmLogin, home: str, *, language: str = "en") -> None:
        self._login = login
        self._home = home
        self.browser = Browser(language=language)

    def close(self) -> None:
        """Close the browser."""
        self.browser.close()

    def sign_in_if_asked(self) -> None:
        """Fill in the sign-in page when that is where we are."""
        try:
            form = self.browser.form("login", "password")
        except PageError:
            return
        self.browser.submit(form, login=self._login.login, password=self._login.password)

    def decide(self, address: str, *, without: tuple[str, ...] = (), approve: bool = True) -> str:
        """Follow the bank's address, read the consent page and decide; return what the page said."""
        browser = self.browser
        browser.open(address)
        self.sign_in_if_asked()
        return self._decide_here(without, approve)

    def answer_inbox(self, *, having: str, approve: bool = True) -> str:
        """Sign in, open the request in the inbox whose page has this text, and decide; return what the page said."""
        browser = self.browser
        browser.open(f"{self._home}/portal/inbox")
        self.sign_in_if_asked()
        for address in browser.links("/portal/inbox/"):
            browser.open(address)
            if having in browser.text:
                return self._decide_here((), approve)
        raise PageError(f"no request in the inbox says {having!r}")

    def _decide_here(self, without: tuple[str, ...], approve: bool) -> str:
        browser = self.browser
        form = browser.form("decision")
        said = browser.text
        kept = [value for name, value in form.fields if name == "category" and value not in without]
        decision = "approve" if approve else "decline"
        browser.submit(form, category=kept, press=("decision", decision))
        if browser.status != 200:
            raise PageError(
                f"the decision ended at {browser.url.split('?')[0]} with {browser.status}: {browser.text[:300]}"
            )
        return said

    def revoke(self, consent_id: str) -> None:
        """Take a consent back: its page is one click from the firm's home, the button another."""
        browser = self.browser
        browser.open(f"{self._home}/portal/consents/{consent_id}")
        self.sign_in_if_asked()
        browser.submit(browser.form_to("/revoke"))
        if browser.status != 200:
            raise PageError(f"the withdrawal ended with {browser.status}: {browser.text[:300]}")
