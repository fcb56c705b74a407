"""The plain documents of a screening: a partition's counts, the manifest and the summary, as written to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

Cell = tuple[str | None, str | None, str | None, str | None, str, int]
"""Industry section, region, size, grade (None: not scored), list, and the firms in it; a list once read back."""


class PartitionCounts(TypedDict):
    """What a screened partition leaves beside its firms."""

    key: str  # of the plan
    inputs: dict[str, str]  # file -> sha256
    firms: int
    rows: int
    cells: list[Cell]
    products: list[list[int]]  # eligible, undetermined, ineligible of each product of the book
    pushed: list[int]  # firms that have each product among their best
    seconds: dict[str, float]  # by stage


class ProductSummary(TypedDict):
    """How many firms are in which state for a product; None for one to nine."""

    product: str
    eligible: int | None
    undetermined: int | None
    ineligible: int | None
    pushed: int | None


class CitySummary(TypedDict):
    """summary.json; None for one firm to nine."""

    firms: int
    rows: int
    grades: dict[str, int | None]
    lists: dict[str, int | None]
    grades_by_industry: dict[str, dict[str, int | None]]
    grades_by_region: dict[str, dict[str, int | None]]
    grades_by_size: dict[str, dict[str, int | None]]
    products: list[ProductSummary]


class ScreeningManifest(TypedDict):
    """manifest.json of a screening that has run."""

    key: str
    state: str  # complete or incomplete; `running` until a run has ended, with nothing but the first four members
    city: str
    as_of: str
    model: str
    model_sha256: str
    versions: Mapping[str, str]
    partitions: int
    partitions_resumed: int
    firms: int
    rows: int
    rejected: Mapping[str, str]
    products: list[str]
    best_kept: int
    reasons: list[str]
    features: list[str]
    subjects: list[str]
    inputs: Mapping[str, str]
    finished_at: NotRequired[str]
    seconds: NotRequired[Mapping[str, float]]
