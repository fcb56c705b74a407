"""How a source is told of a dispute, and asked what came of it: one form for all, docs/bureaus.md section 5.

Signed with the source's own secret. Telling twice is telling once: the case's id and level say which it is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from creditlink.disputes.rules.states import VERDICTS
from creditlink.kit.clock import utc_now
from creditlink.kit.files.text import flaw, printable
from creditlink.kit.files.textfile import json_of
from creditlink.records import sources
from creditlink.records.connectors.tax import signature
from creditlink.records.connectors.wire import Failure, Passing, SourceResponse, Wire
from creditlink.records.offices.configuration import SourceConfig
from creditlink.records.offices.signatures import AnswerForged

PATH = "/disputes/v1/cases"
LONGEST_REASON = 1_000
_SKEW = timedelta(minutes=5)
_UNKNOWN = "unknown"


class SourceSilent(Exception):
    """The source did not answer as its manual says; the message names no firm."""


class CaseLost(SourceSilent):
    """The source knows no such case: it was told, and has lost it."""


@dataclass(frozen=True)
class SourceVerdict:
    """What a source says of a case."""

    verdict: str  # one of VERDICTS
    reason: str
    answered_at: datetime


def tell(source: SourceConfig, case: Mapping[str, object]) -> None:
    """Tell a source of a case.

    Raises
    ------
    SourceSilent
        It did not take it.
    """
    said = _exchange(source, "POST", PATH, case)
    if said.get("case") != case["case"] or said.get("level") != case["level"]:
        raise SourceSilent("it confirms another case than the one it was told of")


def ask(source: SourceConfig, case_id: str, level: int, *, sent_at: datetime, now: datetime) -> SourceVerdict | None:
    """Return what came of a case; None: the source is still looking.

    Raises
    ------
    SourceSilent
        It does not say, or says what cannot be: of another case, level, day or verdict.
    """
    said = _exchange(source, "GET", f"{PATH}/{case_id}", None)
    if said.get("state") == _UNKNOWN:
        raise CaseLost("it does not know the case")
    if said.get("case") != case_id:
        raise SourceSilent("it answers for another case")
    if said.get("level") != level:
        # What it said at the first level is no answer to the appeal.
        raise SourceSilent("it answers at another level")
    if said.get("state") == "pending":
        return None
    verdict, reason = said.get("verdict"), said.get("reason")
    if said.get("state") != "answered" or verdict not in VERDICTS:
        raise SourceSilent(f"it says what is no answer: {printable(str(verdict))[:40]!r}")
    if not isinstance(reason, str) or not reason.strip() or flaw(reason) or len(reason) > LONGEST_REASON:
        raise SourceSilent("it gives no reason that can be read")
    answered_at = _instant(said.get("answered_at"))
    if not sent_at - _SKEW <= answered_at <= now + _SKEW:
        raise SourceSilent(f"it dates its answer {answered_at.isoformat()}, before it was told or after today")
    return SourceVerdict(str(verdict), reason.strip(), min(answered_at, now))


def _instant(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise SourceSilent("it does not date its answer") from None
    if found.tzinfo is None or not 1949 <= found.year < 2200:
        raise SourceSilent("it dates its answer without a zone, or in no year of ours")
    return found


def _exchange(source: SourceConfig, method: str, path: str, body: Mapping[str, object] | None) -> Mapping[str, object]:
    content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    secret = list(source.credentials.values())[-1]  # every source's last credential is its secret

    def build(client: httpx.AsyncClient) -> httpx.Request:
        at, nonce = str(int(utc_now().timestamp() * 1000)), secrets.token_hex(16)
        headers = {
            "Content-Type": "application/json", "X-Case-Timestamp": at, "X-Case-Nonce": nonce,
            "X-Case-Signature": signature(secret.encode(), method, path, at, nonce, content),
        }  # fmt: skip
        return client.build_request(method, path, content=content, headers=headers)

    with closing(Wire(source.base_url, sources.current().config.limits, signed_by=source.signed_by)) as wire:
        try:
            return wire.ask(build, _read, lambda: True)
        except Failure as failure:
            raise SourceSilent(failure.reason) from None
        except AnswerForged as forged:
            raise SourceSilent(f"a signature is wrong: {forged}") from None


def _read(answer: SourceResponse) -> Mapping[str, object]:
    if answer.status == httpx.codes.NOT_FOUND:
        return {"state": _UNKNOWN}
    if answer.status not in (httpx.codes.OK, httpx.codes.ACCEPTED):
        raise Failure("DENIED", f"the office refuses: {answer.status}")
    try:
        said = json_of(answer.content)
    except (ValueError, RecursionError):
        raise Passing("DOWN", "the answer is not JSON") from None
    if not isinstance(said, dict):
        raise Passing("DOWN", "the answer is not a JSON object")
    return said
