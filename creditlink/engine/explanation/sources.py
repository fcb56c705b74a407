"""Which sources each indicator needs, and what the records of a source are called. Pure.

A category may have several sources: the tax office's declarations and its invoices come apart, and a firm may have one
without the other. A value that is missing because its source is not there says nothing of the firm, as with a category.
"""

from __future__ import annotations

from functools import lru_cache

from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_CATEGORY
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.months import events
from creditlink.engine.features.months.grid import DECLARED, INVOICED, TRADE_ITEMS
from creditlink.engine.features.months.items import SOURCES
from creditlink.engine.features.months.window import Window
from creditlink.engine.vocabulary import CATEGORIES

Source = tuple[str, ...]
"""Record frames of which one is enough: sales are read from declarations or from invoices."""

_RECORDS: dict[str, tuple[str, str]] = {
    "vat_declarations": ("增值税申报", "VAT declarations"),
    "income_tax_returns": ("企业所得税申报", "income-tax returns"),
    "invoice_months": ("增值税发票", "VAT invoices"),
    "tax_standing": ("纳税信用与欠税", "tax standing"),
    "tax_events": ("税收违法与处罚", "tax violations"),
}
"""Record frame of a category with several -> what its records are called; a frame alone is called by its category."""

_TURNOVER, _, *_BESIDE = TRADE_ITEMS


def records_text(frame: str) -> tuple[str, str]:
    """Return what the records of a frame are called, in zh and en."""
    if frame in _RECORDS:
        return _RECORDS[frame]
    zh, en = CATEGORIES[FRAME_CATEGORY[frame]].records
    return zh, f"{en} records"


@lru_cache(maxsize=512)
def is_of_industry(indicator: str) -> bool:
    """Return whether an indicator says something of the firm's industry alone, which all its firms share."""
    read = BY_NAME[indicator].expression.meta.root_names() if indicator in BY_NAME else ()
    return bool(read) and all(name.startswith("reference:") for name in read)


@lru_cache(maxsize=512)
def sources_of(indicator: str) -> tuple[Source, ...]:
    """Return the sources that an indicator needs, all of them, of categories that have several.

    None for one that pools offices, which is known while any of its parts is, and for what the catalogue lacks.
    """
    if indicator not in BY_NAME or BY_NAME[indicator].pool is not None:
        return ()
    found: dict[Source, None] = {}
    for name in sorted(set(BY_NAME[indicator].expression.meta.root_names())):
        window = Window.parse(name)
        if window is not None:
            found |= dict.fromkeys(_sources_of_item(window.item))
        elif name in events.TAX:
            found[("tax_events", "tax_standing")] = None
    return tuple(source for source in found if len(CATEGORY_FRAMES[FRAME_CATEGORY[source[0]]]) > 1)


def _sources_of_item(item: str) -> tuple[Source, ...]:
    if item == _TURNOVER:
        return ((_frame_of(DECLARED), _frame_of(INVOICED)),)
    if item in _BESIDE:
        return ((_frame_of(DECLARED),), (_frame_of(INVOICED),))
    return ((_frame_of(item),),)


def _frame_of(item: str) -> str:
    return next(s.frame for s in SOURCES for suffix in s.items if item in s.names(suffix))
