"""The record of one decision as it is sealed: the profile as it was given, and the basis to make it from. Pure.

Layout of the payload: one line of canonical JSON, and the packed matches as they are. Its hash is in the archive's
chain, and in the evidence of the profile's creation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NotRequired, TypedDict, cast

from creditlink.engine.profile import content
from creditlink.engine.profile.asked import ProfileInputs
from creditlink.engine.profile.basis import BasisJson, DecisionBasis, DecisionCase, basis_from
from creditlink.kit.files.textfile import canonical_json, json_of

FORMAT = 1


class RecordInvalid(ValueError):
    """A payload is not a record of a decision; the message says why."""


class OverlayKept(TypedDict):
    """What a bank's overlay made of the profile; the bank's own columns stay in its tenancy, under these hashes."""

    version: int
    terms_sha256: str
    result_sha256: str
    points: object  # whole points; null where the firm has no score
    grade: object
    decision: object


class BackfilledNote(TypedDict):
    """That a record was sealed after its profile was stored, and whether the profile was made again from it then."""

    at: str  # when it was sealed
    reproduced: bool  # byte by byte, under the bundle that the record names
    why: str | None  # it was not


class RecordBody(TypedDict):
    """What a record says besides the matches."""

    format: int
    purpose: str  # of the consent
    bundle: str  # sha256 of the policy; empty: sealed afterwards, when it could not be made again
    profile: dict[str, object]  # every column of the profile but the matches, as `content.to_json` gives them
    basis: BasisJson
    overlay: NotRequired[OverlayKept]  # of the bank that asked, if it has one
    backfilled: NotRequired[BackfilledNote]


@dataclass(frozen=True)
class DecisionRecord:
    """One decision as it is kept."""

    body: RecordBody
    matches: bytes

    @property
    def payload(self) -> bytes:
        """Return the bytes that are sealed."""
        return canonical_json(self.body).encode() + b"\n" + self.matches

    @property
    def row(self) -> dict[str, object]:
        """Return the profile's columns by name, as `content` hashes them."""
        return content.from_json(self.body["profile"] | {"matches": self.matches.hex()})

    @property
    def profile(self) -> Mapping[str, object]:
        """Return the profile's columns as JSON."""
        return self.body["profile"]

    @property
    def bundle(self) -> str:
        """Return the hash of the policy to make the decision again under.

        Raises
        ------
        RecordInvalid
            It names none: the decision was sealed when it could not be made again any more.
        """
        note = self.body.get("backfilled")
        if note is not None and not self.body["bundle"]:
            raise RecordInvalid(f"it was sealed afterwards and cannot be made again: {note['why']}")
        return self.body["bundle"]

    def case(self) -> DecisionCase:
        """Return what has to be computed to make the decision again.

        Raises
        ------
        RecordInvalid
            The basis is not one.
        """
        try:
            asked = cast(ProfileInputs, self.profile["asked"])
            return DecisionCase(date.fromisoformat(str(self.profile["as_of"])), asked, basis_from(self.body["basis"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordInvalid(f"the basis of the record cannot be read: {error!r}") from error


def record_of(
    row: Mapping[str, object],
    basis: DecisionBasis,
    *,
    purpose: str,
    overlay: OverlayKept | None = None,
    backfilled: BackfilledNote | None = None,
    bundle: str | None = None,
) -> DecisionRecord:
    """Return the record of a profile, given its columns by name.

    Parameters
    ----------
    bundle : of a record that is sealed afterwards; None: the one that the profile names
    """
    profile = content.to_json(row)
    matches = bytes.fromhex(str(profile.pop("matches")))
    body: RecordBody = {
        "format": FORMAT,
        "purpose": purpose,
        "bundle": str(row["bundle_sha256"]) if bundle is None else bundle,
        "profile": profile,
        "basis": basis.to_json(),
    }
    if overlay is not None:
        body["overlay"] = overlay
    if backfilled is not None:
        body["backfilled"] = backfilled
    return DecisionRecord(body, matches)


def read(payload: bytes) -> DecisionRecord:
    """Return the record in a payload.

    Raises
    ------
    RecordInvalid
        It is not one.
    """
    line, _, matches = payload.partition(b"\n")
    try:
        body = json_of(line)
    except ValueError as error:
        raise RecordInvalid(f"the record is not JSON: {error}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise RecordInvalid(f"the record is not of format {FORMAT}")
    if wrong := [name for name in ("profile", "basis") if not isinstance(body.get(name), dict)]:
        raise RecordInvalid(f"the record has no {wrong[0]}")
    return DecisionRecord(cast(RecordBody, body), matches)
