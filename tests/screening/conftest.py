"""A city of a few hundred firms in three partitions, and what screens it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from hashlib import sha256

import polars as pl
import pytest

from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city
from creditlink.screening.city import run
from creditlink.screening.city.engines import InProcess
from creditlink.screening.city.inputs import stated_hashes
from creditlink.screening.city.plan import ScreeningPlan
from creditlink.screening.city.storage import open_folder
from tests.engine.matching.samples import SEED

AS_OF = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
PARTS = ("part-00000.parquet", "part-00001.parquet", "part-00002.parquet")
FIRMS = 450


def split(source, out, firms=FIRMS):
    """Cut the one partition of a city into three, with the manifest that goes with them."""
    hashes = {}
    for name in (*FRAME_SCHEMAS, "firms"):
        whole = pl.read_parquet(source / name / "part-00000.parquet")
        (out / name).mkdir(parents=True)
        for k, part in enumerate(PARTS):
            path = out / name / part
            inside = pl.col("firm").is_between(k * firms // 3, (k + 1) * firms // 3 - 1)
            whole.filter(inside).write_parquet(path)
            hashes[f"{name}/{part}"] = sha256(path.read_bytes()).hexdigest()
    (out / "manifest.json").write_text(json.dumps({"sha256": hashes}))


@pytest.fixture(scope="session")
def town(tmp_path_factory):
    """The folder of the city; tests that change it make a copy."""
    folder = tmp_path_factory.mktemp("town")
    write_city(folder / "whole", firms=FIRMS, months=36, seed=11, until=date(2026, 10, 1))
    split(folder / "whole", folder / "town")
    return folder / "town"


@pytest.fixture(scope="session")
def make_plan():
    """Return what makes a plan for a city and a folder of results."""
    settings = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40})
    live = load_live(settings)
    products = tuple(load_seed(SEED)[1])

    def plan(city, out, **changes):
        made = {
            "city": str(city), "out": str(out), "as_of": AS_OF, "model": settings.models_dir / settings.model,
            "model_sha256": live.sha256, "rules": live.rules, "products": products,
            "matching": matching_settings(ROOT / "config"), "stated": stated_hashes(open_folder(str(city))),
        }  # fmt: skip
        return ScreeningPlan(**(made | changes))

    return plan


@pytest.fixture(scope="session")
def screened(town, make_plan, tmp_path_factory):
    """A finished screening of the town: its folder."""
    out = tmp_path_factory.mktemp("screened")
    uscc = pl.read_parquet(town / "firms" / "*.parquet").sort("firm")["uscc"]
    run.screen(make_plan(town, out, discoverable=frozenset(uscc.to_list()[:200])), InProcess(), now=NOW)
    return out


def frames_of(folder):
    """All result frames of a folder, by name."""
    return {path.name: pl.read_parquet(path) for path in sorted((folder / "firms").glob("*.parquet"))}
