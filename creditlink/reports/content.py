"""What a report says: one set of claims, of which the JSON, the pages and the verify page are all made. Pure.

Numbers and codes are those of the stored profile; words come in Chinese and English both. What the firm leaves out is
not in the claims at all, and `left_out` says that it was left out: who reads a report knows that there was more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from creditlink.engine.scoring.scale import Scale
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.clock import add_months, month_start
from creditlink.reports.rules import SECTIONS, WantedReport

FORMAT = 1
"""Of the claims: a reader that knows this number knows every member."""

SERIES = ("sales", "tax", "headcount", "electricity")
"""Sections that are months of one figure each."""

_OF_FRAME = {"vat_declarations": ("sales", "tax"), "payroll_months": ("headcount",), "meter_months": ("electricity",)}
FRAMES = tuple(_OF_FRAME)
"""The record frames that the months are summed from."""

Claims = dict[str, Any]
"""JSON: what is signed, and parts of it."""


@dataclass(frozen=True)
class MonthlyFact:
    """One stored fact: its frame, first month, what tells it from others of the month, and its values."""

    frame: str
    period: date
    subkey: str
    values: Claims


@dataclass(frozen=True)
class ProfileTold:
    """The stored profile, free of the database: what a report repeats of it."""

    wire_id: str
    as_of: date
    created_at: datetime
    state: str
    grade: str | None
    points: int | None
    pd_12m: float | None
    summary: Claims
    coverage: Mapping[str, Claims]
    explanation: Claims
    contested: Sequence[Claims]
    model_id: str
    model_sha256: str
    bundle_sha256: str | None


@dataclass(frozen=True)
class Maker:
    """Who had a report made: the firm itself, or an institution under the firm's consent; and under which consent."""

    kind: str  # firm or institution
    name_zh: str
    name_en: str
    consent: str


def claims_of(
    *,
    report_id: str,
    issuer: str,
    address: str,
    asked: WantedReport,
    maker: Maker,
    registration: Claims,
    profile: ProfileTold,
    facts: Iterable[MonthlyFact],
    labels: Mapping[str, tuple[str, str]],
    scale: Scale,
    months: int,
    made_at: datetime,
    valid_until: datetime,
) -> Claims:
    """Return the claims of a report.

    Parameters
    ----------
    address : where anybody verifies it; the code on each page leads there
    registration : the firm as the registry had it on the profile's day (`profiles.registered`)
    labels : category of consent -> its name in zh and en
    months : how many months are summed up, back from the profile's day
    """
    gone = set(asked.left_out)
    return {
        "iss": issuer,
        "jti": report_id,
        "iat": int(made_at.timestamp()),
        "exp": int(valid_until.timestamp()),
        "format": FORMAT,
        "language": asked.language,
        "verify": address,
        "recipient": asked.recipient,
        "purpose": asked.purpose,
        "made_by": vars(maker) | {},
        "left_out": [{"section": one, "zh": SECTIONS[one][0], "en": SECTIONS[one][1]} for one in asked.left_out],
        "firm": _firm(registration, gone),
        "profile": _profile(profile, gone),
        "scale": _bands(scale),
        "months": _months(facts, profile.as_of, months, gone),
        "coverage": _coverage(profile.coverage, labels),
        "contested": [_contested(one) for one in profile.contested],
        "model": {"model_id": profile.model_id, "sha256": profile.model_sha256},
        "bundle": profile.bundle_sha256,
    }


def _firm(registration: Claims, gone: set[str]) -> Claims:
    names = ["uscc", "name", "industry", "region", "entity_type", "status", "established_on",
             "registered_capital_fen", "paid_in_capital_fen"]  # fmt: skip
    if "registered" not in gone:
        names += ["legal_representative", "address"]
    return {name: _plain(registration.get(name)) for name in names}


def _profile(profile: ProfileTold, gone: set[str]) -> Claims:
    summary, explanation = profile.summary, profile.explanation
    scored = profile.state == "scored"
    validity = summary.get("validity") or {}
    told: Claims = {
        "id": profile.wire_id,
        "as_of": profile.as_of.isoformat(),
        "created_at": profile.created_at.isoformat(timespec="seconds"),
        "valid_until": validity.get("valid_until"),
        "state": profile.state,
        "grade": profile.grade,
        "points": profile.points,
        "pd_12m": profile.pd_12m,
        "interval": summary.get("interval"),
        "partial": bool(summary.get("partial")),
        "not_scorable_reason": _words(summary.get("not_scorable_reason")),
        "knock_outs": [_words(one) for one in summary.get("knock_outs", ())],
        "human_review": [_words(one) for one in summary.get("human_review", ())],
    }
    if "reasons" not in gone:
        told |= {name: [_reason(one) for one in summary.get(name, ())] for name in ("reasons", "strengths")}
    if "waterfall" not in gone and scored:
        told["waterfall"] = {
            "base": explanation["points_base"],
            "steps": [
                {"name": one["name"], "zh": one["label_zh"], "en": one["label_en"],
                 "points": one["points_contribution"]}
                for one in summary["dimensions"]
            ],
            "calibration": explanation["points_calibration"],
            "total": explanation["points_exact"],
        }  # fmt: skip
    return told


