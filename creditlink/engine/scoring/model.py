"""A credit model: a folder whose every file is what its manifest says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.scoring.calibration.calibration import Calibration, CalibrationError, sigmoid
from creditlink.engine.scoring.calibration.interval import IntervalTable
from creditlink.engine.scoring.manifest import ModelManifest
from creditlink.engine.scoring.peers import PeerTable
from creditlink.engine.scoring.scale import Scale, rounded
from creditlink.engine.scoring.scores import InexactScoreError, Scores, check_sums
from creditlink.engine.scoring.trees.explain import Explainer, Explanation, explain, prepare
from creditlink.engine.scoring.trees.library import xgboost
from creditlink.engine.scoring.trees.tabulation import ShapTables

MANIFEST = "manifest.json"
MODEL = "model.ubj"
CALIBRATION = "calibration.json"
INTERVAL = "interval.json"
PEERS = "peers.json"
Part = TypeVar("Part")

__all__ = ["CreditModel", "FeatureError", "InexactScoreError", "ModelFolderError", "Scores", "load", "sha256_of"]

_FEW_ROWS = 256


class ModelFolderError(Exception):
    """A model folder cannot be used; the message names the file and what is wrong with it."""


class FeatureError(ValueError):
    """A feature frame does not fit the model; the message names the columns."""


@dataclass(frozen=True, eq=False)
class CreditModel:
    """A loaded model; it has no state that scoring changes, and many threads can use it."""

    model_id: str
    purpose: str
    created_at: str
    features: tuple[str, ...]
    versions: Mapping[str, int]
    base_rate: float | None
    calibration: Calibration
    scale: Scale
    explainer: Explainer
    booster: xgboost.Booster
    peers: PeerTable
    interval: IntervalTable | None
    manifest: ModelManifest = field(repr=False)
    sha256: str  # of manifest.json, which states the sha256 of every other file: of the whole folder
    contents: Mapping[str, bytes] = field(repr=False, default_factory=dict)  # every file, the manifest among them

    def scored(self, model_id: str, sha256: str) -> bool:
        """Return whether it is the model that a profile names; the first profiles name the hash of the trees alone."""
        return model_id == self.model_id and sha256 in (self.sha256, self.manifest["files"][MODEL])

    def score(self, features: pl.DataFrame, *, threads: int | None = None) -> Scores:
        """Return the scores of the firms in `features`, one row each, in its order.

        Other columns than the model's features are ignored; null is missing, whatever the reason.

        Raises
        ------
        FeatureError
            A feature is not a column, not a number, or has an infinite value.
        InexactScoreError
            The parts of a score do not add up to it.
        """
        return self.score_matrix(self.matrix(features), threads=threads)

    def score_matrix(self, x: NDArray[np.float32], *, threads: int | None = None) -> Scores:
        """Return the scores of what `matrix` gave, shape (n, k), or of changes to it.

        Raises
        ------
        InexactScoreError
            The parts of a score do not add up to it.
        """
        explanation = explain(self.explainer, x, threads=threads)
        logit = self.calibration.logit_of(explanation.margin, self.features, x)
        low, high = (None, None) if self.interval is None else self.interval.of(self.features, x, logit)
        exact = self.scale.points_exact(logit)
        pd_12m = sigmoid(logit)
        scores = Scores(
            model_id=self.model_id,
            features=self.features,
            x=x,
            base_value=explanation.base_value,
            margin=explanation.margin,
            pd_raw=sigmoid(explanation.margin),
            pd_12m=pd_12m,
            points_exact=exact,
            points=rounded(exact),
            grade=self.scale.grade(pd_12m),
            contributions=explanation.contributions,
            points_base=float(self.scale.points_exact(explanation.base_value)),
            points_calibration=self.scale.points_per_logit * (logit - explanation.margin),
            points_per_logit=self.scale.points_per_logit,
            pd_low=low,
            pd_high=high,
        )
        check_sums(scores)
        return scores

    def matrix(self, features: pl.DataFrame) -> NDArray[np.float32]:
        """Return the features the model reads, (n, k), missing as NaN, stored by column.

        Raises
        ------
        FeatureError
            A feature is not a column, not a number, or has an infinite value.
        """
        try:
            chosen = features[list(self.features)]
        except pl.exceptions.ColumnNotFoundError:
            absent = [name for name in self.features if name not in features.columns]
            raise FeatureError(f"features lack {', '.join(absent)}") from None
        with np.errstate(over="ignore"):  # what float32 cannot hold is reported below as infinite
            x = _float32(chosen)
        infinite = np.flatnonzero(np.isinf(x).any(axis=1))
        if infinite.size:
            names = [self.features[column] for column in infinite]
            raise FeatureError(f"features hold an infinite value: {', '.join(names)}")
        return x.T

    @property
    def purposes(self) -> tuple[str, ...]:
        """What the model may be used for, as its manifest says."""
        stated = self.manifest.get("purposes", [self.purpose] if self.purpose else [])
        return tuple(str(purpose) for purpose in stated)

    @property
    def directions(self) -> Mapping[str, Literal[-1, 0, 1]]:
        """Return the direction in which the model was held for each feature whose manifest states one."""
        stated = {row["name"]: row["direction"] for row in self.manifest["features"] if "direction" in row}
        return {name: 1 if sign > 0 else -1 if sign < 0 else 0 for name, sign in stated.items()}

    def version_mismatches(self, served: Mapping[str, int]) -> tuple[str, ...]:
        """Return what differs between the model's indicators and those `served` (name -> version)."""
        mismatches = []
        for name, version in self.versions.items():
            if name not in served:
                mismatches.append(f"{name}: the model needs version {version}, the catalogue has none")
            elif served[name] != version:
                mismatches.append(f"{name}: the model needs version {version}, the catalogue has {served[name]}")
        return tuple(mismatches)


