"""A product as a form writes it: yuan, per cent, one rule a line; what the form does not show stays as it was. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext

from creditlink.desk.pages.numbers import bps_of, fen_of, whole_of
from creditlink.desk.wire.software import Answer

_KEPT = (
    "guarantee", "risk_share_bps", "subsidy_bps", "tags", "quota_fen", "valid_until", "code",
)  # fmt: skip
_RULE = re.compile(r"\s*(\S+)\s+(>=|<=|>|<|==|between|in|not_in|at_least_grade)\s+(.+?)\s*")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")
_LONGEST = 20_000


@dataclass(frozen=True)
class FormInvalid(Exception):
    """A field does not read; the message names it."""

    message: str


def body_of(form: Mapping[str, str], categories: Sequence[str], before: Answer) -> dict[str, object]:
    """Return a product in its open form; `before` is the version that the form began with.

    Raises
    ------
    FormInvalid
        A field does not read.
    """
    try:
        read: dict[str, object] = {
            "name_zh": form.get("name_zh", "").strip(),
            "name_en": form.get("name_en", "").strip(),
            "kind": form.get("kind", ""),
            "amount_min_fen": fen_of(form.get("amount_min", ""), gettext("The smallest amount")),
            "amount_max_fen": fen_of(form.get("amount_max", ""), gettext("The largest amount")),
            "term_months_min": whole_of(form.get("term_min", ""), gettext("The shortest term"), most=360),
            "term_months_max": whole_of(form.get("term_max", ""), gettext("The longest term"), most=360),
            "rate_bps_min": bps_of(form.get("rate_min", ""), gettext("The lowest rate")),
            "rate_bps_max": bps_of(form.get("rate_max", ""), gettext("The highest rate")),
            "fees_bps": bps_of(form.get("fees") or "0", gettext("The fees")),
            "repayment": form.get("repayment", ""),
            "valid_from": form.get("valid_from", ""),
            "required_categories": list(categories),
            "rules": rules_of(form.get("rules", "")),
        }
    except ValueError as wrong:
        raise FormInvalid(str(wrong)) from None
    return {name: before[name] for name in _KEPT if before.get(name) is not None} | read


def rules_of(text: str) -> list[dict[str, object]]:
    """Return the rules, one a line: subject, operator, limit; several limits are separated by commas.

    Raises
    ------
    ValueError
        A line does not read; the message says which.
    """
    found: list[dict[str, object]] = []
    for number, line in enumerate(text[:_LONGEST].splitlines(), start=1):
        if not line.strip():
            continue
        match = _RULE.fullmatch(line)
        if match is None:
            raise ValueError(gettext("Line %(number)d of the conditions is not: what, how, limit.", number=number))
        subject, operator, limit = match.groups()
        found.append({"subject": subject, "operator": operator, "limit": limit_of(operator, limit)})
    return found


def limit_of(operator: str, text: str) -> object:
    """Return what a condition compares with: a number or a text, or several of them, separated by commas."""
    many = [one.strip() for one in re.split("[,，]", text)]
    if operator in ("in", "not_in"):
        return many
    values = [_value(one) for one in many]
    return values if operator == "between" else values[0]


def limit_text(limit: object) -> str:
    """Return a limit as `limit_of` reads it."""
    return ", ".join(_text(one) for one in limit) if isinstance(limit, list | tuple) else _text(limit)


def number_text(value: float) -> str:
    """Return a number as somebody types it: without an exponent, whole where it is whole."""
    return str(int(value)) if value == int(value) else f"{value:.12f}".rstrip("0").rstrip(".")


def rules_text(rules: Sequence[Answer]) -> str:
    """Return rules as `rules_of` reads them."""
    lines = []
    for rule in rules:
        lines.append(f"{rule['subject']} {rule['operator']} {limit_text(rule['limit'])}")
    return "\n".join(lines)


def _value(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)
