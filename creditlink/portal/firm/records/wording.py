"""What the tables of a firm's records call their parts, periods and codes."""

from __future__ import annotations

from flask_babel import gettext

from creditlink.disputes.rules.datum import FRAMES
from creditlink.kit.clock import add_months
from creditlink.kit.files.text import printable
from creditlink.portal.site import lang
from creditlink.profiles.lineage.months import KnownFact

_CODES = {
    "prepayment": ("预缴", "prepayment"), "settlement": ("汇算清缴", "annual settlement"),
    "output": ("销项", "sales"), "input": ("进项", "purchases"),
    "monthly": ("按月", "monthly"), "quarterly": ("按季", "quarterly"), "occasion": ("按次", "on occasion"),
    "general": ("一般纳税人", "general taxpayer"), "small_scale": ("小规模纳税人", "small-scale taxpayer"),
    "violation": ("违法", "violation"), "penalty": ("处罚", "penalty"), "refund": ("退税", "refund"),
    "licence": ("行政许可", "licence"), "court_enforcement": ("法院执行", "court enforcement"),
    "dishonest_debtor": ("失信被执行人", "dishonest debtor"), "red_list": ("守信红名单", "red list"),
    "searched": ("已查询，未列入任何名单", "lists searched: none names the firm"),
    "electricity": ("电", "electricity"), "water": ("水", "water"), "gas": ("气", "gas"),
    "direct_debit": ("代扣", "direct debit"), "transfer": ("转账", "transfer"), "cash": ("现金", "cash"),
    "actual": ("实抄", "actual"), "estimated": ("估抄", "estimated"), "substituted": ("补录", "substituted"),
    "patent": ("发明专利", "patent"), "utility_model": ("实用新型", "utility model"),
    "trademark": ("商标", "trademark"),
    "software": ("软件著作权", "software copyright"), "export": ("出口", "export"), "import": ("进口", "import"),
    "True": ("是", "yes"), "False": ("否", "no"),
}  # fmt: skip
_SEVERITIES = {"1": ("轻微", "minor"), "2": ("一般", "ordinary"), "3": ("严重", "serious")}


def frame_label(frame: str) -> str:
    """Return what a part of the records is called."""
    return FRAMES[frame][lang() != "zh"]


def code_text(item: str, value: object) -> str:
    """Return a code in words; one that has none as it is."""
    if value is None:
        return "–"
    words = _SEVERITIES if item == "severity" else _CODES
    known = words.get(str(value))
    return known[lang() != "zh"] if known else printable(str(value))[:40]


def period_text(fact: KnownFact) -> str:
    """Return the months that a fact is about."""
    months = fact.value_of("months")
    first = f"{fact.period:%Y-%m}"
    if isinstance(months, int) and 1 < months <= 12:
        last = f"{add_months(fact.period, months - 1):%Y-%m}"
        return str(gettext("%(first)s to %(last)s", first=first, last=last))
    return first
