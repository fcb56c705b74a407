"""An overlay as a form writes it, and a form as an overlay fills it: each is the other, read backwards. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flask_babel import gettext

from creditlink.desk.pages.products.form import FormInvalid, limit_of, limit_text, number_text
from creditlink.desk.pages.products.overlay_parts import OverlayPart, RowField, parts
from creditlink.desk.wire.software import Answer

Texts = dict[str, str]
_NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,12})?")
_SELECTED = ("choice", "yes")
_HEAD = ("name_zh", "name_en", "grade_at_least", "pd_at_most", "otherwise", "on_knock_out", "shown_to_firm")
_SPARE = 1
"""Blank rows at the end of each list, so that one can be added without any script."""
_MORE = 3


@dataclass(frozen=True)
class OverlayFilled:
    """What the fields of the form hold."""

    head: Texts
    rows: dict[str, list[Texts]] = field(default_factory=dict)  # part -> its rows
    asked: dict[str, int] = field(default_factory=dict)  # part -> how many rows the form had, blank ones among them

    def shown(self, part: OverlayPart, *, more: str = "") -> list[Texts]:
        """Return the rows that the form shows of a part: those that hold something, and blank ones."""
        held = self.rows.get(part.name, [])
        wanted = max(len(held) + _SPARE, self.asked.get(part.name, 0)) + (_MORE if more == part.name else 0)
        return [*held, *({} for _ in range(min(wanted, part.most) - len(held)))]


def filled_by(terms: Answer) -> OverlayFilled:
    """Return the form that an overlay fills."""
    cut_offs = terms["cut_offs"]
    pd = cut_offs.get("pd_at_most")
    head = {
        "name_zh": str(terms["name_zh"]), "name_en": str(terms["name_en"]),
        "grade_at_least": str(cut_offs.get("grade_at_least") or ""),
        "pd_at_most": "" if pd is None else number_text(round(float(pd) * 100, 10)),
        "otherwise": str(cut_offs.get("otherwise") or "decline"),
        "on_knock_out": str(cut_offs.get("on_knock_out") or "refer"),
        "shown_to_firm": "yes" if terms.get("shown_to_firm") else "",
    }  # fmt: skip
    rows = {
        part.name: [{one.name: _shown(one, row) for one in part.fields} for row in _listed(terms, part.name)]
        for part in parts()
    }
    return OverlayFilled(head, rows)


def filled_in(form: Mapping[str, str]) -> OverlayFilled:
    """Return what somebody typed; rows in which nothing was typed are left out, so the others close up."""
    rows: dict[str, list[Texts]] = {}
    for part in parts():
        found = [
            {one.name: form.get(f"{part.name}-{at}-{one.name}", "").strip()[: one.most] for one in part.fields}
            for at in range(part.most)
        ]
        rows[part.name] = [
            row for row in found if any(row[one.name] for one in part.fields if one.kind not in _SELECTED)
        ]
    asked = {part.name: _count(form.get(f"{part.name}-rows", "")) for part in parts()}
    return OverlayFilled({name: form.get(name, "").strip()[:80] for name in _HEAD}, rows, asked)


def terms_of(filled: OverlayFilled) -> dict[str, object]:
    """Return the overlay that a form says, as the API takes it; what is wrong beyond the form, the API says.

    Raises
    ------
    FormInvalid
        A field does not read.
    """
    head = filled.head
    cut_offs: dict[str, object] = {
        "otherwise": head["otherwise"], "on_knock_out": head["on_knock_out"], "rules": list(_read(filled, "rules")),
    }  # fmt: skip
    if head["grade_at_least"]:
        cut_offs["grade_at_least"] = head["grade_at_least"]
    if head["pd_at_most"]:
        cut_offs["pd_at_most"] = round(_number(head["pd_at_most"], gettext("The largest PD")) / 100, 12)
    return {
        "name_zh": head["name_zh"], "name_en": head["name_en"], "shown_to_firm": head["shown_to_firm"] == "yes",
        **{name: list(_read(filled, name)) for name in ("columns", "weights", "offsets")}, "cut_offs": cut_offs,
    }  # fmt: skip


def _listed(terms: Answer, name: str) -> Sequence[Answer]:
    listed: Sequence[Answer] = (terms["cut_offs"] if name == "rules" else terms).get(name) or ()
    return listed


def _shown(one: RowField, row: Answer) -> str:
    if one.kind == "steps":
        bands = [(number_text(band["below"]), band["log_odds"]) for band in row.get("bands") or ()]
        steps = bands or list((row.get("by_choice") or {}).items())
        return "; ".join(f"{name}: {number_text(log_odds)}" for name, log_odds in steps)
    value = row.get(one.name, one.default)
    if one.kind == "limit":
        return limit_text(value)
    if one.kind == "texts":
        return ", ".join(str(each) for each in value or ())
    if one.kind == "yes":
        return "yes" if value else ""
    if one.kind == "number":
        return "" if value is None or value == one.default else number_text(value)
    return "" if value is None else str(value)


def _read(filled: OverlayFilled, name: str) -> Iterator[dict[str, object]]:
    part = next(one for one in parts() if one.name == name)
    for at, row in enumerate(filled.rows.get(name, []), start=1):
        read: dict[str, object] = {}
        for one in part.fields:
            where = f"{part.one} {at}, {one.label}"
            text = row.get(one.name, "")
            if one.kind == "steps":
                read |= _steps(row.get("form", ""), text, where)
            elif one.kind == "limit":
                read[one.name] = limit_of(row.get("operator", ""), text)
            elif one.kind == "yes":
                read[one.name] = text == "yes"
            elif one.name == "direction":
                read[one.name] = int(_number(text or "0", where))
            elif one.kind == "texts":
                read[one.name] = _several(text)
            elif one.kind == "number" and text:
                read[one.name] = _number(text, where)
            elif one.kind == "number":
                if one.default is not None:
                    read[one.name] = one.default
            else:
                read[one.name] = text
        yield read


def _steps(form: str, text: str, where: str) -> dict[str, object]:
    """Return the bands, or the choices, that a text lists: `30: -0.1; 90: 0.2`."""
    steps: list[tuple[str, float]] = []
    for one in filter(None, (each.strip() for each in re.split(r"[;；\n]", text))):
        name, mark, log_odds = one.replace("：", ":").rpartition(":")
        if not mark:
            raise FormInvalid(gettext("%(name)s must be like 30: -0.1; 90: 0.2.", name=where))
        steps.append((name.strip(), _number(log_odds.strip(), where)))
    if form == "by_choice":
        return {"by_choice": dict(steps)}
    return {"bands": [{"below": _number(name, where), "log_odds": log_odds} for name, log_odds in steps]}


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 0


def _several(text: str) -> list[str]:
    return [one for one in (each.strip() for each in re.split("[,，]", text)) if one]


def _number(text: str, where: str) -> float:
    if not _NUMBER.fullmatch(text) or not text.isascii() or not math.isfinite(float(text)):
        raise FormInvalid(gettext("%(name)s must be a number.", name=where))
    return float(text)
