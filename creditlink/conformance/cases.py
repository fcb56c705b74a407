"""Golden wire files: a conversation with an office as it was recorded, and what must come of it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from creditlink.kit.files.textfile import json_of

KINDS: dict[str, str] = {
    "delivered": "several months, whole",
    "paged": "an answer of at least two pages",
    "corrected": "a month, and a later version of it",
    "partial": "an answer that the office marks as incomplete, or that has fewer rows than it says",
    "no_record": "a firm that the office does not know",
    "empty": "a firm that it knows, with nothing in the range",
    "bad_rows": "rows that do not read among others that do",
    "denied": "the office does not let us in",
}
"""Kind of case -> what it shows; a connector's folder has at least one file of each."""

HOLDING_FACTS = ("delivered", "paged", "corrected")
"""Kinds of which every answer is whole and every row reads: those that checks spoil."""


class CaseFault(ValueError):
    """A golden file does not read; the message names file and member."""


@dataclass(frozen=True)
class Recorded:
    """One request as the connector must send it, and the office's answer."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: object  # members that the JSON body must have; None: it is not looked at
    form: Mapping[str, str]  # fields that a form must have
    says: tuple[str, ...]  # texts that a body of any kind must have in it
    status: int
    answer_headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class GoldenCase:
    """One golden file."""

    name: str
    kind: str
    uscc: str
    since: date
    until: date
    exchanges: tuple[Recorded, ...]
    status: str
    facts: tuple[str, ...]  # in the form of `fact_line`, in order
    rejects: tuple[tuple[str, str], ...]  # resource and field of each
    page_size: int | None  # rows that the connector asks for at once; None: its most


def read_cases(folder: Path) -> list[GoldenCase]:
    """Return the golden files of a folder, by name.

    Raises
    ------
    CaseFault
        The folder has none, or one does not read.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise CaseFault(f"{folder}: there is no golden file (*.json)")
    return [_case(path) for path in paths]


def fact_line(
    frame: str, period: str, subkey: str, version: int, known_at: str, values: Mapping[str, object], *, complete: bool
) -> str:
    """Return a fact as one line of text, which is how facts are compared and shown."""
    return json.dumps(
        {
            "frame": frame, "period": period, "subkey": subkey, "version": version,
            "known_at": datetime.fromisoformat(known_at).timestamp(), "complete": complete, "values": values,
        },
        sort_keys=True, ensure_ascii=False,
    )  # fmt: skip


def _case(path: Path) -> GoldenCase:
    try:
        found = json_of(path.read_bytes())
        kind, expect = found["kind"], found["expect"]
        if kind not in KINDS:
            raise CaseFault(f"{path.name}: kind {kind!r} is not one of {', '.join(KINDS)}")
        return GoldenCase(
            name=path.stem,
            kind=kind,
            uscc=found["uscc"],
            since=date.fromisoformat(found["since"]),
            until=date.fromisoformat(found["until"]),
            exchanges=tuple(_recorded(one) for one in found["exchanges"]),
            status=expect["status"],
            facts=tuple(sorted(_expected(fact) for fact in expect.get("facts", []))),
            rejects=tuple(sorted((one["resource"], one["field"]) for one in expect.get("rejects", []))),
            page_size=found.get("page_size"),
        )
    except CaseFault:
        raise
    except KeyError as error:
        raise CaseFault(f"{path.name}: the member {error} is missing") from None
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise CaseFault(f"{path.name}: {error}") from None


def _expected(fact: Mapping[str, Any]) -> str:
    return fact_line(
        fact["frame"], fact["period"], fact.get("subkey", ""), fact.get("version", 0), fact["known_at"],
        fact["values"], complete=fact.get("complete", True),
    )  # fmt: skip


def _recorded(found: Mapping[str, Any]) -> Recorded:
    request, response = found["request"], found["response"]
    return Recorded(
        method=request["method"],
        path=request["path"],
        query=request.get("query", {}),
        headers=request.get("headers", {}),
        content=request.get("json"),
        form=request.get("form", {}),
        says=tuple(request.get("says", ())),
        status=response["status"],
        answer_headers=response.get("headers", {}),
        body=_body(response),
    )


def _body(response: Mapping[str, Any]) -> bytes:
    if "json" in response:
        return json.dumps(response["json"], ensure_ascii=False).encode()
    if "base64" in response:
        return base64.b64decode(response["base64"], validate=True)
    body: str = response.get("body", "")
    return body.encode()
