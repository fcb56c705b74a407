"""The one straight line: the API answers what the pipeline computes, alone or among many; a replay gives the same."""

from datetime import date, timedelta
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from creditlink.cli.replay import replay_profile
from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.profile import content
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.snapshot import registration_frame
from creditlink.engine.vocabulary import evidence_of
from creditlink.kit import ids
from creditlink.kit.clock import day_of, utc_now
from creditlink.products.files.seed import load_seed
from creditlink.products.service import listing, matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.profiles.serving.warm import warm_up
from creditlink.profiles.tables import Profile
from tests.profiles.conftest import CORE


@pytest.fixture(scope="module")
def live(database, tmp_path_factory):
    from creditlink.kit.settings import load_settings

    return load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))


@pytest.fixture(scope="module")
def book():
    from creditlink.kit.settings import ROOT

    _, products = load_seed(ROOT / "config" / "products.toml")
    return compile_book(products, BY_NAME, matching_settings(ROOT / "config"))


@pytest.fixture(scope="module")
def records(city):
    return RecordSet.of(**{name: pl.read_parquet(city / name / "*.parquet") for name in FRAME_SCHEMAS})


def only(records: RecordSet, firms: list[int]) -> RecordSet:
    return RecordSet.of(**{name: records.frame(name).filter(pl.col("firm").is_in(firms)) for name in FRAME_SCHEMAS})


def test_one_firm_alone_and_among_many_are_identical(records, live, book):
    as_of = day_of(utc_now())
    together = profile_many(records, as_of=as_of, live=live, book=book)
    for firm in (0, 7, 123, 299):
        alone = profile_many(only(records, [firm]), as_of=as_of, live=live, book=book)
        row = together.features["firm"].to_list().index(firm)
        assert alone.features.row(0, named=True) == together.features.row(row, named=True)
        assert alone.scores.margin[0] == together.scores.margin[row]
        assert alone.scores.pd_12m[0] == together.scores.pd_12m[row]
        np.testing.assert_array_equal(alone.scores.contributions[0], together.scores.contributions[row])
        np.testing.assert_array_equal(alone.matches.states[:, 0], together.matches.states[:, row])


def test_the_api_answers_what_the_pipeline_computes(
    products, created, bank, records, rich_firm, live, empty_database, settings
):
    authorization, profile = created()
    explained = bank.call("GET", f"/v1/profiles/{profile['id']}/explanation", authorization).json()
    with empty_database.transaction("owner") as session:
        stored = session.get_one(Profile, ids.internal("prf", profile["id"]))
        book = listing(session, settings).book
        asked, registered = stored.asked, stored.registration
    frames = {
        name: records.frame(name).filter(pl.col("firm") == rich_firm)
        for category in CORE
        for name in CATEGORY_FRAMES[evidence_of(category)]
    }
    since = date.fromisoformat(asked["since"])
    frames = {name: frame.filter(pl.col("period") >= since) for name, frame in frames.items()}
    frames["meter_months"] = frames["meter_months"].filter(pl.col("kind") == "electricity")  # what was granted
    frames["registration"] = registration_frame(registered | {"firm": rich_firm})
    direct = profile_many(
        RecordSet.of(**frames), as_of=stored.as_of, live=live, book=book,
        granted=frozenset(asked["categories"]) | {"registration"},
    )  # fmt: skip
    assert profile["pd_12m"] == direct.scores.pd_12m[0]
    assert profile["points"] == direct.scores.points[0]
    assert profile["grade"] == direct.scores.grade[0]
    values = {row["name"]: row["value"] for row in explained["indicators"]}
    expected = direct.features.row(0, named=True)
    assert values == {name: expected[name] for name in values}


def test_a_replay_gives_the_same_bytes(products, created, live, empty_database, settings):
    _, profile = created()
    with empty_database.transaction("owner") as session:
        stored = session.get_one(Profile, ids.internal("prf", profile["id"]))
        found = replay_profile(session, stored, live=live, settings=settings)
    assert found.differences == ()
    assert found.same
    assert found.content_hmac == profile["content_hmac"]


def test_a_profile_of_the_first_edition_replays_as_it_was_told(
    products, created, live, empty_database, settings, monkeypatch
):
    monkeypatch.setattr("creditlink.profiles.service.EDITION", 1)
    _, profile = created()
    monkeypatch.undo()
    with empty_database.transaction("owner") as session:
        stored = session.get_one(Profile, ids.internal("prf", profile["id"]))
        told = stored.summary["reasons"] + stored.summary["strengths"]
        assert told
        assert not any("synthetic city" in reason["sentence_en"] for reason in told)
        # As they were stored before editions: none is named.
        values = stored.columns() | {"id": uuid4(), "asked": {k: v for k, v in stored.asked.items() if k != "edition"}}
        old = Profile(**values)
        old.content_sha256 = content.content_sha256(old.columns())
        session.add(old)
        session.flush()
        assert replay_profile(session, old, live=live, settings=settings).same


def test_a_later_correction_does_not_change_a_replay(products, created, delivered, live, empty_database, settings):
    from creditlink.records.pulls.delivery import Fact
    from creditlink.records.store import save_facts

    _, profile = created()
    with empty_database.transaction("owner") as session:
        stored = session.get_one(Profile, ids.internal("prf", profile["id"]))
        period = (day_of(utc_now()).replace(day=1) - timedelta(days=1)).replace(day=1)
        wrong = Fact("vat_declarations", period, "", {"taxable_sales_fen": 1}, utc_now(), version=99)
        save_facts(session, [wrong], enterprise_id=stored.enterprise_id, source="tax", pull_id=None, now=utc_now())
        assert replay_profile(session, stored, live=live, settings=settings).same


def test_another_model_is_refused(products, created, live, empty_database, settings):
    from dataclasses import replace

    _, profile = created()
    other = replace(live, model=replace(live.model, model_id="other"))
    with empty_database.transaction("owner") as session:
        stored = session.get_one(Profile, ids.internal("prf", profile["id"]))
        with pytest.raises(ValueError, match="computed by model"):
            replay_profile(session, stored, live=other, settings=settings)


@pytest.mark.parametrize("products", [True, False])
def test_a_process_warms_up_with_and_without_products(live, book, products):
    offered = book if products else compile_book([], BY_NAME, book.settings)
    warm_up(live, offered, as_of=date(2026, 1, 15))
    assert "tie_places" in vars(offered)  # the columns that a request would have to make
