"""Bands in place of numbers, and the words for codes that a card states. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

_FEN_PER_WAN = 1_000_000
_STEP = 50


@dataclass(frozen=True)
class Ends:
    """Bands by their lower ends, each with its code and what people read."""

    lower: tuple[float, ...]
    bands: tuple[tuple[str, tuple[str, str]], ...]

    def band_of(self, value: float) -> str:
        """Return the code of the band that a value lies in; a band begins with its lower end."""
        return self.bands[max(0, bisect_right(self.lower, value) - 1)][0]

    @property
    def words(self) -> Mapping[str, tuple[str, str]]:
        """Code -> what people read."""
        return dict(self.bands)


_YEARS = Ends(
    (0, 1, 3, 5, 10),
    (
        ("under_1", ("不满1年", "under 1 year")), ("1_to_3", ("1至3年", "1 to 3 years")),
        ("3_to_5", ("3至5年", "3 to 5 years")), ("5_to_10", ("5至10年", "5 to 10 years")),
        ("10_or_more", ("10年以上", "10 years or more")),
    ),
)  # fmt: skip
YEARS = _YEARS.words
SALES = Ends(
    tuple(one * _FEN_PER_WAN for one in (0, 100, 500, 2_000, 5_000, 10_000)),
    (
        ("under_1m", ("100万元以下", "under 1 million yuan")),
        ("1m_to_5m", ("100万至500万元", "1 to 5 million yuan")),
        ("5m_to_20m", ("500万至2000万元", "5 to 20 million yuan")),
        ("20m_to_50m", ("2000万至5000万元", "20 to 50 million yuan")),
        ("50m_to_100m", ("5000万至1亿元", "50 to 100 million yuan")),
        ("100m_or_more", ("1亿元以上", "100 million yuan or more")),
    ),
)
HEADCOUNT = Ends(
    (0, 10, 20, 50, 100, 300),
    (
        ("under_10", ("10人以下", "under 10")), ("10_to_20", ("10至19人", "10 to 19")),
        ("20_to_50", ("20至49人", "20 to 49")), ("50_to_100", ("50至99人", "50 to 99")),
        ("100_to_300", ("100至299人", "100 to 299")), ("300_or_more", ("300人以上", "300 or more")),
    ),
)  # fmt: skip
GRADES_BANDED: Mapping[str, tuple[str, str]] = {
    "A": ("A档（A+、A）", "A (A+ or A)"),
    "B": ("B档", "B"),
    "C": ("C档", "C"),
    "D": ("D档（D、E）", "D (D or E)"),
}
"""Band -> what people read: the two best grades and the two last ones are told as one."""

REGIONS: Mapping[str, tuple[str, str]] = {
    "440600": ("佛山市", "Foshan"),
    "440604": ("佛山市禅城区", "Chancheng, Foshan"),
    "440605": ("佛山市南海区", "Nanhai, Foshan"),
    "440606": ("佛山市顺德区", "Shunde, Foshan"),
    "440607": ("佛山市三水区", "Sanshui, Foshan"),
    "440608": ("佛山市高明区", "Gaoming, Foshan"),
}
"""The city and its districts by GB/T 2260; others are shown by their code."""

SECTIONS: Mapping[str, tuple[str, str]] = {
    "A": ("农、林、牧、渔业", "Agriculture, forestry and fishing"),
    "B": ("采矿业", "Mining"),
    "C": ("制造业", "Manufacturing"),
    "D": ("电力、热力、燃气及水生产和供应业", "Electricity, heat, gas and water"),
    "E": ("建筑业", "Construction"),
    "F": ("批发和零售业", "Wholesale and retail"),
    "G": ("交通运输、仓储和邮政业", "Transport, storage and post"),
    "H": ("住宿和餐饮业", "Accommodation and catering"),
    "I": ("信息传输、软件和信息技术服务业", "Information and software services"),
    "J": ("金融业", "Finance"),
    "K": ("房地产业", "Real estate"),
    "L": ("租赁和商务服务业", "Leasing and business services"),
    "M": ("科学研究和技术服务业", "Research and technical services"),
    "N": ("水利、环境和公共设施管理业", "Water, environment and public facilities"),
    "O": ("居民服务、修理和其他服务业", "Resident services and repair"),
    "P": ("教育", "Education"),
    "Q": ("卫生和社会工作", "Health and social work"),
    "R": ("文化、体育和娱乐业", "Culture, sport and entertainment"),
    "S": ("公共管理、社会保障和社会组织", "Public administration and social organisations"),
    "T": ("国际组织", "International organisations"),
}
"""Sections of GB/T 4754-2017."""


def years_in_business(established_on: date, today: date) -> str:
    """Return the band of the whole years between two days.

    >>> [years_in_business(date(2023, 12, 1), date(2026, month, 1)) for month in (11, 12)]
    ['1_to_3', '3_to_5']
    """
    before = (today.month, today.day) < (established_on.month, established_on.day)
    return _YEARS.band_of(today.year - established_on.year - before)


def grade_band(grade: str) -> str:
    """Return the band of a grade.

    >>> [grade_band(one) for one in ("A+", "A", "B", "C", "D", "E")]
    ['A', 'A', 'B', 'C', 'D', 'D']
    """
    return {"A+": "A", "E": "D"}.get(grade, grade)


def points_band(points: int) -> str:
    """Return the step of fifty that points lie in, from its first to its last whole point.

    >>> points_band(649), points_band(650)
    ('600–649', '650–699')
    """
    low = points // _STEP * _STEP
    return f"{low}–{low + _STEP - 1}"
