"""Does a certificate's hash match what somebody else kept? Pure: a bank's answers or a firm's evidence are enough.

A certificate says for each table how many rows went, and SHA-256 over its own id and the rows' hashes, sorted, joined
by line feeds. For profiles others have those hashes: `told_sha256` is over the `content_hmac` of the answers that the
bank got, `sha256` over the `contents` that the evidence names. Nobody outside has rows of the other tables: for them
the certificate is a count, bound to the evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from creditlink.kit import ids


def combine(jti: str, hashes: Iterable[str]) -> str:
    """Return the hash of a certificate over the hashes of rows."""
    return hashlib.sha256("\n".join([jti, *sorted(hashes)]).encode()).hexdigest()


@dataclass(frozen=True)
class _Claims:
    """What a certificate says, as far as it is rechecked."""

    jti: str
    consent: str
    deleted: dict[str, dict[str, object]]  # table -> rows and hashes
    deleted_at: datetime
    life: timedelta

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> _Claims:
        """Return the claims of a verified certificate."""
        return cls(
            claims["jti"],
            claims["consent"],
            claims["deleted"],
            datetime.fromisoformat(claims["deleted_at"]),
            # What the firm asked to have deleted went whatever its age.
            timedelta(0) if "asked_at" in claims else timedelta(days=claims["data_life_days"]),
        )


def against_answers(claims: Mapping[str, object], answers: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what does not agree between a certificate and the profiles that the bank got, or None.

    Parameters
    ----------
    answers : profiles as `POST /v1/profiles` or `GET /v1/profiles/{id}` answered; those of other consents are left out

    Raises
    ------
    ValueError
        An answer is not a profile.
    """
    certificate = _Claims.of(claims)
    profiles: dict[str, tuple[datetime, str]] = {}
    for answer in answers:
        try:
            if answer["consent_id"] == certificate.consent:
                created_at = datetime.fromisoformat(answer["created_at"])
                profiles[answer["id"]] = (created_at, str(answer["content_hmac"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a profile: {error} absent") from None
    return _compare(certificate, list(profiles.values()), "told_sha256", "answers")


def against_evidence(claims: Mapping[str, object], lines: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what does not agree between a certificate and a firm's chain, which must itself be valid, or None."""
    certificate = _Claims.of(claims)
    purges = [line for line in lines if line["action"] == "data.purge"]
    entry = next((line for line in purges if line["detail"].get("certificate") == certificate.jti), None)
    if entry is None:
        return "no entry of the chain tells of this certificate"
    if entry["detail"]["deleted"] != certificate.deleted:
        return f"seq {entry['seq']} of the chain tells other counts or hashes of it"
    profiles = [
        (datetime.fromisoformat(line["at"]), line["detail"].get("contents", {}).get(line["detail"]["profile"]))
        for line in lines
        if line["action"] == "profile.create" and ids.external("cns", UUID(line["consent_id"])) == certificate.consent
    ]
    if any(digest is None for _, digest in profiles):
        return None  # from before the evidence named contents: bound by the entry alone
    return _compare(certificate, [(at, str(digest)) for at, digest in profiles], "sha256", "entries of the chain")


def _compare(certificate: _Claims, profiles: list[tuple[datetime, str]], name: str, whose: str) -> str | None:
    """Return what does not agree between a certificate and profiles, each with its time and hash, or None."""
    deleted = certificate.deleted.get("profiles")
    if deleted is None:
        return None  # no profile went
    if name not in deleted:
        return f"the certificate is from before it held {name}"
    rows = int(str(deleted["rows"]))
    cut = certificate.deleted_at - certificate.life
    # Profiles go oldest first: those that went with this certificate are the last whose life was over. It has its time
    # to the second only (docs/adr/0026), so those of that second are tried one by one.
    due = sorted(one for one in profiles if one[0] <= cut + timedelta(seconds=1))
    surely = sum(at <= cut for at, _ in due)
    for end in range(max(surely, rows), len(due) + 1):
        if combine(certificate.jti, [digest for _, digest in due[end - rows : end]]) == deleted[name]:
            return None
    over = certificate.deleted_at.isoformat()
    return f"profiles: {name} is not the hash of the last {rows} {whose} whose data life was over by {over}"
