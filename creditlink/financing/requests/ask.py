"""What a firm asks for: amount, term, use, collateral. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

USES: Mapping[str, tuple[str, str]] = {
    "working_capital": ("流动资金", "Working capital"),
    "purchase": ("采购原材料", "Buying materials or goods"),
    "payroll": ("支付工资", "Paying wages"),
    "equipment": ("购置设备", "Buying equipment"),
    "premises": ("厂房与装修", "Premises and fitting out"),
    "technology": ("技术改造与研发", "Technology and research"),
    "energy_saving": ("节能改造", "Saving energy"),
    "tax": ("缴纳税费", "Paying taxes"),
    "refinancing": ("偿还其他贷款", "Repaying another loan"),
}
COLLATERAL: Mapping[str, tuple[str, str]] = {
    "none": ("无", "None"),
    "real_estate": ("不动产", "Real estate"),
    "equipment": ("设备", "Equipment"),
    "receivables": ("应收账款", "Receivables"),
    "inventory": ("存货", "Stock"),
    "guarantor": ("保证人", "A guarantor"),
    "intellectual_property": ("知识产权", "Intellectual property"),
}
AMOUNT_FEN = (100_000, 10_000_000_000)
TERM_MONTHS = (1, 360)
MOST_LENDERS = 10
"""Lenders asked at once: more would only be noise to them and a risk to the firm."""


class AskInvalid(ValueError):
    """A part of the request is out of range or unknown; `field` names it."""

    def __init__(self, field: str, value: object, problem: str) -> None:
        self.field, self.value, self.problem = field, value, problem
        super().__init__(f"field {field!r}: value {value!r}: {problem}")


@dataclass(frozen=True, slots=True)
class FinancingAsk:
    """One request in the firm's own terms; the amount is in fen."""

    amount_fen: int
    term_months: int
    use: str
    collateral: str = "none"

    def __post_init__(self) -> None:
        for name, value, (least, most) in (
            ("amount_fen", self.amount_fen, AMOUNT_FEN),
            ("term_months", self.term_months, TERM_MONTHS),
        ):
            if not least <= value <= most:
                raise AskInvalid(name, value, f"must lie within {least} … {most}")
        for name, chosen, known in (("use", self.use, USES), ("collateral", self.collateral, COLLATERAL)):
            if chosen not in known:
                raise AskInvalid(name, chosen, f"must be one of {', '.join(known)}")
