"""What the bank said, and what the explanation before it says of the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.financing.applications.declines import AGREEMENTS, DeclineReason, ReasonVerdict, weigh
from creditlink.financing.tables import Application
from creditlink.profiles.tables import Profile


def weighed(profile: Profile | None, reasons: Sequence[DeclineReason]) -> list[ReasonVerdict]:
    """Return each reason's code and how it agrees with the profile that the lender decided on.

    Only the verdict is kept, not the points behind it: those end with the data life of the profile. Where the bank
    had no profile there is nothing to compare the reasons with.
    """
    if profile is None:
        return [{"code": reason.code, "agreement": "no_profile"} for reason in reasons]
    adverse = {reason["code"] for reason in profile.summary["reasons"]}
    points: dict[str, float] = {}
    for name, (_, _, share) in profile.explanation["indicators"].items():
        code = BY_NAME[name].reason_code
        points[code] = points.get(code, 0.0) + share
    return [
        {"code": reason.code, "agreement": weigh(reason, adverse=adverse, points_by_reason=points).agreement}
        for reason in reasons
    ]


def report(session: Session, institution_id: UUID) -> dict[str, object]:
    """Return how an institution's declines agree with the explanations, by reason, most frequent first."""
    counts: dict[str, dict[str, int]] = {}
    query = select(Application.decline_weighed).where(
        Application.institution_id == institution_id, Application.state == "declined"
    )
    for verdicts in session.scalars(query):
        for one in verdicts:
            row = counts.setdefault(one["code"], {})
            row[one["agreement"]] = row.get(one["agreement"], 0) + 1
    declines = {code: sum(row.values()) for code, row in counts.items()}
    rows = [
        {"code": code, "declines": declines[code], "agreements": counts[code]}
        for code in sorted(counts, key=lambda code: (-declines[code], code))
    ]
    return {"declines": sum(declines.values()), "by_reason": rows}


def in_words(agreement: str) -> tuple[str, str]:
    """Return a verdict in zh and en."""
    if agreement == "no_profile":
        return "银行未取得画像", "The bank had no profile"
    return AGREEMENTS[agreement]  # type: ignore[index]  # one of its keys, as `weigh` made it
