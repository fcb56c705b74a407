"""A loan officer at a demo bank's desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from creditlink.sandbox.banks.desk import BankEvent, CaseBody, DeskAnswer, DeskCall, NewCase, PollAnswer, RefreshBody

SCOPE = "profile:create profile:read consent:read"
OWN_SCOPE = "financing:read financing:write outcome:write"


def underwriting(uscc: str, *, required: list[str], optional: list[str], pulls: int) -> dict[str, object]:
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
    body: Any  # JSON as the platform wrote it
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

    def ask(self, uscc: str, *, required: list[str], optional: list[str]) -> NewCase:
        """Ask a firm for consent; the answer says where to send its browser."""
        details = underwriting(uscc, required=required, optional=optional, pulls=2)
        return self._open({"authorization_details": details, "scope": SCOPE})

    def ask_in_inbox(self, uscc: str, *, required: list[str], optional: list[str], message: str) -> tuple[str, float]:
        """Put a request into a firm's inbox; return the case and how many seconds to wait between two polls."""
        details = underwriting(uscc, required=required, optional=optional, pulls=2)
        inbox = {"login_hint": uscc, "binding_message": message, "requested_expiry": "7200"}
        case = self._open({"authorization_details": details, "scope": SCOPE, "inbox": inbox})
        return case["case"], float(case["poll_every_seconds"])

    def pick_up(self, application: str) -> str:
        """Get the tokens of the consent that a firm gave with its application; return the case."""
        return self._open({"application": application, "scope": OWN_SCOPE})["case"]

    def poll(self, case: str) -> PollAnswer:
        """Ask once whether the firm has answered."""
        answer: PollAnswer = self._http.post(f"/cases/{case}/poll").json()
        return answer

    def case(self, case: str) -> CaseBody:
        """Return a case: its state, and what was granted."""
        body: CaseBody = self._http.get(f"/cases/{case}").json()
        return body

    def refresh(self, case: str) -> RefreshBody:
        """Try for a new access token."""
        answer: RefreshBody = self._http.post(f"/cases/{case}/refresh").json()
        return answer

    def event(self, type_: str, **data: object) -> BankEvent | None:
        """Return the first event of a type with these data that the platform sent, None where there is none."""
        return next((e for e in self.events() if e["type"] == type_ and data.items() <= e["data"].items()), None)

    def events(self) -> list[BankEvent]:
        """Return every event that the platform sent to the bank, the oldest first."""
        events: list[BankEvent] = self._http.get("/webhooks").json()
        return events

    def call(
        self, case: str, method: str, path: str, *, json: object = None, headers: dict[str, str] | None = None
    ) -> BankAnswer:
        """Call the platform under a case's consent."""
        return self._call(f"/cases/{case}/call", _desk_call(method, path, json, headers))

    def own(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        text: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> BankAnswer:
        """Call the platform in the bank's own name; `text` is sent as it is, `json` as JSON."""
        wanted = _desk_call(method, path, json, headers)
        wanted["scope"] = OWN_SCOPE
        if text is not None:
            wanted["text"] = text
        return self._call("/own/call", wanted)

    def _open(self, wanted: Mapping[str, object]) -> NewCase:
        response = self._http.post("/cases", json=wanted)
        response.raise_for_status()
        case: NewCase = response.json()
        return case

    def _call(self, path: str, wanted: DeskCall) -> BankAnswer:
        response = self._http.post(path, json=wanted)
        response.raise_for_status()
        answer: DeskAnswer = response.json()
        return BankAnswer(**answer)


def _desk_call(method: str, path: str, json: object, headers: dict[str, str] | None) -> DeskCall:
    wanted: DeskCall = {"method": method, "path": path}
    if json is not None:
        wanted["json"] = json
    if headers is not None:
        wanted["headers"] = headers
    return wanted
