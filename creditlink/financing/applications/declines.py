"""Why lenders decline, typed; and whether what a bank says agrees with what the explanation says. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

Agreement = Literal["agrees", "minor", "contradicts", "outside"]


class ReasonVerdict(TypedDict):
    """How one reason agrees with the explanation that the bank had; `no_profile` where it had none."""

    code: str
    agreement: Agreement | Literal["no_profile"]


AGREEMENTS: Mapping[Agreement, tuple[str, str]] = {
    "agrees": ("与画像的主要原因一致", "The explanation names it among its main reasons"),
    "minor": ("画像中为次要不利因素", "It weighs against the firm in the explanation, but little"),
    "contradicts": (
        "与画像不一致：该方面并无不利",
        "The explanation says otherwise: this does not weigh against the firm",
    ),
    "outside": ("画像未涉及该方面", "The explanation does not speak of this"),
}

_CODE = re.compile(r"D\d{2}")
_REASON = re.compile(r"R\d{3}")


@dataclass(frozen=True, slots=True)
class DeclineReason:
    """One typed reason; `reasons` are the score's reason codes that speak of the same thing."""

    code: str
    label_zh: str
    label_en: str
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the reason as published."""
        return {
            "code": self.code,
            "label_zh": self.label_zh,
            "label_en": self.label_en,
            "reason_codes": list(self.reasons),
        }


def declines_from(table: Mapping[str, object]) -> dict[str, DeclineReason]:
    """Return the reasons in a parsed `declines.toml`, by code.

    Raises
    ------
    ValueError
        An entry is wrong; the message names it.
    """
    found = {}
    for code, entry in table.items():
        if code == "version":
            continue
        if not _CODE.fullmatch(code):
            raise ValueError(f"{code!r}: a decline reason's code reads like D01")
        if not isinstance(entry, Mapping) or set(entry) != {"label_zh", "label_en", "reasons"}:
            raise ValueError(f"{code}: needs exactly label_zh, label_en and reasons")
        for reason in entry["reasons"]:
            if not isinstance(reason, str) or not _REASON.fullmatch(reason):
                raise ValueError(f"{code}.reasons: value {reason!r}: reads like R013")
        found[code] = DeclineReason(code, str(entry["label_zh"]), str(entry["label_en"]), tuple(entry["reasons"]))
    if not found:
        raise ValueError("there must be at least one decline reason")
    return found


@dataclass(frozen=True, slots=True)
class Weighed:
    """A decline reason beside the explanation: `points` is what the named indicators add to the firm's points."""

    agreement: Agreement
    points: float | None

    def to_dict(self) -> dict[str, object]:
        """Return it with both texts."""
        zh, en = AGREEMENTS[self.agreement]
        return {"agreement": self.agreement, "points": self.points, "text_zh": zh, "text_en": en}


def weigh(reason: DeclineReason, *, adverse: Collection[str], points_by_reason: Mapping[str, float]) -> Weighed:
    """Return how a bank's reason fits the explanation of the profile that it decided on.

    Parameters
    ----------
    adverse : reason codes that the profile names as its main ones.
    points_by_reason : reason code -> points that its indicators contribute; up is safer.
    """
    known = [points_by_reason[code] for code in reason.reasons if code in points_by_reason]
    if not known:
        # Missing categories have no points of an indicator of their own; they can still be a main reason.
        return Weighed("agrees" if set(reason.reasons) & set(adverse) else "outside", None)
    points = sum(known)
    if set(reason.reasons) & set(adverse):
        return Weighed("agrees", points)
    return Weighed("minor" if points < 0 else "contradicts", points)
