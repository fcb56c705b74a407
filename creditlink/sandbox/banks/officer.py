"""A loan officer at a demo bank's desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

SCOPE = "profile:create profile:read consent:read"
OWN_SCOPE = "financing:read financing:write outcome:write"


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
class BankAnswer:
    """What the platform answered to the bank."""

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float


class Officer:
    """Works at a demo bank's desk; every call to the platform is made by the bank's process."""

    def __init__(self, institution: str, url: str) -> None:
        self.institution = institution
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

    def heard(self, type_: str, **data: Any) -> dict[str, Any] | None:
        """Return what the platform told the bank by webhook of something with these data, if it did."""
        told = self.all_heard()
        return next((e for e in told if e["type"] == type_ and data.items() <= e["data"].items()), None)

    def all_heard(self) -> list[dict[str, Any]]:
        """Return everything that the platform told the bank, the first first."""
        told: list[dict[str, Any]] = self._http.get("/webhooks").json()
        return told

    def call(self, case: str, method: str, path: str, **wanted: Any) -> BankAnswer:
        """Call the platform under a case's consent."""
        return self._called(f"/cases/{case}/call", {"method": method, "path": path, **wanted})

    def own(self, method: str, path: str, **wanted: Any) -> BankAnswer:
        """Call the platform in the bank's own name; `text` is sent as it is, `json` as JSON."""
        return self._called("/own/call", {"scope": OWN_SCOPE, "method": method, "path": path, **wanted})

    def pick_up(self, application: str) -> str:
        """Get the tokens of the consent that a firm gave with its application; return the case."""
        response = self._http.post("/cases", json={"application": application, "scope": OWN_SCOPE})
        response.raise_for_status()
        return str(response.json()["case"])

    def _called(self, path: str, wanted: dict[str, Any]) -> BankAnswer:
        response = self._http.post(path, json=wanted)
        response.raise_for_status()
        said = response.json()
        return BankAnswer(said["status"], said["body"], said["headers"], said["seconds"])

    def refresh(self, case: str) -> dict[str, Any]:
        """Try for a new access token."""
        tried: dict[str, Any] = self._http.post(f"/cases/{case}/refresh").json()
        return tried
