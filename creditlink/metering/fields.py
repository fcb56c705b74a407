"""The headers that tell a client what it may still ask, and the problem that tells it to wait. Pure.

Source: draft-ietf-httpapi-ratelimit-headers-11: the structured fields `RateLimit-Policy` and `RateLimit`,
and `violated-policies` of its problem types.
"""

from __future__ import annotations

import calendar
import math
from datetime import datetime, timedelta
from typing import TypeVar

from creditlink.kit.clock import add_months, day_of, month_start, start_of_day
from creditlink.kit.errors import TooManyRequests
from creditlink.metering.buckets import Charge, Ruling

_DAY = 86_400
_AGREED = {
    ("call", "day"): "calls-a-day",
    ("call", "month"): "calls-a-month",
    ("profile", "month"): "profiles-a-month",
}


Refused = TypeVar("Refused", bound=TooManyRequests)


class QuotaUsedUp(TooManyRequests):
    """What is agreed with the institution for the day or the month is used up; `Retry-After` is its end."""

    slug = "quota-used-up"
    title = "The quota of the contract is used up"


def headers_of(verdict: Ruling, now: datetime) -> dict[str, str]:
    """Return both fields; none where nothing limits the request."""
    policies, left = [], []
    for state in verdict.states:
        name, rate = state.bucket.policy, state.bucket.rate
        policies.append(f'"{name}";q={rate.tokens};w={rate.seconds}')
        left.append(f'"{name}";r={state.left};t={math.ceil(state.full_in)}')
    charge = verdict.charge
    if charge is not None:
        for period, agreed, used in (
            ("day", charge.per_day, verdict.day_units),
            ("month", charge.per_month, verdict.month_units),
        ):
            if agreed is None:
                continue
            name, ends = _AGREED[charge.unit, period], _until_end(period, now)
            policies.append(f'"{name}";q={agreed};w={_DAY * _days(charge, period)}')
            remaining = 0 if verdict.used_up == period else agreed - used if used is not None else None
            if remaining is not None:
                left.append(f'"{name}";r={max(0, remaining)};t={ends}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)} if policies else {}


def refusal(verdict: Ruling, now: datetime) -> TooManyRequests | None:
    """Return the problem that answers a request which is over a limit; None where it is not."""
    if refusing := verdict.refusing:
        names = [one.bucket.policy for one in refusing]
        return _refusing(
            TooManyRequests,
            f"at most {refusing[0].bucket.rate.tokens} requests in {refusing[0].bucket.rate.seconds} seconds "
            f"({names[0]})",
            math.ceil(refusing[0].wait),
            names,
        )
    if verdict.used_up is not None and verdict.charge is not None:
        return used_up(verdict.charge, verdict.used_up, now)
    return None


def used_up(charge: Charge, period: str, now: datetime) -> QuotaUsedUp:
    """Return the problem that says which quota is used up, and when the next one begins."""
    agreed = charge.per_day if period == "day" else charge.per_month
    noun = "calls" if charge.unit == "call" else "profiles"
    told = f"the contract has {agreed} {noun} a {period}"
    return _refusing(QuotaUsedUp, told, _until_end(period, now), [_AGREED[charge.unit, period]])


def _refusing(kind: type[Refused], detail: str, seconds: int, policies: list[str]) -> Refused:
    problem = kind(detail, headers={"Retry-After": str(max(1, seconds))})
    problem.extra["violated-policies"] = policies
    return problem


def _days(charge: Charge, period: str) -> int:
    return 1 if period == "day" else calendar.monthrange(charge.day.year, charge.day.month)[1]


def _until_end(period: str, now: datetime) -> int:
    """Return the seconds until the day or month ends in Shanghai."""
    today = day_of(now)
    after = today + timedelta(days=1) if period == "day" else add_months(month_start(today), 1)
    return max(1, math.ceil((start_of_day(after) - now).total_seconds()))
