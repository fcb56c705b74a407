"""What training rows go without: whole categories that a firm refuses, and single sources that have nothing of it.

A firm whose tax office delivers invoices and no declarations, or whose power company is connected and
whose water company is not, is as ordinary as a refusal. A model that never saw one would take the
missing values for the silence of a shell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import CATEGORY_FRAMES, METER_KINDS, OPTIONAL_CATEGORIES, RecordSet

Mask = NDArray[np.bool_]

RESTED_ON = ("social_security", "tax", "utility")
"""Categories that a score can rest on."""

REFUSED_SHARE = 0.35
"""Chance that a category is refused in a row's second copy. Source: design choice; partial consent as ordinary."""

LACKING_SHARE = 0.3
"""Chance that a source has nothing in a row's third copy, where it is not a row of one source only."""

SINGLE_SHARE = 0.55
"""Chance that a row's third copy has one source only, beside registration."""


@dataclass(frozen=True)
class SourceSystem:
    """What one source system delivers: a record frame, or one kind of meter of it."""

    name: str
    category: str
    frame: str
    kind: str | None = None


SOURCES = tuple(
    SourceSystem(name if kind is None else kind, category, name, kind)
    for category in OPTIONAL_CATEGORIES
    for name in CATEGORY_FRAMES[category]
    for kind in (METER_KINDS if name == "meter_months" else (None,))
)
"""Every source that can be missing by itself."""

SINGLE = ("vat_declarations", "invoice_months", "payroll_months", "electricity")
"""Sources that can be the only one of a firm: each is evidence enough for a score."""

SINGLE_ODDS = (0.2, 0.4, 0.2, 0.2)
"""Which of them it is. Invoices alone say least of a firm, and are what firms most often bring by themselves."""


def draw_refusals(rng: np.random.Generator, firms: int) -> dict[str, Mask]:
    """Return category -> who refuses it, shape (firms,)."""
    return {c: rng.random(firms) < REFUSED_SHARE for c in OPTIONAL_CATEGORIES}


def draw_lacking(rng: np.random.Generator, firms: int) -> dict[str, Mask]:
    """Return source -> which firms it lacks, shape (firms,): some at random, or all but one of SINGLE."""
    single = rng.random(firms) < SINGLE_SHARE
    only = rng.choice(len(SINGLE), firms, p=SINGLE_ODDS)
    lacking = {}
    for source in SOURCES:
        drawn = rng.random(firms) < LACKING_SHARE
        has_it = np.zeros(firms, bool) if source.name not in SINGLE else only == SINGLE.index(source.name)
        lacking[source.name] = np.where(single, ~has_it, drawn)
    return lacking


def only(source: str, firms: int) -> dict[str, Mask]:
    """Return the mask under which every firm has `source` and nothing else.

    Raises
    ------
    KeyError
        There is no such source.
    """
    if source not in {s.name for s in SOURCES}:
        raise KeyError(source)
    return {s.name: np.full(firms, s.name != source) for s in SOURCES}


def lacking_sources(records: RecordSet, firms: pl.Series, lacking: dict[str, Mask]) -> RecordSet:
    """Return `records` without the sources that `firms` lack.

    Parameters
    ----------
    firms : Int32 of shape (n,): the firms of the masks, ascending
    lacking : source -> shape (n,); other sources are there
    """
    numbers = firms.to_numpy()
    size = int(numbers.max()) + 1 if len(numbers) else 1
    frames: dict[str, pl.DataFrame] = {}
    for source in SOURCES:
        if source.name not in lacking:
            continue
        there = np.ones(size, bool)
        there[numbers[lacking[source.name]]] = False
        frame = frames.get(source.frame, records.frame(source.frame))
        keep = pl.Series(there[frame["firm"].to_numpy()])
        frames[source.frame] = frame.filter(keep if source.kind is None else keep | (frame["kind"] != source.kind))
    return replace(records, **frames)
