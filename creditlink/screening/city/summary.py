"""A city's summary from its partitions' counts, with no count of fewer than ten firms. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from creditlink.engine.vocabulary import FEWEST_FIRMS
from creditlink.screening.city.counts import CitySummary, PartitionCounts

_BY = ("industry", "region", "size")


def hide_few(count: int) -> int | None:
    """Return a count, or None where it is of one firm to nine."""
    return count if count == 0 or count >= FEWEST_FIRMS else None


def summary(parts: Iterable[PartitionCounts], products: Sequence[str]) -> CitySummary:
    """Return grades by industry section, region and size, sizes of the lists, and a row per product.

    Parameters
    ----------
    parts : the counts of each partition, as `screen_partition` wrote them
    products : product codes in the order of the book

    Returns
    -------
    plain values; a count of one firm to nine is null
    """
    firms, rows = 0, 0
    grades: Counter[str] = Counter()
    lists: Counter[str] = Counter()
    by: dict[str, dict[str, Counter[str]]] = {name: {} for name in _BY}
    states = [[0, 0, 0] for _ in products]
    pushed = [0] * len(products)
    for part in parts:
        firms += part["firms"]
        rows += part["rows"]
        for section, region, size, grade, listed, count in part["cells"]:
            graded = grade or "not_scored"
            grades[graded] += count
            lists[listed] += count
            for name, value in zip(_BY, (section, region, size), strict=True):
                by[name].setdefault(value or "unknown", Counter())[graded] += count
        for total, more in zip(states, part["products"], strict=True):
            for k in range(3):
                total[k] += more[k]
        pushed = [total + more for total, more in zip(pushed, part["pushed"], strict=True)]
    return {
        "firms": firms,
        "rows": rows,
        "grades": _hide_few(grades),
        "lists": _hide_few({name: count for name, count in lists.items() if name != "none"}),
        "grades_by_industry": _hide_few_by(by["industry"]),
        "grades_by_region": _hide_few_by(by["region"]),
        "grades_by_size": _hide_few_by(by["size"]),
        "products": [
            {
                "product": code,
                "eligible": hide_few(state[0]),
                "undetermined": hide_few(state[1]),
                "ineligible": hide_few(state[2]),
                "pushed": hide_few(push),
            }
            for code, state, push in zip(products, states, pushed, strict=True)
        ],
    }


def _hide_few_by(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int | None]]:
    return {value: _hide_few(grades) for value, grades in sorted(counts.items())}


def _hide_few(counts: Mapping[str, int]) -> dict[str, int | None]:
    return {name: hide_few(count) for name, count in sorted(counts.items())}
