"""The sentences of reasons and strengths, in Chinese and English.

A stored profile keeps what was said to the bank. So that a replay says the same, each set of rules and words is an
edition, and a profile names the one it was made by.
"""

from __future__ import annotations

from collections.abc import Sequence

from creditlink.engine.scoring.peers import ALL_PEERS
from creditlink.engine.vocabulary import CATEGORIES, EDITION, FIRST_EDITION, TAXPAYER_GRADES

Words = tuple[str, str]
"""The same in zh and en."""

POPULATIONS: dict[str, Words] = {"synthetic city": ("模拟城市", "the synthetic city")}
"""What a model learned from, as its manifest says -> where its peers are at home. Firms of no other place are in it."""

MISSING_CODES: dict[str, str] = {
    "registration": "R901",
    "tax": "R902",
    "social_security": "R903",
    "utility": "R904",
    "public_credit": "R905",
    "contract": "R906",
    "intellectual_property": "R907",
    "logistics": "R908",
    "housing_fund": "R909",
    "import_export": "R910",
}
"""Category -> the code of the reason that its values are missing; never reused."""

_UNITS: dict[str, tuple[str, str]] = {
    "months": ("个月", " months"),
    "days": ("天", " days"),
    "count": ("", ""),
    "people": ("人", " people"),
    "score": ("分", ""),
    "kg": ("千克", " kg"),
    "deviations": ("个标准偏差", " deviations"),
}

_ONE = {"months": " month", "days": " day", "people": " person", "deviations": " deviation"}

_RANKS: dict[str, tuple[tuple[str, str], ...]] = {
    # Position in the list is the indicator's value less its first value, below.
    "taxpayer_grade": tuple((grade, grade) for grade in TAXPAYER_GRADES),
    "status_rank": (("存续", "active"), ("停业", "suspended"), ("吊销或注销", "revoked or deregistered")),
}
_FIRST_RANK = {"taxpayer_grade": 1, "status_rank": 0}


def missing_sentences(records: Sequence[Words], labels: Words, others: int, adverse_points: float) -> Words:
    """Return what is said where delivered records are too short for some indicators.

    Parameters
    ----------
    records : what is said of the records that were delivered and read, once for each source
    labels : the indicator that weighs most
    others : how many more have no value
    """
    lost = _points(adverse_points)
    read = ("、".join(zh for zh, _ in records), " and ".join(en for _, en in records))
    several = f"等{others + 1}项指标" if others else ""
    more = f" and {others} other indicator{'' if others == 1 else 's'}" if others else ""
    return (
        f"已取得的{read[0]}记录不足以计算“{labels[0]}”{several}，评分因此减少{lost[0]}。",
        f"Not computable from the {read[1]} that were delivered: {labels[1]}{more}. This costs {lost[1]}.",
    )


def missing_sentences_1(category: str, adverse_points: float) -> Words:
    """Return what the first edition said of a category with missing values."""
    label = CATEGORIES[category].records
    lost = _number(abs(adverse_points), 0)
    return (
        f"{label[0]}数据：记录不足以计算部分指标，评分因此减少{lost}分。",
        f"Some values from {label[1]} records are missing: the records do not suffice for some indicators. "
        f"This costs {lost} points.",
    )


def value_text(name: str, value: float, unit: str, edition: int = EDITION) -> Words:
    """Return an observed value with its unit, in zh and en."""
    if name in _RANKS:
        position = round(value) - _FIRST_RANK[name]
        ranks = _RANKS[name]
        return ranks[position] if 0 <= position < len(ranks) else (_number(value), _number(value))
    match unit:
        case "fen":
            return _money(value)
        case "fen/kWh":
            return f"每千瓦时{_money(value)[0]}", f"{_money(value)[1]} per kWh"
        case "ratio":
            return f"{_number(value * 100, 1)}%", f"{_number(value * 100, 1)}%"
        case "flag":
            return (("否", "no"), ("是", "yes"))[bool(value)]
        case "kg/fen":  # a fen is too little to picture: per ten thousand yuan
            return f"每万元{_number(value * 1e6)}千克", f"{_number(value * 1e6)} kg per CNY 10,000"
        case _:
            zh, en = _UNITS.get(unit, ("", ""))
            text = _number(value, 1 if unit in ("months", "days", "count", "people", "kg") else 2)
            if text == "1" and edition > FIRST_EDITION:
                en = _ONE.get(unit, en)
            return text + zh, text + en


