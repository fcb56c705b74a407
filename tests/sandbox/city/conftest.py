"""One city for all tests of this folder, written once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from creditlink.sandbox.city import write_city

UNTIL = date(2026, 10, 1)
FIRMS = 4000
MONTHS = 40
SEED = 17

Frame = Callable[[str], pl.DataFrame]


def read(folder: Path, name: str) -> pl.DataFrame:
    """Return one frame of a city, all partitions."""
    return pl.read_parquet(sorted((folder / name).glob("*.parquet")))


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the manifest of a city of 4,000 firms."""
    folder = tmp_path_factory.mktemp("city") / "c"
    return folder, write_city(folder, firms=FIRMS, months=MONTHS, seed=SEED, until=UNTIL)


@pytest.fixture(scope="session")
def frame(city: tuple[Path, dict[str, Any]]) -> Frame:
    """Return a reader of the city's frames."""
    return lambda name: read(city[0], name)
