"""A screening's results, read back: columns of all firms, and the lists."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from creditlink.kit.files.parquetfile import ParquetUnreadable, parquet_of, reading
from creditlink.screening.city.counts import ScreeningManifest
from creditlink.screening.city.partition import FIRMS
from creditlink.screening.city.run import MANIFEST
from creditlink.screening.city.storage import DataFolder, LocalFolder, open_folder


class ResultsUnusable(ValueError):
    """A folder has no finished screening; the message names it."""


class Results:
    """A finished screening. Only the columns that are asked for are read, when they are.

    Raises
    ------
    ResultsUnusable
        The folder has no screening, or an unfinished one.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.folder: DataFolder = open_folder(address)
        try:
            self.manifest: ScreeningManifest = json.loads(self.folder.read(MANIFEST))
        except (OSError, ValueError):
            raise ResultsUnusable(f"{address}/{MANIFEST}: no finished screening here") from None
        if self.manifest.get("state") not in ("complete", "incomplete"):
            raise ResultsUnusable(f"{address}: the screening is not finished; run it again to resume")
        self.names = [name for name in self.folder.names(FIRMS) if name.endswith(".parquet")]

    def columns(self, names: Sequence[str], where: pl.Expr | None = None) -> pl.DataFrame:
        """Return columns of every firm, or of those for which `where` is true, in the order of partitions.

        Raises
        ------
        KeyError
            The screening did not store a column; the message names it.
        """
        stored = {*self.manifest["subjects"], *_ALWAYS}
        for name in names:
            if name not in stored and not name.startswith(("reason_", "product_")):
                raise KeyError(name)
        try:
            with reading():
                if isinstance(self.folder, LocalFolder):
                    frame = pl.scan_parquet([self.folder.path / FIRMS / name for name in self.names])
                else:
                    parts = [self.folder.read(f"{FIRMS}/{name}") for name in self.names]
                    frame = pl.concat([parquet_of(part) for part in parts]).lazy()
                if where is not None:
                    frame = frame.filter(where)
                return frame.select(names).collect()
        except ParquetUnreadable as error:
            raise ResultsUnusable(f"{self.address}/{FIRMS}: {error}") from None

    def firms_on(self, name: str) -> pl.DataFrame:
        """Return the firms of a list (`high_risk`, `whitelist`, `cultivation`), riskiest first."""
        columns = ["firm", "industry", "region", "size", "grade", "points", "pd_12m", "eligible", "reason_1"]
        return self.columns(columns, pl.col("list").cast(pl.String) == name).sort(
            "pd_12m", "firm", descending=[True, False]
        )

    def push_list(self, product: str) -> pl.DataFrame:
        """Return the firms that have `product` among their best, best place first.

        Raises
        ------
        KeyError
            The product was not part of the screening.
        """
        if product not in self.manifest["products"]:
            raise KeyError(product)
        at = self.manifest["products"].index(product)
        best = range(1, self.manifest["best_kept"] + 1)
        place = pl.coalesce(*(pl.when(pl.col(f"product_{k}") == at).then(pl.lit(k, pl.Int8)) for k in best))
        columns = ["firm", "industry", "region", "size", "grade", "points", "pd_12m"]
        read = self.columns(
            [*columns, *(f"product_{k}" for k in best), *(f"product_{k}_score" for k in best)],
            pl.any_horizontal(pl.col(f"product_{k}") == at for k in best),
        )
        score = pl.coalesce(*(pl.when(pl.col(f"product_{k}") == at).then(pl.col(f"product_{k}_score")) for k in best))
        ranked = read.select(*columns, place.alias("place"), score.alias("score"))
        return ranked.sort("place", "score", "firm", descending=[False, True, False])


_ALWAYS = frozenset(
    {
        "firm", "industry", "region", "entity_type", "status", "size", "scored", "knocked_out",
        "not_evaluated", "list", "discoverable", "pd_12m", "points", "grade", "eligible", "undetermined",
    }
)  # fmt: skip
