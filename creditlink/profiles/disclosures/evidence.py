"""What the evidence of a disclosure says: what was in the profile, what was not and why, with row counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, supplies_apart
from creditlink.records.coverage import CategoryCoverage

FIELDS: Mapping[str, tuple[str, ...]] = {"summary": ("summary", "coverage"), "own_report": ("report",)}
"""Part of a profile -> what an answer with it holds, where it is more than the part of that name."""

Coverage = Mapping[str, CategoryCoverage]


class Delivered(TypedDict):
    """What profiles hold by category, as the evidence says it."""

    categories: list[str]  # those of which they hold rows
    rows: dict[str, int]
    missing: NotRequired[dict[str, str]]  # why a granted category gave nothing
    incomplete: NotRequired[dict[str, str]]  # why one gave less than it has
    uploads: NotRequired[dict[str, list[str]]]  # files of the firm's own, by their `file_hmac`
    by_law: NotRequired[dict[str, str]]  # public records among them, read without a grant: by which law


def fields_of(part: str, *, with_products: bool) -> tuple[str, ...]:
    """Return what an answer with this part of a profile holds."""
    fields = FIELDS.get(part, (part,))
    return (*fields, "products") if part == "summary" and with_products else fields


def opened_categories(coverage: Coverage) -> frozenset[str]:
    """Return the categories that a profile was computed under: its reader needs them all."""
    # What is public is part of every profile.
    return frozenset(supplies_apart(c for c, row in coverage.items() if row["granted"])) - {*PUBLIC_CATEGORIES}


def delivered(coverage: Coverage) -> Delivered:
    """Return what a profile holds by category; that a source has no record is a reason too, `no_record`."""
    granted = {category: row for category, row in coverage.items() if row["granted"]}
    rows = {category: int(row["rows"]) for category, row in granted.items() if row["rows"]}
    causes = missing_causes(granted)
    incomplete = {c: str(granted[c]["status"]) for c in rows if granted[c]["status"] != "delivered"}
    files = {c: [one["file_hmac"] for one in row["uploads"]["files"]] for c, row in granted.items() if "uploads" in row}
    return _delivered(rows, causes, incomplete, files)


def together(coverages: Sequence[Coverage]) -> Delivered:
    """Return what several profiles hold: the rows of all, and each cause for which a category is missing anywhere."""
    parts = [delivered(coverage) for coverage in coverages]
    rows: dict[str, int] = {}
    for part in parts:
        for category, count in part["rows"].items():
            rows[category] = rows.get(category, 0) + count
    missing = {category: cause for part in parts for category, cause in part.get("missing", {}).items()}
    incomplete = {category: cause for part in parts for category, cause in part.get("incomplete", {}).items()}
    files: dict[str, list[str]] = {}
    for part in parts:
        for category, named in part.get("uploads", {}).items():
            files[category] = list(dict.fromkeys([*files.get(category, ()), *named]))
    return _delivered(rows, missing, incomplete, files)


def _delivered(
    rows: dict[str, int], missing: dict[str, str], incomplete: dict[str, str], files: dict[str, list[str]]
) -> Delivered:
    delivered = Delivered(categories=sorted(rows), rows=rows)
    if missing:
        delivered["missing"] = missing
    if incomplete:
        delivered["incomplete"] = incomplete
    if files:
        delivered["uploads"] = files
    # That a list was searched and the firm is not on it was read too.
    if read := [c for c in PUBLIC_CATEGORIES if c in rows or missing.get(c) == "no_record"]:
        delivered["by_law"] = {category: CATEGORIES[category].legal_basis_en for category in read}
    return delivered


def incomplete_causes(coverage: Coverage) -> dict[str, str]:
    """Return category -> why the rows that a source gave are not all that it has now: a part, or those of before."""
    settled = ("delivered", "no_record", "not_connected", "not_granted", "not_requested")
    return {
        category: str(row["status"])
        for category, row in coverage.items()
        if row["rows"] and row["status"] not in settled
    }


def missing_causes(coverage: Coverage) -> dict[str, str]:
    """Return category -> why it gave nothing; categories that gave rows are not in it.

    `no_record` is an answer: a source that answered in full has nothing on the firm, or nothing within the range.
    """
    return {
        category: "no_record" if row["status"] == "delivered" else str(row["status"])
        for category, row in coverage.items()
        if not row["rows"]
    }
