"""The demo bank: a web application of its own that reaches the platform only over public HTTP.

Its loan officer's desk is plain JSON on loopback; the one page that the firm sees is where the browser
lands after the consent.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field

import flask
import httpx

from creditlink.sandbox.banks.bank import Authorization, BankError, DemoBank, InboxRequest, Tokens, verified_webhook
from creditlink.sandbox.banks.desk import CaseBody, DeskAnswer, DeskCall, NewCase, PollAnswer, RefreshBody
from creditlink.sandbox.banks.wire import CallOptions


@dataclass
class BankCase:
    """One firm that the bank has asked."""

    authorization: Authorization | InboxRequest
    state: str = "asked"  # asked | granted | declined
    error: str | None = None


@dataclass
class BankDesk:
    """The bank's cases, by id and by the `state` that a browser brings back."""

    bank: DemoBank
    cases: dict[str, BankCase] = field(default_factory=dict)
    own: dict[str, Tokens] = field(default_factory=dict)  # scope -> the bank's own tokens
    events: dict[str, dict[str, object]] = field(default_factory=dict)  # by webhook-id, so that a repeat counts once
    lock: threading.Lock = field(default_factory=threading.Lock)

    def case(self, case_id: str) -> BankCase:
        """Return a case or answer 404."""
        if case_id not in self.cases:
            flask.abort(404)
        return self.cases[case_id]

    def case_of_state(self, state: str) -> tuple[BankCase, Authorization] | None:
        """Return the case whose browser was sent away with this `state`."""
        for case in self.cases.values():
            sent = case.authorization
            if isinstance(sent, Authorization) and secrets.compare_digest(sent.state.encode(), state.encode()):
                return case, sent
        return None

    def in_own_name(self, scope: str) -> Tokens:
        """Return the bank's own tokens for a scope, fetched when there are none yet."""
        with self.lock:
            if scope not in self.own:
                self.own[scope] = self.bank.in_own_name(scope=scope)
            return self.own[scope]

    def call(self, tokens: Tokens, wanted: DeskCall) -> httpx.Response:
        """Call the platform as the loan officer asks."""
        options: CallOptions = {"headers": wanted.get("headers", {})}
        if "json" in wanted:
            options["json"] = wanted["json"]
        if "text" in wanted:
            options["content"] = wanted["text"].encode()
        return self.bank.call(wanted["method"], wanted["path"], tokens, **options)


def _as_json(response: httpx.Response) -> DeskAnswer:
    return {
        "status": response.status_code,
        "headers": {k: v for k, v in response.headers.items() if k.lower() in ("location", "www-authenticate")},
        "body": response.json() if response.content else None,
        "seconds": response.elapsed.total_seconds(),
    }


_LANDED = """<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><body style="font-family:sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem">
<h1>{title}</h1><p>{text}</p></body></html>"""


