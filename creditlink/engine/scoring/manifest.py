"""The manifest of a model folder: what the trainer states of a model, and serving reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict


class ManifestFeature(TypedDict):
    """One indicator that a model reads; `direction` is ±1 where the model is monotone in it, else 0."""

    name: str
    version: NotRequired[int]
    direction: NotRequired[int]


class ManifestScale(TypedDict, total=False):
    """The `Scale` of a model that has one of its own."""

    offset: float
    points_to_double: float
    odds_at_offset: float
    pd_bounds: tuple[float, ...]  # a list in the file


class ManifestTraining(TypedDict, total=False):
    """What a model learned from, and how."""

    data: str
    method: str  # how it was fitted; older manifests do not say: boosted trees
    city: Mapping[str, object]
    snapshots: Sequence[str]
    window: Sequence[str]
    test_snapshot: str
    seed: int
    rows: Mapping[str, int]
    parameters: Mapping[str, object]
    rounds: int
    leak_warnings: Sequence[Mapping[str, object]]


class ManifestRecalibration(TypedDict):
    """Which real outcomes a model's level was fitted to, and whose trees it has."""

    parent: str
    parent_manifest_sha256: str
    source: str  # file or database
    outcomes_sha256: str
    rows: int
    bads: int
    firms: int | None
    since: str | None
    until: str | None
    slope: float
    level: float
    level_error: float


class ManifestOutcomes(TypedDict):
    """Which outcomes of real loans a model learned from, without any synthetic one."""

    source: str  # file or archive
    sha256: str
    rows: int
    bads: int
    since: str | None
    until: str | None
    horizon_months: int
    cut: str | None  # the day whose knowledge counted; null: as the file was
    reference_of: str  # the model whose medians per industry the indicators were computed with


class ManifestUnscored(TypedDict):
    """Firms without a score on the day that judged the model, and how they and the scored ones fared."""

    not_scored: int
    not_scored_bads: int
    not_scored_bad_rate: float | None
    scored_bad_rate: float | None


class ModelManifest(TypedDict):
    """manifest.json. Serving needs the first three members; the trainer writes all but `purpose` and `scale`."""

    model_id: str
    features: list[ManifestFeature]
    files: dict[str, str]  # file -> sha256
    purpose: NotRequired[str]
    purposes: NotRequired[list[str]]
    created_at: NotRequired[str]
    target: NotRequired[str]
    base_rate: NotRequired[float | None]
    scale: NotRequired[ManifestScale]
    training: NotRequired[ManifestTraining]
    packages: NotRequired[dict[str, str]]
    grade_bands_version: NotRequired[int]
    interval_level: NotRequired[float]
    not_scorable: NotRequired[ManifestUnscored]
    recalibration: NotRequired[ManifestRecalibration]
    outcomes: NotRequired[ManifestOutcomes]