def _reason(one: Claims) -> Claims:
    return {
        "code": one["code"],
        "zh": one["sentence_zh"],
        "en": one["sentence_en"],
        "points": one["points_contribution"],
    }


def _words(one: Claims | None) -> Claims | None:
    """Return a code with its words, whichever members a rule of the engine keeps them in."""
    if one is None:
        return None
    zh = one.get("sentence_zh") or one.get("text_zh") or one.get("label_zh")
    en = one.get("sentence_en") or one.get("text_en") or one.get("label_en")
    return {"code": one.get("code"), "zh": zh, "en": en}


def _bands(scale: Scale) -> list[Claims]:
    """Return the grades, the safest first, each with the PD at which it begins and ends."""
    ends = (0.0, *scale.pd_bounds, 1.0)
    return [
        {"grade": grade, "pd_from": low, "pd_below": high}
        for grade, low, high in zip(GRADES, ends[:-1], ends[1:], strict=True)
    ]


def _months(facts: Iterable[MonthlyFact], as_of: date, months: int, gone: set[str]) -> list[Claims]:
    """Return a row a month, the oldest first, of those figures that any fact tells; null: no fact tells it."""
    first = add_months(month_start(as_of), -months)
    shown = [name for name in SERIES if name not in gone]
    rows: dict[date, Claims] = {}
    for fact in facts:
        if fact.period < first or fact.frame not in _OF_FRAME:
            continue
        for name, value in _figures(fact):
            if name in shown and value is not None:
                row = rows.setdefault(fact.period, {"month": f"{fact.period:%Y-%m}"})
                row[name] = row.get(name, 0) + value
        if fact.frame == "vat_declarations" and fact.period in rows and int(fact.values.get("months") or 1) > 1:
            rows[fact.period]["filed_for_months"] = int(fact.values["months"])
    known = [name for name in shown if any(name in row for row in rows.values())]
    return [
        {"month": row["month"], **{name: row.get(name) for name in known}}
        | ({"filed_for_months": row["filed_for_months"]} if "filed_for_months" in row else {})
        for _, row in sorted(rows.items())
    ]


def _figures(fact: MonthlyFact) -> list[tuple[str, int | float | None]]:
    """Return what one fact adds to its month: fen of sales and tax, heads, kilowatt-hours."""
    values = fact.values
    if fact.frame == "vat_declarations":
        if "filed_on" in values and values["filed_on"] is None:  # not filed: nobody knows what was sold
            return [("sales", None), ("tax", None)]
        sales = [values.get(name) for name in ("taxable_sales_fen", "exempt_sales_fen")]
        known = [one for one in sales if one is not None]
        return [("sales", sum(known) if known else None), ("tax", values.get("paid_fen"))]
    if fact.frame == "payroll_months":
        return [("headcount", values.get("headcount"))]
    return [("electricity", values.get("usage"))] if fact.subkey.partition("/")[0] == "electricity" else []


def _coverage(coverage: Mapping[str, Claims], labels: Mapping[str, tuple[str, str]]) -> list[Claims]:
    order = {category: place for place, category in enumerate(labels)}
    return [
        {
            "category": category,
            "zh": labels.get(category, (category, category))[0],
            "en": labels.get(category, (category, category))[1],
            "status": row["status"],
            "months": row["months"],
            "first_month": row.get("first_month"),
            "last_month": row.get("last_month"),
        }
        for category, row in sorted(coverage.items(), key=lambda item: order.get(item[0], len(order)))
    ]


def _contested(one: Claims) -> Claims:
    return {
        "open": one["contested"],
        "category": one["category"],
        "period": one["period"],
        "zh": f"{one['label_zh']}：{one['claim_zh']}，{one['state_zh']}",
        "en": f"{one['label_en']}: {one['claim_en']}, {one['state_en']}",
        "without_it": _plain(one.get("without")),
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
