"""One optional question on the consent page: whether its text is understood. Pure.

It measures the text, not the person: nobody must answer, no answer changes what can be decided, and the bank that asks
never learns it. Which question a request gets follows from its id, so that all are asked alike often and a page that is
opened again asks the same; so does the order of the choices. docs/adr/0078-the-consent-page-and-financing.md
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from creditlink.consents.agreement.details import AuthorizationDetails
from creditlink.consents.agreement.limits import OWN
from creditlink.consents.agreement.statement import how_often, when

UNSURE = "unsure"
ANSWERS = ("right", "wrong", UNSURE, "skipped")
NAMES = ("until", "often", "stop")
"""The questions: until when the bank may query, how often, and what a withdrawal does."""


@dataclass(frozen=True)
class ReadingQuestion:
    """A question in one language; a choice's key says nothing of whether it is right."""

    name: str
    text: str
    choices: tuple[tuple[str, str], ...]  # key, words; the last is "not sure"
    right: str  # the key of the right one

    def judged(self, key: str | None) -> str:
        """Return what an answer is: right, wrong, unsure or skipped; whatever is no choice counts as skipped."""
        if key == UNSURE:
            return UNSURE
        if key not in {known for known, _ in self.choices}:
            return "skipped"
        return "right" if key == self.right else "wrong"


def question_for(consent_id: UUID, details: AuthorizationDetails, lang: str) -> ReadingQuestion | None:
    """Return the question that the page of a request asks; None where a firm looks at itself."""
    if details.purpose == OWN:
        return None
    name = NAMES[consent_id.int % len(NAMES)]
    place = 0 if lang == "zh" else 1
    text, *words = _words(name, details, lang)
    order = sorted(range(len(words)), key=lambda k: hashlib.sha256(f"{consent_id} {name} {k}".encode()).digest())
    choices = [(str(shown + 1), words[k]) for shown, k in enumerate(order)]
    choices.append((UNSURE, ("不确定", "I am not sure")[place]))
    return ReadingQuestion(name, text, tuple(choices), right=str(order.index(0) + 1))


def _words(name: str, details: AuthorizationDetails, lang: str) -> tuple[str, ...]:
    """Return the question and its choices, the right one first."""
    until, often = when(details.valid_until, lang, zone=False), how_often(details, lang)
    if lang == "zh":
        return {
            "until": ("该机构最晚可以查询到什么时候？", f"{until}，或您提前撤回之时", "一直可以", "贷款还清之时"),
            "often": ("该机构最多可以使用几次？", often, "不限次数", "每天一次"),
            "stop": ("您撤回授权后，会怎样？", "不能再查询，立即生效", "可以查询到授权期限届满", "可以查询到贷款还清"),
        }[name]
    return {
        "until": (
            "Until when can the institution query, at the latest?",
            f"{until}, or when you withdraw before that",
            "For ever",
            "Until the loan is repaid",
        ),
        "often": ("How often can it use this consent?", often, "As often as it likes", "Once every day"),
        "stop": (
            "What happens once you withdraw?",
            "No further query, at once",
            "Queries go on until the consent ends",
            "Queries go on until the loan is repaid",
        ),
    }[name]
