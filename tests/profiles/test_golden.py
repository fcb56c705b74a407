"""Firms of every kind, profiled by the committed champion: what they got is reviewed like code.

`make golden` writes the file anew; the difference in it is what a change of generator, indicators, model,
score or products did to real decisions.
"""

import json
import os
from datetime import date

import polars as pl
import pytest

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching import encoding
from creditlink.engine.matching.book import compile_book
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.snapshot import snapshot
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city

pytestmark = pytest.mark.pure

GOLDEN = ROOT / "tests" / "golden" / "profiles.json"
AS_OF = date(2026, 11, 20)


def profiles(folder) -> dict:
    write_city(folder, firms=400, months=40, seed=3, until=date(2026, 10, 1))
    kinds = pl.read_parquet(folder / "truth" / "*.parquet").unique("firm", keep="first").sort("firm")
    chosen = kinds.group_by("kind", maintain_order=True).head(1)
    names = dict(zip(chosen["firm"].to_list(), chosen["kind"].cast(pl.String).to_list(), strict=True))
    records = RecordSet.of(
        **{
            name: pl.read_parquet(folder / name / "*.parquet").filter(pl.col("firm").is_in(list(names)))
            for name in FRAME_SCHEMAS
        }
    )
    live = load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))
    _, products = load_seed(ROOT / "config" / "products.toml")
    book = compile_book(products, BY_NAME, matching_settings(ROOT / "config"))
    made = profile_many(records, as_of=AS_OF, live=live, book=book)
    found = {}
    for i, firm in enumerate(made.features["firm"].to_list()):
        one = snapshot(made, i, live=live, missing={})
        found[names[firm]] = {
            "state": one.state,
            "grade": one.grade,
            "points": one.points,
            "pd_12m": one.pd_12m,
            "knock_outs": [k["code"] for k in one.summary["knock_outs"]],
            "reasons": [r["code"] for r in one.summary["reasons"]],
            "strengths": [r["code"] for r in one.summary["strengths"]],
            "dimensions": {d["name"]: round(d["points_contribution"], 3) for d in one.summary["dimensions"]},
            "products": one.products["counts"],
            "first": first(one.matches, book),
        }
    return found


def first(matches: bytes, book) -> list[str]:
    firm = encoding.unpack(matches, book) if matches else ()
    return [firm[rank].product.code for rank in range(min(3, len(firm)))]


def test_every_kind_of_firm_gets_what_it_got(tmp_path):
    found = profiles(tmp_path / "city")
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    expected = json.loads(GOLDEN.read_text())
    assert found.keys() == expected.keys()
    for kind, profile in found.items():
        # Sums of floats may differ in the last bits between processors.
        pd_12m, before = profile.pop("pd_12m"), expected[kind].pop("pd_12m")
        assert pd_12m == (None if before is None else pytest.approx(before, rel=1e-6)), kind
        assert profile == expected[kind], kind
    assert len(found) == 9
