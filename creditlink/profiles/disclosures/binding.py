"""Whether the stored profiles are those that the evidence names, given a chain's lines and the profiles' rows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from creditlink.engine.profile.content import content_sha256
from creditlink.kit import ids


def unbound(
    lines: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]], *, gone: bool = True
) -> Iterator[str]:
    """Yield what does not agree, a sentence each, between a firm's chain and its stored profiles.

    Parameters
    ----------
    lines : the chain, which must itself hold (`audit.chain.verify`)
    rows : all profiles of the firm, every column by name
    gone : also say which profiles are gone without a certificate; False where `rows` are only some
    """
    disclosed: dict[str, dict[str, int]] = defaultdict(dict)
    created: dict[str, set[str]] = defaultdict(set)
    certified: dict[str, int] = defaultdict(int)
    for line in lines:
        detail, consent = line["detail"], str(line["consent_id"])
        for name, digest in detail.get("contents", {}).items():
            disclosed[name].setdefault(digest, line["seq"])
        if line["action"] == "profile.create":
            created[consent].add(detail["profile"])
        if line["action"] == "data.purge":
            certified[consent] += detail["deleted"].get("profiles", {}).get("rows", 0)
    for name, digests in disclosed.items():
        if len(digests) > 1:
            places = " and ".join(f"seq {seq}" for seq in digests.values())
            yield f"profile {name}: {places} name different contents of it"
    stored = set()
    for row in rows:
        name = ids.external("prf", UUID(str(row["id"])))
        stored.add(name)
        why = _changed(row, disclosed.get(name, {}))
        if why is None and name not in created[str(row["consent_id"])]:
            why = "no entry of the chain tells that it was made under its consent"
        if why:
            yield f"profile {name}: {why}"
    for consent, names in created.items() if gone else ():
        absent = names - stored
        if len(absent) > certified[consent]:
            name = ids.external("cns", UUID(consent))
            yield f"consent {name}: {len(absent)} of its profiles are gone, certificates tell of {certified[consent]}"


def _changed(row: Mapping[str, Any], disclosed: Mapping[str, int]) -> str | None:
    try:
        found = content_sha256(row, version=row["content_version"])
    except (KeyError, TypeError, ValueError) as error:
        return f"its content cannot be hashed: {error}"
    if disclosed and found not in disclosed:
        seq, digest = next((seq, digest) for digest, seq in disclosed.items())
        return f"seq {seq} went out with content {digest[:16]}…, what is stored has {found[:16]}…: changed since"
    if found != row["content_sha256"]:
        return f"it says its content is {str(row['content_sha256'])[:16]}…, it is {found[:16]}…: changed since"
    return None
