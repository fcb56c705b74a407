"""The second layer of the text: of each category what exactly is read, where, which months, how often, until when.

It is a part of the text that is signed, so it follows from the request alone: no row of any firm is in it. Pure.
"""

from __future__ import annotations

from datetime import date

from creditlink.consents.agreement.identity import Lines, month_text
from creditlink.engine.facts.catalogue import CATEGORIES as CATALOGUE
from creditlink.kit.clock import add_months, month_start

_NOT_OF_SUPPLY = {
    "electricity": frozenset({"kind"}),
    "water": frozenset({"kind", "night_usage", "weekend_usage"}),
    "gas": frozenset({"kind", "night_usage", "weekend_usage"}),
}
"""What the three supplies share a record for, and one of them does not have: only electricity is read by the hour."""


def second_layer(
    category: str,
    *,
    office: str,
    often: str,
    until: str,
    history_months: int,
    life_days: int,
    asked_on: date | None,
    lang: str,
) -> Lines:
    """Return what is said of one category when its details are opened, as pairs of heading and text.

    Parameters
    ----------
    office, often, until : in the words of the first layer, so that the two never differ.
    asked_on : the day of the request, from whose month the months are counted; None: it is not known yet.
    """
    passed = _NOT_OF_SUPPLY.get(category, frozenset())
    items = [one for one in CATALOGUE[category].items if one.name not in passed]
    names = list(dict.fromkeys(one.label_zh if lang == "zh" else one.label_en for one in items))
    first = month_text(add_months(month_start(asked_on), -history_months), lang) if asked_on else None
    if lang == "zh":
        months = f"自{first}起（以本月同意计），至每次查询当日止；更早的记录不查询" if first else None
        return (
            ("读取的项目", "、".join(names)),
            ("向谁查询", office),
            ("哪些月份", months or f"最近{history_months}个月；更早的记录不查询"),
            ("多久一次", often),
            ("到什么时候", f"{until}之后不再查询"),
            (
                "保存与删除",
                f"记录存于本平台，据此产生的结果最多保存{life_days}天；撤回授权时，未用于信用画像的记录随即删除",
            ),
        )
    months = f"from {first}, if you agree this month, up to the day of each query; nothing earlier" if first else None
    days = "1 day" if life_days == 1 else f"{life_days} days"
    return (
        ("What is read", "; ".join(names)),
        ("Asked of", office),
        ("Which months", months or f"the last {history_months} months; nothing earlier"),
        ("How often", often),
        ("Until when", f"no query after {until}"),
        (
            "Kept and deleted",
            f"The records stay with CreditLink; what is computed from them is kept for {days} at most. When you "
            "withdraw, records that no profile was computed from are deleted at once",
        ),
    )