def _float32(chosen: pl.DataFrame) -> NDArray[np.float32]:
    """Return the columns as rows of a float32 matrix (k, n), null as NaN."""
    if chosen.height <= _FEW_ROWS:
        # At once: for one firm, the cost of asking polars column by column is all there is.
        whole = chosen.to_numpy()
        if whole.dtype == np.float64:
            return np.ascontiguousarray(whole.T, dtype=np.float32)
    x = np.empty((chosen.width, chosen.height), np.float32)
    for row, series in zip(x, chosen.iter_columns(), strict=True):
        if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
            raise FeatureError(f"feature {series.name} is {series.dtype}, not a number")
        # To replace nulls first is twice as fast as to have them replaced while the column is copied.
        row[:] = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return x


def load(path: Path | str, scale: Scale | None = None) -> CreditModel:
    """Return the model in folder `path`, every file of which must have the sha256 its manifest states.

    Parameters
    ----------
    path
        The folder.
    scale
        Points and grades; None: those of the manifest's `scale`, or the defaults of `Scale`.

    Raises
    ------
    ModelFolderError
        A file is absent, was changed, or cannot be read as what it should be.
    """
    folder = Path(path)
    return assemble(folder.name, read_folder(folder), scale)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the manifest of a model folder and the files that it states, as they are.

    Raises
    ------
    ModelFolderError
        A file is absent, or the manifest cannot be read.
    """
    try:
        contents = {MANIFEST: (folder / MANIFEST).read_bytes()}
    except FileNotFoundError:
        raise ModelFolderError(f"{folder.name}/{MANIFEST}: no such file") from None
    for name in _manifest(folder.name, contents)["files"]:
        if Path(name).name != name:
            raise ModelFolderError(f"{folder.name}/{MANIFEST}: {name!r} is not a file of this folder")
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise ModelFolderError(f"{folder.name}/{name}: {error.strerror}") from error
    return contents


def assemble(folder: str, contents: Mapping[str, bytes], scale: Scale | None = None) -> CreditModel:
    """Return the model that the files of a folder make, wherever they were kept; parameters as for `load`.

    Raises
    ------
    ModelFolderError
        A file is absent, was changed, or cannot be read as what it should be.
    """
    manifest = _manifest(folder, contents)
    _verify(folder, manifest, contents)
    try:
        calibration = Calibration.from_json(contents[CALIBRATION].decode())
    except (CalibrationError, UnicodeDecodeError) as error:
        raise ModelFolderError(f"{folder}/{CALIBRATION}: {error}") from error
    interval = _optional(folder, contents, INTERVAL, IntervalTable.from_json)
    peers = _optional(folder, contents, PEERS, lambda text: PeerTable.from_json(json.loads(text))) or PeerTable()
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(contents[MODEL]))
    except xgboost.core.XGBoostError as error:
        raise ModelFolderError(f"{folder}/{MODEL}: not a booster") from error
    names = tuple(row["name"] for row in manifest["features"])
    if booster.num_features() != len(names):
        raise ModelFolderError(f"{folder}/{MANIFEST}: {len(names)} features, but {MODEL} has {booster.num_features()}")
    unread = calibration.absence.reads - set(names) if calibration.absence else frozenset()
    if unread:
        raise ModelFolderError(f"{folder}/{CALIBRATION}: absence reads {min(unread)}, which is no feature")
    explainer = prepare(booster)
    _probe(folder, booster, explainer)
    return CreditModel(
        model_id=str(manifest["model_id"]),
        purpose=str(manifest.get("purpose", "")),
        created_at=str(manifest.get("created_at", "")),
        features=names,
        versions=MappingProxyType({row["name"]: int(row.get("version", 1)) for row in manifest["features"]}),
        base_rate=manifest.get("base_rate"),
        calibration=calibration,
        scale=scale or _scale(folder, manifest),
        explainer=explainer,
        booster=booster,
        peers=peers,
        interval=interval,
        manifest=manifest,
        sha256=sha256_of(contents[MANIFEST]),
        contents=MappingProxyType(dict(contents)),
    )


def sha256_of(content: bytes) -> str:
    """Return the hexadecimal SHA-256 that a manifest states of a file."""
    return hashlib.sha256(content).hexdigest()


def _manifest(folder: str, contents: Mapping[str, bytes]) -> ModelManifest:
    name = f"{folder}/{MANIFEST}"
    if MANIFEST not in contents:
        raise ModelFolderError(f"{name}: no such file")
    try:
        manifest: ModelManifest = json.loads(contents[MANIFEST])
    except ValueError as error:
        raise ModelFolderError(f"{name}: not JSON ({error})") from error
    if not isinstance(manifest, dict):
        raise ModelFolderError(f"{name}: an object is expected")
    for key, kind in (("model_id", str), ("features", list), ("files", dict)):
        if not isinstance(manifest.get(key), kind):
            raise ModelFolderError(f"{name}: {key} is missing or not a {kind.__name__}")
    rows = manifest["features"]
    if not rows or not all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows):
        raise ModelFolderError(f"{name}: features must be objects with a name")
    return manifest


def _verify(folder: str, manifest: ModelManifest, contents: Mapping[str, bytes]) -> None:
    """Refuse a file that is absent or whose hash is not the one that the manifest states."""
    for required in (MODEL, CALIBRATION):
        if required not in manifest["files"]:
            raise ModelFolderError(f"{folder}/{MANIFEST}: files lack {required}")
    for name, expected in manifest["files"].items():
        if name not in contents:
            raise ModelFolderError(f"{folder}/{name}: No such file or directory")
        digest = sha256_of(contents[name])
        if digest != expected:
            raise ModelFolderError(f"{folder}/{name}: sha256 is {digest}, the manifest states {expected}")


def _optional(name: str, contents: Mapping[str, bytes], file: str, read: Callable[[str], Part]) -> Part | None:
    if file not in contents:
        return None
    try:
        return read(contents[file].decode())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFolderError(f"{name}/{file}: {error}") from error


def _scale(name: str, manifest: ModelManifest) -> Scale:
    stated = manifest.get("scale")
    if not stated:
        return Scale()
    try:
        return replace(Scale(**stated), pd_bounds=tuple(stated.get("pd_bounds", Scale.pd_bounds)))
    except TypeError as error:
        raise ModelFolderError(f"{name}/{MANIFEST}: scale: {error}") from error


def _probe(name: str, booster: xgboost.Booster, explainer: Explainer) -> None:
    """Compare tables with xgboost's own values on rows around the thresholds: no silent change of format."""
    if not isinstance(explainer, ShapTables) or not explainer.columns.size:
        return
    random = np.random.default_rng(0)
    rows = np.full((32, explainer.width), np.nan, np.float32)
    for feature in range(explainer.width):
        cuts = explainer.thresholds[explainer.targets == feature]
        if cuts.size:
            rows[:, feature] = random.choice(cuts, len(rows)) + random.normal(0, 1e-3, len(rows))
    rows[random.random(rows.shape) < 0.2] = np.nan
    ours: Explanation = explain(explainer, rows, threads=1)
    theirs = booster.predict(xgboost.DMatrix(rows), pred_contribs=True, validate_features=False)
    together = np.column_stack([ours.contributions, np.full(len(rows), ours.base_value)])
    largest = float(np.abs(together - theirs).max())
    if not largest <= 1e-4 * max(1.0, float(np.abs(theirs).max())):
        raise ModelFolderError(f"{name}/{MODEL}: tables differ from xgboost by {largest:g}")
