"""A folder of VAT invoices screened without a database: one row per firm, through the one pipeline.

The folder says nothing of a firm but its name and invoices. The rest of a registration is
unknown, not guessed: a reason must never be about a guess. A name that says 个体 (sole trader) is believed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from creditlink.engine.explanation.reasons import reasons_for
from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS, RecordSet
from creditlink.engine.facts.invoices import invoice_months
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.match import ELIGIBLE, UNDETERMINED
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import Profiles, profile_many
from creditlink.engine.scoring.limits.knockouts import apply_rules
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.kit.files.csvexport import write_csv
from creditlink.records.files.invoice_folder import InvoiceFolder

GRANTED = frozenset(("registration", "tax"))
SUFFIXES = (".parquet", ".csv", ".json")
REASONS = 4
NOT_CONNECTED = dict.fromkeys((c for c in CATEGORY_FRAMES if c not in GRANTED), "not_connected")
"""Categories of which a folder of invoices says nothing -> why: nobody was asked."""
PREFIX = "indicator."
SOLE_TRADER_WORD = "个体"


@dataclass(frozen=True, eq=False)
class InvoiceScreening:
    """A row per firm, and what was left out: invoices dated after `as_of`, by file order."""

    frame: pl.DataFrame
    later: int

    def indicators(self) -> pl.DataFrame:
        """Return the table of indicators: firm, as_of and a column for each by its name, null where missing."""
        names = [name for name in self.frame.columns if name.startswith(PREFIX)]
        return self.frame.select("firm", "as_of", *(pl.col(name).alias(name.removeprefix(PREFIX)) for name in names))


def screen_invoices(folder: InvoiceFolder, as_of: date, *, live: LiveModel, book: ProductBook) -> InvoiceScreening:
    """Profile every firm of a folder as of a day.

    Returns
    -------
    InvoiceScreening
        `frame` has firm, name, as_of, state, pd_12m, points, grade (null where not scorable), the rules
        that apply, coverage, the strongest reasons with their sentences, the count of products by state,
        and one column `indicator.<name>` per indicator, null where missing.

    Raises
    ------
    ValueError
        The folder lists no firm.
    """
    if folder.firms.is_empty():
        raise ValueError("the folder lists no firm")
    numbered = _numbered(folder)
    records = records_of(folder, as_of)
    months = records.invoice_months
    profiles = profile_many(records, as_of=as_of, live=live, book=book, granted=GRANTED)
    frame = pl.concat(
        [
            numbered.select("firm", "name", pl.lit(as_of).alias("as_of")),
            _scores(profiles, live),
            _coverage(months, numbered, folder.rejects),
            _reasons(profiles, live),
            profiles.features.drop("firm").rename(lambda name: PREFIX + name),
        ],
        how="horizontal",
    )
    return InvoiceScreening(frame, int((folder.invoices["issued_on"] > as_of).sum()))


def records_of(folder: InvoiceFolder, as_of: date) -> RecordSet:
    """Return what a folder says of its firms, numbered in the order of its list, without invoices after a day."""
    numbered = _numbered(folder)
    known = folder.invoices.filter(pl.col("issued_on") <= as_of)
    return RecordSet.of(registration=_registration(numbered), invoice_months=_months(known, numbered))


def _numbered(folder: InvoiceFolder) -> pl.DataFrame:
    return folder.firms.with_row_index("number").with_columns(pl.col("number").cast(pl.Int32))


def _registration(numbered: pl.DataFrame) -> pl.DataFrame:
    rows = numbered.select(
        pl.col("number").alias("firm"),
        pl.when(pl.col("name").str.contains(SOLE_TRADER_WORD, literal=True))
        .then(pl.lit("sole_trader"))
        .otherwise(pl.lit("company"))
        .alias("entity_type"),
        pl.lit("active").alias("status"),
    )
    unknown = [pl.lit(None, t).alias(c) for c, t in FRAME_SCHEMAS["registration"].items() if c not in rows.columns]
    return rows.with_columns(unknown).select(FRAME_SCHEMAS["registration"].keys())


def _months(invoices: pl.DataFrame, numbered: pl.DataFrame) -> pl.DataFrame:
    numbers = dict(zip(numbered["firm"], numbered["number"], strict=True))
    rows = invoices.with_columns(pl.col("firm").replace_strict(numbers, return_dtype=pl.Int32))
    return invoice_months(rows).select(FRAME_SCHEMAS["invoice_months"].keys()).sort("firm", "period")


def _scores(profiles: Profiles, live: LiveModel) -> pl.DataFrame:
    scores = profiles.scores
    scored = pl.Series(scorable(profiles.features, live.rules.scorable))
    # There is no register: the firms are assumed active for the products' sake, and no rule sees that.
    known = profiles.registration.with_columns(status=pl.lit(None, pl.String))
    knocked = apply_rules(live.rules.knockouts, profiles.features, known)
    reviewed = apply_rules(live.rules.human_review, profiles.features, known)
    firms = range(len(scores))
    return pl.DataFrame(
        {
            "state": pl.Series(["scored" if one else "not_scorable" for one in scored]),
            "pd_12m": scores.pd_12m,
            "points": scores.points,
            "grade": [str(grade) for grade in scores.grade],
            "knock_outs": [" ".join(rule.code for rule in knocked.of(i)) for i in firms],
            "not_evaluated": [" ".join(rule.code for rule in knocked.not_evaluated(i)) for i in firms],
            "human_review": [" ".join(rule.code for rule in reviewed.of(i)) for i in firms],
            "products_eligible": profiles.matches.products(ELIGIBLE).astype("int32"),
            "products_undetermined": profiles.matches.products(UNDETERMINED).astype("int32"),
        }
    ).with_columns(pl.when(pl.col("state") == "scored").then(pl.col("pd_12m", "points", "grade")))


def _coverage(months: pl.DataFrame, numbered: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """Return each firm's coverage: months with invoices, first and last, rows left out, what is missing."""
    seen = months.group_by("firm").agg(
        *(pl.col("period").filter(pl.col("direction") == d).n_unique().alias(n) for d, n in _MONTHS.items()),
        pl.col("period").min().alias("first_month"),
        pl.col("period").max().alias("last_month"),
    )
    dirty = rejects.group_by("firm").agg(pl.len().alias("rows_left_out"))
    joined = numbered.join(seen, left_on="number", right_on="firm", how="left", maintain_order="left")
    joined = joined.join(dirty, on="firm", how="left", maintain_order="left")
    absent = " ".join(NOT_CONNECTED)
    return joined.select(
        *(pl.col(name).fill_null(0).cast(pl.Int32) for name in (*_MONTHS.values(), "rows_left_out")),
        "first_month",
        "last_month",
        pl.when(pl.col("first_month").is_null())
        .then(pl.lit(f"tax {absent}"))
        .otherwise(pl.lit(absent))
        .alias("missing"),
    )


