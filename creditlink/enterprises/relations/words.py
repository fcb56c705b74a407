"""Ways to a revoked firm in words, as a bank or the firm may read them. Pure.

Representatives and addresses are published. Of natural shareholders neither is told who they are.
"""

from __future__ import annotations

from creditlink.enterprises.relations.graph import Step, TieKind, Way

KINDS: dict[TieKind, tuple[str, str]] = {
    "representative": ("法定代表人", "representative"),
    "shareholder": ("自然人股东", "a natural shareholder"),
    "address": ("登记地址", "the address"),
    "holding": ("股权", "the shares held by"),
}
"""Kind of a tie -> its name in Chinese and English."""


def through_of(step: Step) -> str | None:
    """Return the name that a step leads through; None where it is a natural shareholder's."""
    return None if step.kind == "shareholder" else step.through


def sentence_zh(way: Way) -> str:
    """Return a way in Chinese."""
    steps = "，".join(f"经{KINDS[step.kind][0]}{_quoted(step)}关联到{step.firm.name}" for step in way.steps)
    day = f"于{way.revoked.revoked_on}" if way.revoked.revoked_on else ""
    return f"{steps}，该企业{day}被吊销营业执照"


def sentence_en(way: Way) -> str:
    """Return a way in English."""
    steps = ", ".join(f"through {KINDS[step.kind][1]}{_named(step)} to {step.firm.name}" for step in way.steps)
    day = f" on {way.revoked.revoked_on}" if way.revoked.revoked_on else ""
    return f"{steps}, whose licence was revoked{day}"


def _quoted(step: Step) -> str:
    name = through_of(step)
    return "" if name is None else f"（{name}）" if step.kind in ("address", "holding") else name


def _named(step: Step) -> str:
    name = through_of(step)
    return "" if name is None else f" {name}"
