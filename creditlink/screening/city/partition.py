"""One partition: read, computed as the API computes one firm, written. No text is composed for a firm."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.explanation.ranking import rank
from creditlink.engine.facts.frames import CATEGORY_FRAMES, METER_KINDS, RecordSet
from creditlink.engine.features.months.cells import mark_found
from creditlink.engine.matching.match import ELIGIBLE, UNDETERMINED
from creditlink.engine.matching.products.subjects import Subjects
from creditlink.engine.profile.pipeline import Profiles, profile_many
from creditlink.engine.scoring.limits.knockouts import apply_rules
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.engine.vocabulary import GRADES, SUPPLIES, evidence_of
from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of
from creditlink.screening.city.counts import Cell, PartitionCounts
from creditlink.screening.city.inputs import PartitionRejected, read_partition
from creditlink.screening.city.lists import LISTS, SIZES, enum, list_of, size_classes
from creditlink.screening.city.plan import BEST, ScreeningPlan, Tools, tools
from creditlink.screening.city.storage import DataFolder, open_folder

FIRMS, PARTS = "firms", "parts"
"""Folders of a result: a Parquet file and a JSON file (counts, hashes, seconds) per partition."""

TEXTS = ("industry", "region", "entity_type", "status")


@dataclass(frozen=True)
class ScreenedPartition:
    """The outcome of one partition: its counts, or why it was set aside."""

    name: str
    counts: PartitionCounts | None
    rejected: str | None = None


def screen_partition(plan: ScreeningPlan, name: str) -> ScreenedPartition:
    """Screen one partition and write its result: first the firms, then the counts, each whole or not at all.

    A partition that cannot be read or computed is set aside with the reason; any other error is raised.
    """
    began = time.perf_counter()
    used = tools(plan)
    city, out = open_folder(plan.city), open_folder(plan.out)
    try:
        records, hashes = read_partition(city, name, dict(plan.stated))
        known = discoverable(city, name, records, plan.discoverable)
        read = time.perf_counter()
        profiles = _compute(name, records, plan, used)
    except PartitionRejected as error:
        return ScreenedPartition(name, None, str(error))
    computed = time.perf_counter()
    frame = result_frame(records, profiles, used, known)
    states = profiles.matches.counts()
    pushed = np.bincount(_best(frame), minlength=len(used.book))
    listed = time.perf_counter()
    _write(out, f"{FIRMS}/{name}", frame)
    counts: PartitionCounts = {
        "key": plan.key,
        "inputs": hashes,
        "firms": frame.height,
        "rows": sum(records.frame(f).height for f in CATEGORY_FRAMES_ALL),
        "cells": _cells(frame),
        "products": states.tolist(),
        "pushed": pushed.tolist(),
        "seconds": {
            "read": read - began,
            "compute": computed - read,
            "reasons_and_lists": listed - computed,
            "write": time.perf_counter() - listed,
        },
    }
    out.write(part_file(name), json.dumps(counts).encode())
    return ScreenedPartition(name, counts)


CATEGORY_FRAMES_ALL = tuple(frame for frames in CATEGORY_FRAMES.values() for frame in frames)
"""Every record frame."""


def part_file(name: str) -> str:
    """Return the name of a partition's counts."""
    return f"{PARTS}/{name.removesuffix('.parquet')}.json"


def _compute(name: str, records: RecordSet, plan: ScreeningPlan, used: Tools) -> Profiles:
    try:
        return profile_many(records, as_of=plan.as_of, live=used.live, book=used.book, relief=plan.relief)
    except ValueError as error:
        raise PartitionRejected(f"{name}: {error}") from error


def discoverable(city: DataFolder, name: str, records: RecordSet, opted_in: frozenset[str] | None) -> NDArray[np.bool_]:
    """Return which firms of the registration, ascending, opted in to be counted for banks, shape (n,).

    Raises
    ------
    PartitionRejected
        Firms opted in, but the city does not say which USCC is whose.
    """
    firms = records.registration["firm"].sort()
    if not opted_in:
        return np.zeros(len(firms), dtype=bool)
    try:
        named = parquet_of(city.read(f"firms/{name}"), ["firm", "uscc"])
    except (ParquetUnreadable, OSError) as error:
        raise PartitionRejected(f"firms/{name}: not readable ({error})") from error
    chosen = named.filter(pl.col("uscc").is_in(list(opted_in)))["firm"]
    return firms.is_in(chosen.to_list()).to_numpy()