_MONTHS = {"output": "sales_months", "input": "purchase_months"}


def _reasons(profiles: Profiles, live: LiveModel) -> pl.DataFrame:
    explained = reasons_for(
        profiles.scores,
        profiles.features,
        live.model,
        live.reasons,
        settings=live.rules.reasons,
        industries=profiles.registration["industry"].to_list(),
        missing=[NOT_CONNECTED] * len(profiles.scores),
    )
    rows: list[dict[str, str | float | None]] = []
    for firm in explained:
        row: dict[str, str | float | None] = {}
        for k in range(REASONS):
            reason = firm.adverse[k] if k < len(firm.adverse) else None
            row |= {
                f"reason_{k + 1}": reason.code if reason else None,
                f"reason_{k + 1}_points": reason.points_contribution if reason else None,
                f"reason_{k + 1}_zh": reason.sentence_zh if reason else None,
                f"reason_{k + 1}_en": reason.sentence_en if reason else None,
            }
        rows.append(row)
    kinds: dict[str, type[pl.DataType]] = {}
    for k in range(1, REASONS + 1):
        kinds |= {f"reason_{k}": pl.String, f"reason_{k}_points": pl.Float64}
        kinds |= {f"reason_{k}_zh": pl.String, f"reason_{k}_en": pl.String}
    return pl.DataFrame(rows, schema=kinds)


def write_rows(frame: pl.DataFrame, out: Path) -> None:
    """Write rows in the form of the file's suffix; the file appears whole or not at all.

    Raises
    ------
    ValueError
        The suffix is not one of SUFFIXES.
    OSError
        It cannot be written there.
    """
    writers: dict[str, Callable[[Path], object]] = {
        ".parquet": frame.write_parquet,
        ".csv": lambda path: write_csv(frame, path, mark=True),
        ".json": frame.write_json,
    }
    if out.suffix not in writers:
        raise ValueError(f"{out.name}: the suffix must be one of {', '.join(SUFFIXES)}")
    handle, beside = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    os.close(handle)
    try:
        writers[out.suffix](Path(beside))
        os.chmod(beside, 0o644)
        os.replace(beside, out)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