def indicator_sentences(
    *,
    name: str,
    labels: tuple[str, str],
    value: float,
    unit: str,
    direction: int,
    median: float | None,
    peers: str | None,
    points: float,
    population: Words | None = None,
    together: bool = False,
    edition: int = EDITION,
) -> Words:
    """Return what is said of an indicator: its value, its peers', how it is read and what it did.

    Parameters
    ----------
    peers
        Whose median it is: `C/small`, `C`, or `*` for all firms.
    points
        What its group adds to the points; negative costs points.
    population
        Where the peers are at home; None: not said.
    together
        Whether other known indicators of its group have a part in the points.
    edition
        The words' edition.
    """
    observed = value_text(name, value, unit, edition)
    zh, en = f"{labels[0]}为{observed[0]}", f"{labels[1]}: {observed[1]}"
    usual = observed if median is None else value_text(name, median, unit, edition)
    if median is not None:
        who = peers_text(peers or ALL_PEERS, population)
        if observed == usual and unit == "flag" and edition > FIRST_EDITION:
            zh += f"，与{who[0]}中的多数相同"
            en += f", as for most {who[1].removeprefix('the ')}"
        elif unit in ("rank", "flag"):  # a word is neither below nor above another
            zh += f"，{who[0]}中位数为{usual[0]}"
            en += f"; the median of {who[1]} is {usual[1]}"
        elif observed == usual:
            zh += f"，与{who[0]}中位数相当"
            en += f", about the median of {who[1]}"
        else:
            lies = ("低于", "below") if value < median else ("高于", "above")
            zh += f"，{lies[0]}{who[0]}中位数{usual[0]}"
            en += f", {lies[1]} the median of {who[1]}, {usual[1]}"
    if direction and unit not in ("flag", "rank"):
        zh += "；该指标越高，风险越高" if direction > 0 else "；该指标越高，风险越低"
        en += "; higher is riskier" if direction > 0 else "; higher is safer"
    if observed != usual and _against_peers(value, median, peers, direction=direction, points=points):
        zh += "；就全体企业而言仍偏" + ("有利" if points > 0 else "不利")
        en += "; among all firms it still lies on the " + ("safe" if points > 0 else "risky") + " side"
    size = _points(points) if edition > FIRST_EDITION else (f"{_number(abs(points), 0)}分", _plural(points))
    zh += f"。{'连同同类指标，' if together else ''}评分因此{'减少' if points < 0 else '增加'}{size[0]}。"
    en += f". {'Together with similar indicators, this' if together else 'This'} "
    en += f"{'costs' if points < 0 else 'adds'} {size[1]}."
    return zh, en


def _against_peers(value: float, median: float | None, peers: str | None, *, direction: int, points: float) -> bool:
    """Return whether the peers' median says the other thing than the points, which are of a scale for all firms."""
    if median is None or not direction or peers in (None, ALL_PEERS):
        return False
    riskier = (value - median) * direction
    return riskier * points > 0


def peers_text(peers: str, population: Words | None = None) -> Words:
    """Return how the peers of a comparison are called, in zh and en, and where they are at home."""
    if population is None:
        if peers == ALL_PEERS:
            return "全体企业", "all firms"
        both = ("同行业同规模企业", "firms of the industry and size")
        return both if "/" in peers else ("同行业", "firms of the industry")
    zh, en = population
    if peers == ALL_PEERS:
        return f"{zh}全体企业", f"the firms of {en}"
    if "/" in peers:
        return f"{zh}同行业同规模企业", f"firms of {en} in the same industry and of the same size"
    return f"{zh}同行业企业", f"firms of {en} in the same industry"


def _points(points: float) -> Words:
    size = _number(abs(points), 0)
    return f"{size}分", f"{size} point" if size == "1" else f"{size} points"


def _plural(points: float) -> str:
    return f"{_number(abs(points), 0)} points"


def _money(fen: float) -> tuple[str, str]:
    yuan = fen / 100
    zh = f"{_number(yuan / 10_000)}万元" if abs(yuan) >= 10_000 else f"{_number(yuan)}元"
    return zh, f"CNY {_number(yuan, 0 if abs(yuan) >= 100 else 2)}"


def _number(value: float, digits: int = 2) -> str:
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
