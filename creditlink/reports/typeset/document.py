"""What the pages show, made of the signed claims alone: words, numbers as people read them, drawings. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from creditlink.kit.clock import SHANGHAI
from creditlink.reports.content import SERIES, Claims
from creditlink.reports.typeset.glyphs import all_visible
from creditlink.reports.typeset.words import code, labels

_COLOURS = {"sales": "#2456a6", "tax": "#7a5ca8", "headcount": "#1b7f5c", "electricity": "#b07a16"}
_UNITS = {"sales": "wan", "tax": "wan", "headcount": "people", "electricity": "kwh"}
_TONES = {"A+": "#1b7f5c", "A": "#1b7f5c", "B": "#2456a6", "C": "#b07a16", "D": "#b3402f", "E": "#b3402f"}
_REGISTERED = (
    "entity_type", "status", "established_on", "industry", "region", "registered_capital_fen", "paid_in_capital_fen",
    "legal_representative", "address",
)  # fmt: skip
_OF_SOLE_TRADERS = {"legal_representative": "operator", "address": "premises"}
"""What the register of sole traders calls by another name."""
_FEN_OF_WAN = 1_000_000
_LEAST_WIDTH = 0.5  # of a hundred: a step of little can still be seen


def document_of(claims: Claims, *, digest: str, picture: str) -> Claims:
    """Return what the template reads.

    Parameters
    ----------
    digest : SHA-256 of the signed claims, in hex
    picture : the code that leads to the verify page, as SVG
    """
    language = claims["language"]
    words, profile = labels(language), claims["profile"]
    own = "zh" if language == "zh" else "en"
    made = _instant(claims["iat"])
    series = [name for name in SERIES if any(name in row for row in claims["months"])]
    shown = {
        "language": language,
        "labels": words,
        "claims": claims,
        "title": f"{words['title']} {claims['firm']['name']}",
        "made": [made.year, made.month, made.day],
        "made_at": f"{made:%Y-%m-%d %H:%M}",
        "valid_until": f"{_instant(claims['exp']):%Y-%m-%d %H:%M}",
        "maker": words["by_firm"] if claims["made_by"]["kind"] == "firm" else claims["made_by"][f"name_{own}"],
        "mark": words["mark"].format(recipient=claims["recipient"], purpose=claims["purpose"]),
        "page": words["page"],
        "digest": digest,
        "tone_of_grade": [_TONES.get(profile["grade"], "#5b6478")],
        "pd": _percent(profile["pd_12m"]),
        "interval": _interval(profile["interval"]),
        "not_scorable": (profile["not_scorable_reason"] or {}).get(own),
        "bands": {one["grade"]: f"{_percent(one['pd_from'])} – {_percent(one['pd_below'])}" for one in claims["scale"]},
        "waterfall": list(_waterfall(profile.get("waterfall"), own, words)),
        "told": {
            name: [_told(row, own) for row in profile.get(name) or ()]
            for name in ("reasons", "strengths", "knock_outs", "human_review")
        },
        "firm": list(_firm(claims["firm"], language, words)),
        "series": series,
        "colours": {name: [colour] for name, colour in _COLOURS.items()},
        "units": {name: words[unit] for name, unit in _UNITS.items()},
        "tops": {name: _span(claims["months"], name) for name in series},
        "months": [
            [row["month"] + ("*" if "filed_for_months" in row else ""), *(_figure(row.get(n), n) for n in series)]
            for row in claims["months"]
        ],
        "quarterly": any("filed_for_months" in row for row in claims["months"]),
        "coverage": [
            [one[own], code(one["status"], language), str(one["months"] or "–"), _from_to(one)]
            for one in claims["coverage"]
        ],
        "contested": [
            [one["period"] or "–", one[own], words["open"] if one["open"] else "–"] for one in claims["contested"]
        ],
        "left_out": [one[own] for one in claims["left_out"]],
        "profile_until": (profile["valid_until"] or "–")[:10],
    }  # fmt: skip
    visible = all_visible(shown)
    assert isinstance(visible, dict)  # noqa: S101 (for the type checker)
    return visible | {"qr": picture}


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(SHANGHAI)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"


def _interval(interval: Claims | None) -> str | None:
    if interval is None:
        return None
    return f"{_percent(interval['pd_low'])} – {_percent(interval['pd_high'])}"


def _told(row: Claims, own: str) -> dict[str, str]:
    points = row.get("points")
    return {
        "code": row["code"] or "",
        "words": row[own] or row["code"] or "",
        "points": "" if points is None else f"{points:+.1f}",
    }


def _waterfall(told: Claims | None, own: str, words: Mapping[str, str]) -> Iterator[Claims]:
    """Yield a bar a step, each as long as what it moved and where it moved from, in hundredths of the drawing."""
    if told is None:
        return
    moved = [(one[own], one["points"]) for one in told["steps"]] + [(words["calibration"], told["calibration"])]
    moved = [(label, points) for label, points in moved if points]
    levels = [told["base"]]
    for _, points in moved:
        levels.append(levels[-1] + points)
    low, high = min(*levels, told["total"]), max(*levels, told["total"])
    ground = low - max(1.0, (high - low) * 0.15)
    scale = 100.0 / (high - ground)

    def bar(label: str, text: str, start: float, length: float, kind: str) -> Claims:
        width = max(length * scale, _LEAST_WIDTH)
        return {"label": label, "points": text, "kind": kind, "x": round((start - ground) * scale, 2),
                "width": round(width, 2)}  # fmt: skip

    yield bar(words["base"], f"{told['base']:.0f}", ground, told["base"] - ground, "total")
    for (label, points), level in zip(moved, levels, strict=False):
        yield bar(label, f"{points:+.1f}", min(level, level + points), abs(points), "plus" if points > 0 else "minus")
    yield bar(words["total"], f"{told['total']:.0f}", ground, told["total"] - ground, "total")


def _firm(firm: Claims, language: str, words: Mapping[str, str]) -> Iterator[list[str]]:
    is_sole = firm["entity_type"] == "sole_trader"
    for name in (one for one in _REGISTERED if one in firm):  # signed JSON has its members by name
        value = firm[name]
        if is_sole and value is None and name.endswith("_fen"):
            continue  # a sole trader registers none
        if name.endswith("_fen"):
            text = "–" if value is None else _money(value, language)
        elif name in ("entity_type", "status"):
            text = code(value, language)
        else:
            text = "–" if value is None else str(value)
        yield [words[_OF_SOLE_TRADERS.get(name, name) if is_sole else name], text]


def _money(fen: int, language: str) -> str:
    return f"{fen / _FEN_OF_WAN:,.2f} 万元" if language == "zh" else f"CNY {fen / 100:,.2f}"


def _figure(value: float | None, name: str) -> str:
    if value is None:
        return "–"
    if name in ("sales", "tax"):
        return f"{value / _FEN_OF_WAN:,.2f}"
    return f"{value:,.0f}"


def _span(rows: Sequence[Claims], name: str) -> str:
    """Return the least and the most of a series, as the table below the drawing says them."""
    known = [row[name] for row in rows if row.get(name) is not None]
    return f"{_figure(min(known), name)} – {_figure(max(known), name)}" if known else "–"


def _from_to(one: Claims) -> str:
    return "–" if not one["first_month"] else f"{one['first_month']} – {one['last_month']}"