def create_bank_app(bank: DemoBank, *, webhook_secret: str = "") -> flask.Flask:
    """Return the bank's web application; with a secret it takes webhooks."""
    app = flask.Flask("creditlink.sandbox.banks.app")
    desk = BankDesk(bank)

    @app.errorhandler(BankError)
    def refused(error: BankError) -> tuple[dict[str, object], int]:
        return {"platform_status": error.status, "platform_said": error.body}, 502

    @app.errorhandler(httpx.HTTPError)
    def unreachable(error: httpx.HTTPError) -> tuple[dict[str, object], int]:
        return {"platform_status": 0, "platform_said": type(error).__name__}, 502

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"client_id": bank.client_id}

    @app.post("/cases")
    def ask() -> tuple[NewCase, int]:
        """Ask a firm: through its browser, for which the answer has an address; with `inbox`, in its inbox.

        With `application` nothing is asked: the firm agreed when it applied for financing, and the tokens are fetched.
        """
        wanted, case_id = flask.request.get_json(), secrets.token_hex(8)
        if "application" in wanted:
            given = bank.pick_up(wanted["application"], desk.in_own_name(wanted["scope"]))
            with desk.lock:
                desk.cases[case_id] = BankCase(given, "granted")
            return {"case": case_id}, 201
        details, scope = [wanted["authorization_details"]], wanted["scope"]
        if "inbox" in wanted:
            waiting = bank.ask_in_inbox(details, scope=scope, **wanted["inbox"])
            answer: NewCase = {"case": case_id, "poll_every_seconds": str(waiting.interval)}
            authorization: Authorization | InboxRequest = waiting
        else:
            authorization = bank.push(details, scope=scope)
            answer = {"case": case_id, "send_the_firm_to": bank.authorize_url(authorization)}
        with desk.lock:
            desk.cases[case_id] = BankCase(authorization)
        return answer, 201

    @app.post("/cases/<case_id>/poll")
    def poll(case_id: str) -> PollAnswer:
        """Ask once whether the firm has answered the request in its inbox."""
        case = desk.case(case_id)
        if not isinstance(case.authorization, InboxRequest):
            flask.abort(404)
        try:
            if bank.poll(case.authorization):
                case.state = "granted"
        except BankError as error:
            case.state, case.error = "declined", str(error.body)
        return {"state": case.state, "error": case.error}

    @app.get("/callback")
    def callback() -> str:
        """Take the browser back: exchange the code for tokens."""
        state = flask.request.args.get("state", "")
        sent = desk.case_of_state(state)
        if sent is None:
            flask.abort(400)
        case, authorization = sent
        try:
            bank.exchange(bank.code_from(flask.request.url, authorization), authorization)
        except BankError as error:
            case.state, case.error = "declined", str(error.body)
            return _LANDED.format(
                title="未授权 Not authorised", text="您可以随时重新申请。 You may ask again at any time."
            )
        case.state = "granted"
        return _LANDED.format(
            title="感谢授权 Thank you", text="银行将读取您同意的数据。 The bank will read what you agreed to."
        )

    @app.post("/webhooks")
    def take_event() -> tuple[str, int]:
        """Take a webhook if the platform signed it; the same one twice counts once."""
        if not webhook_secret:
            flask.abort(404)
        try:
            event = verified_webhook(
                webhook_secret, dict(flask.request.headers), flask.request.get_data(), now=time.time()
            )
        except BankError:
            return "", 401
        with desk.lock:
            desk.events.setdefault(flask.request.headers["webhook-id"], event)
        return "", 204

    @app.get("/webhooks")
    def show_events() -> list[dict[str, object]]:
        """Show what the platform told the bank, the oldest first."""
        with desk.lock:
            return [{"webhook_id": key, **event} for key, event in desk.events.items()]

    @app.get("/cases/<case_id>")
    def show(case_id: str) -> CaseBody:
        """Show a case without its tokens."""
        case = desk.case(case_id)
        granted = {k: v for k, v in case.authorization.answer.items() if not k.endswith("_token")}
        return {"state": case.state, "error": case.error, "granted": granted}

    @app.post("/cases/<case_id>/call")
    def call(case_id: str) -> DeskAnswer:
        """Call the platform under the case's consent and show what it answered."""
        return _as_json(desk.call(desk.case(case_id).authorization, flask.request.get_json()))

    @app.post("/own/call")
    def call_in_own_name() -> DeskAnswer:
        """Call the platform in the bank's own name, under a `scope`, and show what it answered."""
        wanted = flask.request.get_json()
        response = desk.call(desk.in_own_name(wanted["scope"]), wanted)
        if response.status_code == 401:  # the token ran out: it lives for minutes
            desk.own.pop(wanted["scope"], None)
            response = desk.call(desk.in_own_name(wanted["scope"]), wanted)
        return _as_json(response)

    @app.post("/cases/<case_id>/refresh")
    def refresh(case_id: str) -> RefreshBody:
        """Try for a new access token."""
        case = desk.case(case_id)
        try:
            bank.refresh(case.authorization)
        except BankError as error:
            return {"status": error.status, "body": error.body}
        return {"status": 200}

    return app
