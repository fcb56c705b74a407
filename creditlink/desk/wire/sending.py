"""What a person at the desk does at the API: by the institution's own client, each time with evidence of who it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import uuid4

import flask
import httpx

from creditlink.access.scopes import INSTITUTION_SCOPES
from creditlink.audit import service as audit
from creditlink.desk.people.roles import DeskActor
from creditlink.desk.wire.opening import DeskHand, hand_of, redirect_path
from creditlink.desk.wire.software import Answer, ApiCall, ApiRefused, DeskSoftware, SentFile
from creditlink.desk.wire.within import client_of
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

_EARLY_SECONDS = 30.0
"""A token this close to its end is not used any more."""


@dataclass
class OwnTokens:
    """The tokens of this process in institutions' own names, by client; each is good for minutes."""

    held: dict[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class DeskApi:
    """The API as one person of an institution uses it."""

    actor: DeskActor
    software: DeskSoftware
    scopes: frozenset[str]

    def own(self, method: str, path: str, *, noted: bool = True, **more: object) -> Answer:
        """Call in the institution's own name; `more` are members of `ApiCall`.

        Raises
        ------
        ApiRefused
            The answer is an error.
        """
        call = self._noted(ApiCall(method, path, **more), noted=noted)  # type: ignore[arg-type]  # members by name
        try:
            return self.software.call(self._own_token(), call)
        except ApiRefused as refused:
            # A token dies before its time where the client is suspended and let in again.
            if refused.status != 401 or not self._forget():
                raise
        return self.software.call(self._own_token(), call)

    def file(self, path: str) -> SentFile:
        """Fetch a file in the institution's own name.

        Raises
        ------
        ApiRefused
            The answer is an error.
        """
        call = self._noted(ApiCall("GET", path), noted=True)
        try:
            return self.software.file(self._own_token(), call)
        except ApiRefused as refused:
            if refused.status != 401 or not self._forget():
                raise
        return self.software.file(self._own_token(), call)

    def under(self, token: str, method: str, path: str, **more: object) -> Answer:
        """Call under a firm's consent, with a token of it.

        Raises
        ------
        ApiRefused
            The answer is an error.
        """
        call = ApiCall(method, path, **more)  # type: ignore[arg-type]  # members by name
        return self.software.call(token, self._noted(call, noted=True))

    def _own_token(self) -> str:
        held = _tokens().held
        token, until = held.get(self.software.client_id, ("", 0.0))
        if time.monotonic() < until:
            return token
        scope = " ".join(sorted(self.scopes & INSTITUTION_SCOPES))
        answer = self.software.form("/oauth/token", {"grant_type": "client_credentials", "scope": scope})
        token, seconds = str(answer["access_token"]), float(str(answer["expires_in"]))
        held[self.software.client_id] = (token, time.monotonic() + seconds - _EARLY_SECONDS)
        return token

    def _forget(self) -> bool:
        return _tokens().held.pop(self.software.client_id, None) is not None

    def _noted(self, call: ApiCall, *, noted: bool) -> ApiCall:
        """Write who calls before anything comes back; both sides' evidence has the same request id."""
        call = replace(call, request_id=uuid4().hex)
        if noted:
            with db.transaction() as session:
                audit.record(
                    session,
                    action="desk.call",
                    result="done",
                    actor=self.actor.name,
                    now=utc_now(),
                    institution_id=self.actor.institution_id,
                    client_id=self.software.client_id,
                    detail={"method": call.method, "path": call.path, "login": self.actor.login},
                    request_id=call.request_id,
                )
        return call


def api_of(actor: DeskActor, *, hand: str = "acts") -> DeskApi:
    """Return the API for a person, by the client of the desk that acts, or by the one that checks.

    Raises
    ------
    NotFound
        The institution has no desk.
    """
    settings = runtime.part(Settings)
    with db.transaction(viewer=db.Viewer(institution_id=actor.institution_id)) as session:
        held = hand_of(session, actor.institution_id, hand, secret=settings.secret_key)
    if held is None:
        raise NotFound
    app = flask.current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy
    return DeskApi(actor, software_of(held, settings, client_of(app, settings.issuer)), held.scopes)


def software_of(held: DeskHand, settings: Settings, http: httpx.Client) -> DeskSoftware:
    """Return a client of a desk, which calls the platform by `http`."""
    return DeskSoftware(
        client_id=held.client_id,
        redirect_uri=settings.issuer + redirect_path(held.institution),
        issuer=settings.issuer,
        keys=held.keys,
        http=http,
    )


def items_of(answer: Answer) -> list[Mapping[str, object]]:
    """Return the items of a page of the API."""
    found = answer.get("items")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _tokens() -> OwnTokens:
    return runtime.of_app(flask.current_app).get_or_make(OwnTokens, OwnTokens)
