"""The parts of an overlay as a form shows them: lists of rows, each row with the same fields. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flask_babel import gettext

from creditlink.engine.matching.products.rules import OPERATORS
from creditlink.engine.overlay.terms import FORMS, OUTCOMES

RowKind = Literal["text", "number", "texts", "steps", "limit", "choice", "yes"]
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class RowField:
    """One field of a row; `default` is what the API takes where it is left out."""

    name: str
    label: str
    kind: RowKind = "text"
    choices: Choices = ()
    default: object = None
    hint: str = ""
    most: int = 80


@dataclass(frozen=True)
class OverlayPart:
    """A list within an overlay."""

    name: str
    title: str
    one: str  # what a row is called
    most: int  # rows at most
    fields: Sequence[RowField]
    hint: str = ""


def outcomes() -> Choices:
    """Return what an overlay may decide, in words."""
    words = {"accept": gettext("accept"), "refer": gettext("refer to a person"), "decline": gettext("decline")}
    return [(one, words[one]) for one in OUTCOMES]


def parts() -> Sequence[OverlayPart]:
    """Return the parts, in the order of the form."""
    zh, en = gettext("Name in Chinese"), gettext("Name in English")
    log_odds = gettext("Log-odds of bad; + is riskier")
    forms = {
        "standardised": gettext("by deviations from a mean"), "banded": gettext("by bands"),
        "by_choice": gettext("by choice"),
    }  # fmt: skip
    kinds = [("number", gettext("a number")), ("flag", gettext("yes or no")), ("choice", gettext("a choice"))]
    ways = [("0", gettext("either")), ("1", gettext("the riskier")), ("-1", gettext("the safer"))]
    operators = sorted({one for of in OPERATORS.values() for one in of})
    return (
        OverlayPart(
            "rules", gettext("Conditions"), gettext("Condition"), 60,
            (
                RowField("code", gettext("Your code"), most=20), RowField("label_zh", zh), RowField("label_en", en),
                RowField("subject", gettext("What"), hint="indicator.sales_12_fen"),
                RowField("operator", gettext("How"), "choice", [(one, one) for one in operators]),
                RowField("limit", gettext("Limit"), "limit", hint=gettext("several with commas"), most=8000),
                RowField("outcome", gettext("Where it is not met"), "choice", outcomes(), "decline"),
                RowField("if_unknown", gettext("Where it is not known"), "choice", outcomes(), "refer"),
            ),
        ),
        OverlayPart(
            "weights", gettext("Weights"), gettext("Weight"), 60,
            (
                RowField("subject", gettext("What"), hint="indicator.headcount, own.late_days"),
                RowField("form", gettext("How it counts"), "choice", [(one, forms[one]) for one in FORMS]),
                RowField("mean", gettext("Mean"), "number", default=0.0),
                RowField("deviation", gettext("Standard deviation"), "number", default=1.0),
                RowField("log_odds", gettext("Log-odds by deviation"), "number", default=0.0),
                RowField("steps", gettext("Bands or choices"), "steps", hint="30: -0.1; 90: 0.2", most=4000),
                RowField("otherwise", gettext("Beyond them"), "number", default=0.0),
                RowField("against_direction_reason", gettext("Why against its direction"), default="", most=500),
            ),
            hint=gettext("A band is where it ends, and its log-odds; a choice is its name, and its log-odds."),
        ),
        OverlayPart(
            "columns", gettext("Own columns"), gettext("Column"), 30,
            (
                RowField("name", gettext("Name"), hint="late_days", most=40),
                RowField("kind", gettext("Kind"), "choice", kinds), RowField("label_zh", zh), RowField("label_en", en),
                RowField("unit", gettext("Unit"), default="", most=20),
                RowField("minimum", gettext("Least value"), "number"),
                RowField("maximum", gettext("Largest value"), "number"),
                RowField(
                    "choices", gettext("Choices"), "texts", default=(), hint=gettext("several with commas"), most=4000
                ),
                RowField("direction", gettext("The higher,"), "choice", ways, 0),
                RowField("required", gettext("A firm without it goes to a person"), "yes", default=False),
            ),
        ),
        OverlayPart(
            "offsets", gettext("Segments"), gettext("Segment"), 30,
            (
                RowField("subject", gettext("What"), hint="registration.industry"),
                RowField("one_of", gettext("Codes"), "texts", hint=gettext("several with commas"), most=5000),
                RowField("log_odds", log_odds, "number"), RowField("label_zh", zh), RowField("label_en", en),
            ),
        ),
    )  # fmt: skip