def result_frame(records: RecordSet, profiles: Profiles, used: Tools, known: NDArray[np.bool_]) -> pl.DataFrame:
    """Return a row per firm: registration, score, list, reasons, best products, and every subject of a rule.

    Reasons are numbers: `reason_1` is a group of the model's reason book (indicator groups first, then
    missing categories), `reason_1_lead` the feature that weighs most in it, -1 for missing values. Products
    are positions in the plan's book. A subject's column has its name, such as `indicator.headcount`.
    """
    live, scores, matches = used.live, profiles.scores, profiles.matches
    grade = live.model.scale.grade_number(scores.pd_12m)
    eligible = matches.products(ELIGIBLE)
    hits = apply_rules(live.rules.knockouts, profiles.features, profiles.registration)
    knocked = np.asarray(hits.holds.any(axis=1))
    scored = scorable(profiles.features, live.rules.scorable)
    active = (profiles.registration["status"] == "active").fill_null(value=False).to_numpy()
    headcount = matches.subjects.number("indicator.headcount")
    listed = list_of(
        grade,
        scored=scored,
        active=active,
        knocked_out=knocked,
        eligible=eligible,
        sales_growth=matches.subjects.number("indicator.sales_growth_12"),
    )
    columns = [profiles.registration["firm"], *(profiles.registration[name] for name in TEXTS)]
    columns += [
        enum(size_classes(headcount), SIZES).alias("size"),
        pl.Series("scored", scored),
        pl.Series("knocked_out", knocked),
        # How many knock-outs could not be evaluated: a firm that is not knocked out has not passed these.
        pl.Series("not_evaluated", hits.unknown.sum(axis=1).astype(np.int16)),
        enum(listed, LISTS).alias("list"),
        pl.Series("discoverable", known),
        pl.Series("pd_12m", scores.pd_12m),
        pl.Series("points", scores.points),
        enum(grade.astype(np.uint32), GRADES).alias("grade"),
        pl.Series("eligible", eligible),
        pl.Series("undetermined", matches.products(UNDETERMINED)),
    ]
    columns += _reasons(records, profiles, used)
    best, score = matches.best(BEST)
    for k in range(best.shape[1]):
        columns += [
            pl.Series(f"product_{k + 1}", best[:, k].astype(np.int16)),
            pl.Series(f"product_{k + 1}_score", score[:, k].astype(np.float32)),
        ]
    columns += _subjects(matches.subjects, used)
    return pl.DataFrame(columns)


def _reasons(records: RecordSet, profiles: Profiles, used: Tools) -> list[pl.Series]:
    settings, book = used.live.rules.reasons, used.live.reasons
    firms = profiles.registration["firm"].to_numpy()
    ranking = rank(
        profiles.scores,
        book,
        limit=settings.limit,
        least_points=settings.least_points,
        least_missing_points=settings.least_missing_points,
        absent={name: absent(records, name, firms) for name in (*book.categories, *SUPPLIES)},
    )
    columns = []
    for k in range(settings.limit):
        columns += [
            pl.Series(f"reason_{k + 1}", ranking.group[:, k]),
            pl.Series(f"reason_{k + 1}_lead", ranking.lead[:, k]),
            pl.Series(f"reason_{k + 1}_contribution", ranking.contribution[:, k].astype(np.float32)),
        ]
    return columns


def absent(records: RecordSet, category: str, firms: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which of `firms`, ascending, have no record of a category or supply, shape (n,)."""
    gone = np.ones(len(firms), dtype=bool)
    for name in CATEGORY_FRAMES.get(evidence_of(category), ()):
        frame = records.frame(name)
        if not frame["firm"].is_sorted():
            frame = frame.sort("firm")
        kinds, wanted = np.empty(0, np.uint8), 0
        if category in SUPPLIES:
            kinds = frame["kind"].to_physical().to_numpy()
            wanted = METER_KINDS.index(category)
        mark_found(frame["firm"].to_numpy(), kinds, wanted, firms, gone)
    return gone


def subject_names(used: Tools) -> tuple[str, ...]:
    """Return the number subjects that some product's rule compares and that are stored, in order."""
    book = used.book
    ruled = {rule.subject for rule in book.rule_set.rules if book.known[rule.subject].form == "number"}
    return tuple(sorted(ruled - {"profile.pd_12m", "profile.points"}))


def _subjects(subjects: Subjects, used: Tools) -> list[pl.Series]:
    return [pl.Series(name, subjects.number(name), nan_to_null=True) for name in subject_names(used)]


def _best(frame: pl.DataFrame) -> NDArray[np.int64]:
    places = [frame[f"product_{k + 1}"].to_numpy() for k in range(BEST) if f"product_{k + 1}" in frame]
    chosen = np.concatenate(places or [np.zeros(0, dtype=np.int32)])  # no product may be on offer on the day
    return chosen[chosen >= 0].astype(np.int64)


def _cells(frame: pl.DataFrame) -> list[Cell]:
    """Count firms by industry section, region, size, grade (null: not scored) and list."""
    by = [
        pl.col("industry").str.slice(0, 1).alias("section"),
        pl.col("region"),
        pl.col("size").cast(pl.String),
        pl.when("scored").then(pl.col("grade").cast(pl.String)).alias("grade"),
        pl.col("list").cast(pl.String),
    ]
    cells: list[Cell] = frame.group_by(by).len().sort(pl.all()).rows()
    return cells


def _write(out: DataFolder, name: str, frame: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="lz4", statistics=False)
    out.write(name, buffer.getbuffer())
