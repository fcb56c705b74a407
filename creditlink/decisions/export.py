"""One decision as a file: record, policy with every artefact, and the proof of both chains. Verified offline. Pure.

The file is one JSON object, signed as a whole by a compact JWS over its hash. What a forger of the archive cannot
change is the firm's chain of evidence, whose heads the firm holds and the anchors keep: its entry of the profile's
creation names the hash of the record, or, of one that was sealed afterwards, the entry of that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

from creditlink.audit import chain
from creditlink.decisions import record as records
from creditlink.decisions.policy import bundle as bundles
from creditlink.decisions.policy.bundle import BundledPolicy, PolicyDamaged
from creditlink.decisions.record import DecisionRecord, RecordInvalid
from creditlink.engine.profile import content
from creditlink.engine.scoring.model import sha256_of
from creditlink.kit import keyring
from creditlink.kit.files.textfile import canonical_json, json_of

FORMAT = 1
TYPE = "decision-export+jws"
BACKFILL = "decision.backfill"
NAMING = ("profile.create", BACKFILL)
"""Actions of the evidence that name the hash of a record."""

_MOST_BYTES = 256 * 1024 * 1024
"""An artefact that unpacks to more is a bomb."""


class ExportInvalid(ValueError):
    """A file is not an intact export of a decision; the message says what is wrong with it."""


class ExportedDecision(TypedDict):
    """What the file holds."""

    format: int
    decision: str
    record: str  # base64 of the compressed payload
    links: list[dict[str, object]]  # the firm's chain of records, without what they say
    evidence: list[dict[str, object]]  # the firm's chain up to the entry that names the record
    bundle: str
    artefacts: dict[str, str]  # sha256 -> base64 of the compressed content
    signature: NotRequired[str]


@dataclass(frozen=True, eq=False)
class OpenedExport:
    """A file of which everything holds."""

    decision: str
    record: DecisionRecord
    policy: BundledPolicy
    evidence: chain.Head  # where the evidence in the file ends: compare it with the firm's copy or an anchor
    kid: str


def write(
    decision: str,
    payload: bytes,
    *,
    links: Sequence[Mapping[str, object]],
    evidence: Sequence[Mapping[str, object]],
    policy: BundledPolicy,
    secret: keyring.Secret,
) -> str:
    """Return the signed file of one decision."""
    body: ExportedDecision = {
        "format": FORMAT,
        "decision": decision,
        "record": _packed(payload),
        "links": [dict(link) for link in links],
        "evidence": [dict(line) for line in evidence],
        "bundle": policy.text,
        "artefacts": {sha256: _packed(one) for sha256, one in sorted(policy.artefacts.items())},
    }
    claims = {"decision": decision, "sha256": _sha256(body), "bundle": policy.sha256}
    body["signature"] = keyring.sign(claims, typ=TYPE, secret=secret)
    return canonical_json(body) + "\n"


def read(text: str, keys: Mapping[str, object]) -> OpenedExport:
    """Return what a file holds, once everything in it has been checked.

    Raises
    ------
    ExportInvalid
        The signature, the record, a chain, the bundle or an artefact does not hold; the message says which.
    """
    try:
        body = cast(ExportedDecision, json_of(text))
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise ExportInvalid(f"it is not an exported decision of format {FORMAT}")
        signed = keyring.verify(str(body.pop("signature", "")), keys, typ=TYPE)
        decision = str(body["decision"])
        if signed.claims.get("sha256") != _sha256(body):
            raise ExportInvalid("it was changed after it was signed")
        payload = _unpacked("record", body["record"])
        artefacts = {sha256: _unpacked(f"artefact {sha256[:16]}…", one) for sha256, one in body["artefacts"].items()}
        policy = bundles.opened(sha256_of(body["bundle"].encode()), body["bundle"], artefacts)
        record = records.read(payload)
        ends = _check_chains(decision, payload, record, body["links"], body["evidence"])
        if record.body["bundle"] != policy.sha256:
            raise ExportInvalid(f"the record names bundle {record.body['bundle'][:16]}…, the file has another")
    except ExportInvalid:
        raise
    except keyring.SignatureRefused as error:
        raise ExportInvalid(f"the signature: {error}") from error
    except (PolicyDamaged, RecordInvalid) as error:
        raise ExportInvalid(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportInvalid(f"it is not an exported decision: {error!r}") from error
    return OpenedExport(decision, record, policy, ends, signed.kid)


def _check_chains(
    decision: str,
    payload: bytes,
    record: DecisionRecord,
    links: Sequence[Mapping[str, object]],
    evidence: Sequence[Mapping[str, object]],
) -> chain.Head:
    """Refuse a record that its firm's two chains do not name; return where the evidence ends."""
    sha256, profile = sha256_of(payload), f"prf_{decision.removeprefix('dec_')}"
    if str(record.profile["id"]).replace("-", "") != decision.removeprefix("dec_"):
        raise ExportInvalid(f"{decision}: the record is of another decision")
    for name, lines in (("the chain of records", links), ("the evidence", evidence)):
        if broken := chain.verify(lines):
            raise ExportInvalid(f"{name}, line {broken.line}: {broken.reason}")
    own = [link for link in links if str(link["decision"]).replace("-", "") == decision.removeprefix("dec_")]
    if not own or own[0]["payload_sha256"] != sha256:
        raise ExportInvalid(f"{decision}: the chain of records does not name this record")
    made = [line for line in evidence if line["action"] == "profile.create" and _named(line, "profile") == profile]
    if not made:
        raise ExportInvalid(f"{decision}: the evidence does not tell that it was made")
    named = next(((line, told[1]) for line in evidence if (told := named_by(line)) and told[0] == profile), None)
    if named is None:
        raise ExportInvalid(f"{decision}: the evidence does not name its record")
    if named[1] != sha256:
        raise ExportInvalid(f"{decision}: seq {named[0]['seq']} of the evidence names another record: it is forged")
    found = content.content_sha256(record.row, version=int(str(record.profile["content_version"])))
    contents = cast(Mapping[str, object], _named(made[0], "contents"))
    if found != contents.get(profile) or found != record.profile["content_sha256"]:
        raise ExportInvalid(f"{decision}: seq {made[0]['seq']} went out with other content: it is forged")
    last = evidence[-1]
    return chain.Head(int(str(last["seq"])), str(last["digest"]))


def named_by(line: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the profile (`prf_…`) whose record an entry of the evidence names, and the record's hash; None: neither.

    The first that names it counts: nobody seals afterwards what was sealed when it was made.
    """
    detail = line["detail"]
    if line["action"] not in NAMING or not isinstance(detail, Mapping) or "record" not in detail:
        return None
    return str(detail["profile"]), str(detail["record"])


def _named(line: Mapping[str, object], name: str) -> object:
    return cast(Mapping[str, object], line["detail"]).get(name)


def _sha256(body: ExportedDecision) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def _unpacked(what: str, text: str) -> bytes:
    try:
        opening = zlib.decompressobj()
        found = opening.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise ExportInvalid(f"{what}: {error}") from error
    if not opening.eof:
        raise ExportInvalid(f"{what}: it is cut short, or larger than {_MOST_BYTES} bytes")
    return found
