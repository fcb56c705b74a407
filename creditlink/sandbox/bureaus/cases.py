"""The counter of an office that takes disputes: docs/bureaus.md, section 5.

Its clerk looks at the evidence: a case with a file, and with what the row should say, is put right; another is not.
Tests and demonstrations tell the clerk otherwise at `/_cases`.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import flask
from flask.typing import ResponseReturnValue

from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.files.textfile import json_of
from creditlink.sandbox.bureaus.holdings import Holdings

PATH = "/disputes/v1/cases"
_SKEW_MS = 300_000
_RECORDED = timedelta(hours=11)
"""Rows are recorded in the course of the morning: what is put right before is of the day before."""

ORDERS = ("wait", "lie", "lose", "uphold", "correct")
"""What the clerk may be told: never to answer, to say that a row is put right and leave it, to forget the case, …"""


@dataclass
class OfficeCase:
    """One case as the office has it."""

    told: dict[str, object]
    received_at: datetime
    answer: dict[str, object] | None = None


class CaseCounter:
    """The cases of one office."""

    def __init__(self, holdings: Holdings, secret: str) -> None:
        self._holdings = holdings
        self._secret = secret.encode()
        self._cases: dict[tuple[str, int], OfficeCase] = {}
        self._orders: dict[str, str] = {}  # USCC or * -> one of ORDERS
        self._lock = threading.Lock()

    def register(self, app: flask.Flask) -> None:
        """Add the counter to an office."""
        app.add_url_rule(PATH, "tell_case", self._tell, methods=["POST"])
        app.add_url_rule(f"{PATH}/<case_id>", "ask_case", self._ask, methods=["GET"])
        app.add_url_rule("/_cases", "order_clerk", self._order, methods=["POST"])

    def _order(self) -> ResponseReturnValue:
        wanted = flask.request.get_json(silent=True)
        if not isinstance(wanted, dict) or wanted.get("order") not in (*ORDERS, None):
            return {"field": "order", "message": f"must be one of {', '.join(ORDERS)}, or null"}, 422
        with self._lock:
            uscc = str(wanted.get("uscc", "*"))
            self._orders.pop(uscc, None)
            if wanted["order"] is not None:
                self._orders[uscc] = str(wanted["order"])
            if wanted["order"] == "lose":
                self._cases.clear()
        return {"orders": dict(self._orders)}, 200

    def _tell(self) -> ResponseReturnValue:
        flask.request.max_content_length = 32 * 1024 * 1024
        body = flask.request.get_data()
        if not self._is_signed(body):
            return {"message": "the signature is missing or wrong"}, 401
        told = json_of(body)
        if not isinstance(told, dict) or not isinstance(told.get("case"), str) or told.get("level") not in (0, 1):
            return {"message": "no case"}, 400
        key = (told["case"], int(told["level"]))
        with self._lock:
            known = self._cases.get(key)
            if known is None and self._order_for(told) != "lose":
                self._cases[key] = OfficeCase(told, utc_now())
        return {"case": key[0], "level": key[1], "received_at": utc_now().isoformat()}, 202

    def _ask(self, case_id: str) -> ResponseReturnValue:
        if not self._is_signed(b""):
            return {"message": "the signature is missing or wrong"}, 401
        with self._lock:
            of_case = [one for (known, _), one in sorted(self._cases.items()) if known == case_id]
            if not of_case:
                return {"message": "no such case"}, 404
            case = of_case[-1]
            if case.answer is None and self._order_for(case.told) != "wait":
                case.answer = self._answered(case)
            head = {"case": case_id, "level": case.told["level"]}
            return head | (case.answer or {"state": "pending"}), 200

    def _order_for(self, told: dict[str, object]) -> str | None:
        return self._orders.get(str(told.get("uscc"))) or self._orders.get("*")

    def _answered(self, case: OfficeCase) -> dict[str, object]:
        told, order = case.told, self._order_for(case.told)
        wanted = told.get("wanted")
        has_proof = bool(told.get("files")) and bool(wanted)
        is_right = order in ("correct", "lie") or (order is None and has_proof)
        if is_right and order != "lie":
            is_right = self._put_right(told, wanted if isinstance(wanted, dict) else {})
        reason = "经核查，原记录有误，已更正。" if is_right else "经核查，原记录与本单位登记一致，予以维持。"
        verdict = "corrected" if is_right else "upheld"
        return {"state": "answered", "verdict": verdict, "reason": reason, "answered_at": utc_now().isoformat()}

    def _put_right(self, told: dict[str, object], wanted: dict[str, object]) -> bool:
        frame, key = str(told["frame"]), str(told.get("key", ""))
        period = date.fromisoformat(f"{told['period']}-01")
        known_on = day_of(utc_now() - _RECORDED)
        # Invoices are corrected one by one, and a month of them follows.
        return (
            frame != "invoice_months"
            and self._holdings.holds(frame)
            and self._holdings.correct(frame, str(told["uscc"]), period, key, wanted, known_on)
        )

    def _is_signed(self, body: bytes) -> bool:
        headers = flask.request.headers
        at, nonce = headers.get("X-Case-Timestamp", ""), headers.get("X-Case-Nonce", "")
        said = (flask.request.method, flask.request.path, at, nonce, hashlib.sha256(body).hexdigest())
        right = hmac.new(self._secret, "\n".join(said).encode(), hashlib.sha256).hexdigest()
        is_timely = at.isascii() and at.isdigit() and abs(int(at) - time.time() * 1000) <= _SKEW_MS
        return is_timely and hmac.compare_digest(right, headers.get("X-Case-Signature", ""))
