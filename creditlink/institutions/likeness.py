"""Whether two names can be mistaken for each other: what is left when only what a reader sees counts. Pure."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

# What the eye cannot tell apart within one script, in addition to Unicode's own table.
_ALIKE = ("lI1i|", "oO0〇", "己已巳", "未末", "日曰", "土士", "戊戌戍", "治冶", "人入", "干千于", "大太犬")
# One word in two scripts: traditional characters in names of banks and places, and the simplified ones.
_TRADITIONAL = dict(
    zip(
        "銀業國東廣順貸資產證險發鎮華聯興匯滙豐儲經濟區縣門龍灣擔賃務實財團會員總營運號萬億潤創開電鐵鋼綠藍紅飛馬鳳禪農"
        "農誠軟網數據錢長陽陳黃點貿易進臺與為書學護衛車輛導師邊層壹貳叁",
        "银业国东广顺贷资产证险发镇华联兴汇汇丰储经济区县门龙湾担赁务实财团会员总营运号万亿润创开电铁钢绿蓝红飞马凤禅农"
        "农诚软网数据钱长阳陈黄点贸易进台与为书学护卫车辆导师边层一二三",
        strict=True,
    )
)


def skeleton(name: str) -> str:
    """Return what a reader sees of a name: names that can be mistaken for each other share it.

    Width, case, marks, blanks and punctuation do not count; characters of any script that look alike are one.

    Source: Unicode Technical Standard 39, section 4, Confusable Detection.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    table = _table()
    letters = "".join(table.get(ord(one), one) for one in plain if unicodedata.category(one)[0] in "LN")
    return letters.replace("rn", "m").replace("vv", "w")


@cache
def _table() -> dict[int, str]:
    text = resources.files("creditlink.institutions").joinpath("confusables.txt").read_text("utf-8")
    table: dict[int, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            looks_like, _, alike = line.partition(" ")
            table |= {ord(one): looks_like for one in alike}
    table |= {ord(one): simple for one, simple in _TRADITIONAL.items()}
    for group in _ALIKE:
        table |= {ord(one): group[0] for one in group.casefold()}
    # What looks like one character of a group looks like all of them.
    table = {one: table.get(ord(like), like) for one, like in table.items()}
    # Letters without ink.
    return table | dict.fromkeys((0x115F, 0x1160, 0x3164, 0xFFA0), "")
