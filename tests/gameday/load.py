"""A light, steady load, every answer of which is noted."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import httpx

from creditlink.kit.clock import utc_now
from creditlink.sandbox.banks.keys import base64url
from tests.gameday.platform import Platform

PATIENCE = 60.0  # of a client; what a scenario allows is less


@dataclass(frozen=True)
class Seen:
    """One call, as its client saw it."""

    kind: str
    at: float  # monotonic, when it ended
    seconds: float
    answer: str  # a status, or the name of a transport's error
    wrong: str | None


GOOD = {"push": "201", "push_of_another_bank": "201", "products": "200", "page": "200", "live": "200"}
KINDS = tuple(GOOD)


class Load:
    """Calls without pause from a few clients: pushes (writes) of two banks, products, a page, liveness."""

    def __init__(self, platform: Platform, pause: float = 0.15) -> None:
        self._platform, self._pause = platform, pause
        self.seen: list[Seen] = []
        self.acknowledged: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(kind,), daemon=True) for kind in KINDS]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE + 10)

    def _work(self, kind: str) -> None:
        with httpx.Client(base_url=self._platform.url, timeout=PATIENCE, trust_env=False) as http:
            while not self._over.is_set():
                began, mark = time.monotonic(), secrets.token_urlsafe(16)
                try:
                    response = self._call(http, kind, mark)
                    answer, wrong = str(response.status_code), self._wrong(kind, response)
                except httpx.HTTPError as error:
                    answer, wrong = type(error).__name__, None
                ended = time.monotonic()
                if answer == "201":
                    self.acknowledged.append(mark)
                self.seen.append(Seen(kind, ended, ended - began, answer, wrong))
                self._over.wait(self._pause)

    def _call(self, http: httpx.Client, kind: str, mark: str) -> httpx.Response:
        if kind.startswith("push"):
            bank = self._platform.banks[kind != "push"]
            form = {
                "response_type": "code",
                "redirect_uri": bank.redirect_uri,
                "scope": "profile:create profile:read",
                "state": mark,
                "code_challenge": base64url(secrets.token_bytes(32)),
                "code_challenge_method": "S256",
                "authorization_details": json.dumps(_asked()),
            }
            headers = {"DPoP": bank.proof("POST", "/oauth/par")}
            return http.post("/oauth/par", data=bank.client_parameters() | form, headers=headers)
        paths = {"products": "/v1/products?limit=1", "page": "/portal/sign-in", "live": "/health/live"}
        return http.get(paths[kind])

    def _wrong(self, kind: str, response: httpx.Response) -> str | None:
        """What an answer lacks, whatever happens on our side."""
        status = response.status_code
        if str(status) == GOOD[kind]:
            return None
        if status != 503:
            return f"{kind}: {status} {response.text[:200]}"
        if not response.headers.get("Retry-After", "").isdigit():
            return f"{kind}: 503 without Retry-After"
        if not response.headers.get("X-Request-ID"):
            return f"{kind}: 503 without X-Request-ID"
        return None

    # --- afterwards

    def good_since(self, moment: float, *, times: int = 3) -> bool:
        """Whether every kind of call was answered well so many times in a row, and nothing since was not."""
        return all(
            [seen.answer for seen in list(self.seen) if seen.kind == kind and seen.at - seen.seconds > moment][-times:]
            == [GOOD[kind]] * times
            for kind in KINDS
        )

    def counts(self) -> str:
        found = Counter(seen.answer for seen in self.seen)
        return " ".join(f"{answer}×{times}" for answer, times in sorted(found.items()))

    def slowest(self) -> float:
        return max((seen.seconds for seen in self.seen), default=0.0)


def _asked() -> list[dict]:
    return [
        {
            "type": "enterprise_credit_profile",
            "categories": ["registration", "tax"],
            "purpose": "underwriting",
            "history_months": 24,
            "valid_until": (utc_now() + timedelta(days=20)).isoformat(timespec="seconds"),
        }
    ]
