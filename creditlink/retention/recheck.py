"""Is a certificate's hash over what somebody else kept? Pure: a bank's answers or a firm's evidence are enough.

A certificate says of each table how many rows went, and SHA-256 over its own id and the rows' hashes, sorted, joined
by line feeds. Of profiles others hold those hashes: `told_sha256` is over the `content_hmac` of the answers that the
bank was given, `sha256` over the `contents` that the evidence names. Rows of the other tables nobody outside has: of
them the certificate is a count, bound to the evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from creditlink.kit import ids


def combined(jti: str, hashes: Iterable[str]) -> str:
    """Return the hash of a certificate over the hashes of rows."""
    return hashlib.sha256("\n".join([jti, *sorted(hashes)]).encode()).hexdigest()


def against_answers(claims: Mapping[str, Any], answers: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what does not agree between a certificate and the profiles that the bank was given, or None.

    Parameters
    ----------
    answers : profiles as `POST /v1/profiles` or `GET /v1/profiles/{id}` answered; those of other consents are left out

    Raises
    ------
    ValueError
        An answer is not a profile.
    """
    kept: dict[str, tuple[datetime, str]] = {}
    for answer in answers:
        try:
            if answer["consent_id"] == claims["consent"]:
                kept[answer["id"]] = (datetime.fromisoformat(answer["created_at"]), str(answer["content_hmac"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a profile: {error} absent") from None
    return _compared(claims, list(kept.values()), "told_sha256", "answers")


def against_evidence(claims: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what does not agree between a certificate and a firm's chain, which must itself hold, or None."""
    purges = [line for line in lines if line["action"] == "data.purge"]
    told = next((line for line in purges if line["detail"].get("certificate") == claims["jti"]), None)
    if told is None:
        return "no entry of the chain tells of this certificate"
    if told["detail"]["deleted"] != claims["deleted"]:
        return f"seq {told['seq']} of the chain tells other counts or hashes of it"
    made = [
        (datetime.fromisoformat(line["at"]), line["detail"].get("contents", {}).get(line["detail"]["profile"]))
        for line in lines
        if line["action"] == "profile.create" and ids.external("cns", UUID(line["consent_id"])) == claims["consent"]
    ]
    if any(digest is None for _, digest in made):
        return None  # from before the evidence named contents: bound by the entry alone
    return _compared(claims, [(at, str(digest)) for at, digest in made], "sha256", "entries of the chain")


def _compared(claims: Mapping[str, Any], kept: list[tuple[datetime, str]], name: str, whose: str) -> str | None:
    deleted = claims["deleted"].get("profiles")
    if deleted is None:
        return None  # no profile went
    if name not in deleted:
        return f"the certificate is from before it held {name}"
    rows, over = int(deleted["rows"]), datetime.fromisoformat(claims["deleted_at"])
    cut = over - timedelta(days=claims["data_life_days"])
    # Profiles go oldest first: what went with this certificate are the last of those whose life was over. It tells its
    # second and no more (docs/adr/0026), so those of that second are tried one by one.
    due = sorted(one for one in kept if one[0] <= cut + timedelta(seconds=1))
    surely = sum(at <= cut for at, _ in due)
    for end in range(max(surely, rows), len(due) + 1):
        if combined(claims["jti"], [digest for _, digest in due[end - rows : end]]) == deleted[name]:
            return None
    return f"profiles: {name} is not the hash of the last {rows} {whose} whose data life was over by {over.isoformat()}"
