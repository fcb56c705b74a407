"""Training on a small city: the same bytes again, absence neutral, rows of firms with one source only."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.training.train import train
from creditlink.engine.facts.frames import OPTIONAL_CATEGORIES, as_known
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.compute import compute
from creditlink.engine.features.withhold import TAKEN
from creditlink.engine.scoring.calibration.absence import Absence
from creditlink.engine.scoring.calibration.calibration import Calibration, sigmoid
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.engine.scoring.model import load
from creditlink.engine.scoring.settings import parse
from creditlink.engine.vocabulary import SUPPLIES
from creditlink.kit.clock import add_months
from creditlink.kit.settings import load_settings
from creditlink.sandbox.city import write_city
from creditlink.training.card import render_card
from creditlink.training.city import read_city
from creditlink.training.dataset import FEATURES, LACKING, REFUSED, measure_reference, plan_for, read_day
from creditlink.training.fitting.calibrate import fit_absence
from creditlink.training.fitting.champion import FIT, STOP, read_dataset, train_champion
from creditlink.training.fitting.conformal import evidence_of, fit_interval
from creditlink.training.fitting.fit import Parameters, boost, fit, prepare
from creditlink.training.fitting.peers import peer_table
from creditlink.training.package import write_model
from creditlink.training.withholding import SINGLE, SOURCES, draw_lacking, lacking_sources, only

pytestmark = pytest.mark.pure

BOUNDS = (0.003, 0.008, 0.02, 0.05, 0.15)
SMALL = Parameters(rounds=12, patience=12)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city") / "training"
    write_city(folder, firms=1500, months=34, seed=5, until=date(2026, 10, 1))
    return read_city(folder)


@pytest.fixture(scope="module")
def day(city):
    plan = plan_for(city.snapshots, city.first_period)
    return read_day(city, plan.test, measure_reference(city, plan.test, city.records.registration["firm"]))


@pytest.fixture(scope="module")
def champion(city):
    return train_champion(city, seed=3, bounds=BOUNDS, parameters=SMALL)


def test_the_same_city_and_seed_give_the_same_bytes(city, champion, tmp_path):
    again = train_champion(city, seed=3, bounds=BOUNDS, parameters=SMALL)
    for part in ("calibration", "interval", "reference", "peers"):
        assert getattr(again, part).to_json() == getattr(champion, part).to_json(), part
    out = tmp_path / "small"
    write_model(out, champion, city, purposes=["underwriting"], created_at=datetime(2026, 1, 1, tzinfo=UTC))
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert files["model.ubj"] == bytes(again.fitted.booster.save_raw("ubj"))
    told = json.loads(files["validation.json"])
    assert {f"without {c}" for c in OPTIONAL_CATEGORIES} | {f"only {s}" for s in SINGLE} < told["cases"].keys()
    for figures in told["cases"].values():
        assert 0.5 < figures["interval_coverage"] <= 1
        assert abs(figures["shift"]) < 0.02
    assert files["card.md"].decode() == render_card(json.loads(files["manifest.json"]), told)
    assert load(out).manifest["files"].keys() >= {"validation.json", "card.md", "interval.json", "peers.json"}


def test_a_city_beside_calibrates_and_changes_no_tree(city, champion, tmp_path):
    write_city(tmp_path / "beside", firms=800, months=34, seed=6, until=date(2026, 10, 1))
    together = train_champion(
        city, seed=3, bounds=BOUNDS, parameters=SMALL, beside=[lambda: read_city(tmp_path / "beside")]
    )
    assert together.fitted.booster.save_raw("ubj") == champion.fitted.booster.save_raw("ubj")
    assert together.reference.to_json() == champion.reference.to_json()
    assert together.rows["fit"] == champion.rows["fit"]
    assert together.rows["calibrate"] > 1.5 * champion.rows["calibrate"]
    assert together.calibration.to_json() != champion.calibration.to_json()


def test_what_stopped_the_trees_calibrates_and_what_fitted_them_does_not(city, champion):
    data = read_dataset(city, seed=3)
    assert champion.rows["calibrate"] == int((data.fold != FIT).sum())
    assert champion.rows["fit"] == int((data.fold == FIT).sum())


def test_only_the_newest_days_are_learned_from():
    quarters = [date(year, *end) for year in range(2018, 2027) for end in ((3, 31), (6, 30), (9, 30), (12, 31))][:-1]
    plan = plan_for(quarters, date(2018, 1, 1))
    assert plan.test == date(2026, 9, 30)
    assert plan.train == tuple(quarters[-12:-4])


@pytest.fixture(scope="module")
def leaking(city, tmp_path_factory):
    """A city whose courts list every firm a month before it goes bad, and none beside."""
    folder = tmp_path_factory.mktemp("leaking") / "city"
    shutil.copytree(city.path, folder)
    last = plan_for(city.snapshots, city.first_period).train[-1]
    bads = city.truth.filter(pl.col("default_on") > last)["firm"].unique()
    kinds = city.records.credit_events.schema["kind"]
    every = city.records.registration.select(
        "firm",
        period=pl.lit(last).dt.month_start(),
        kind=pl.lit("licence", kinds),
        occurred_on=pl.lit(last).dt.month_start(),
        severity=pl.lit(1, pl.Int8),
        amount_fen=pl.lit(None, pl.Int64),
        ended_on=pl.lit(None, pl.Date),
        known_on=pl.lit(last).dt.month_start(),
    )
    listed = every.filter(pl.col("firm").is_in(bads.implode())).with_columns(kind=pl.lit("dishonest_debtor", kinds))
    shutil.rmtree(folder / "credit_events")
    (folder / "credit_events").mkdir()
    pl.concat([every, listed]).write_parquet(folder / "credit_events" / "part-0.parquet")
    return folder


class TestLeaks:
    """An indicator that knows the outcome stops the training of a city, by its name."""

    def test_the_run_stops_with_its_name_and_writes_nothing(self, leaking, tmp_path):
        done = CliRunner().invoke(train, [str(leaking), "--out", str(tmp_path / "model")])
        assert done.exit_code == 1
        assert "indicators that know the outcome: column dishonest_debtor: " in done.output
        assert list(tmp_path.iterdir()) == []

    def test_only_an_explicit_word_lets_it_pass(self, leaking):
        data = read_dataset(read_city(leaking), seed=3, allowed=["dishonest_debtor"])
        assert {leak.column for leak in data.leaks if leak.severity == "stop"} == {"dishonest_debtor"}
        with pytest.raises(ValueError, match="rumour: there is no such indicator"):
            read_dataset(read_city(leaking), seed=3, allowed=["rumour"])

    def test_an_honest_city_passes(self, champion):
        assert [leak for leak in champion.leaks if leak.severity == "stop"] == []


def test_absence_is_neutral_for_the_firms_that_the_shifts_were_fitted_on():
    rng = np.random.default_rng(0)
    firms, names = 4000, ("social_security", "tax", "utility")
    margins = rng.normal(-4, 1.5, firms)
    natural = rng.random((firms, 3)) < (0.4, 0.1, 0.3)
    terms = dict.fromkeys((*names, "social_security+tax"), 0.0)
    taken = []
    for term in terms:
        places = [names.index(c) for c in term.split("+")]
        rows = np.flatnonzero(~natural[:, places].all(axis=1))
        gone = natural[rows].copy()
        gone[:, places] = True
        taken.append((0.7 * margins[rows] - 1.0, gone, rows))
    absence = Absence({c: (c,) for c in names}, terms)
    before = Calibration("platt", 0.9, 0.1)
    found = fit_absence(before, absence, (margins, natural), taken)

    def pd_of(margin, gone):
        x = np.where(gone, np.nan, 1).astype(np.float32)
        return sigmoid(found.logit_of(margin, names, x))

    known = pd_of(margins, natural)
    assert known.mean() == pytest.approx(sigmoid(before.logit(margins)).mean(), rel=1e-4)
    for margin, gone, rows in taken:
        assert pd_of(margin, gone).mean() == pytest.approx(known[rows].mean(), rel=1e-4)
    with pytest.raises(ValueError, match="absence tax: no firm had it"):
        fit_absence(
            before,
            Absence({"tax": ("tax",)}, {"tax": 0.0}),
            (margins, np.ones((firms, 1), bool)),
            [(margins[:0], np.ones((0, 1), bool), np.zeros(0, np.intp))],
        )


def test_a_refused_category_leaves_no_value_of_it(day):
    rows = day.rows(REFUSED, seed=1)
    for number, category in enumerate(OPTIONAL_CATEGORIES):
        refusing = rows.filter((pl.col("refused").cast(pl.Int32) // (1 << number)) % 2 == 1)
        assert 0.2 < refusing.height / rows.height < 0.5
        assert refusing.select(pl.col(TAKEN[category]).count()).row(0) == (0,) * len(TAKEN[category])


def test_firms_with_one_source_only_are_trained_for(day):
    rows = day.rows(LACKING, seed=1)
    categories = {c: [n for n in FEATURES if BY_NAME[n].categories == (c,)] for c in OPTIONAL_CATEGORIES}
    known = {
        c: rows.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series() for c, names in categories.items()
    }
    no_declarations = known["tax"] & rows["tax_filed_share_24"].is_null() & rows["invoiced_12_fen"].is_not_null()
    alone = no_declarations & ~known["social_security"] & ~known["utility"] & ~known["public_credit"]
    assert alone.sum() > 0.05 * rows.height
    assert rows.filter(alone)["sales_12_fen"].null_count() == 0  # invoices stand in for declarations


@pytest.mark.parametrize("source", ["everything", *SINGLE, "water"])
def test_what_a_firm_without_a_score_reads_is_true(day, source):
    """Within 24 months there are fewer months of record than the refusal says, of every kind that it names."""
    rules = load_settings().parsed("score.toml", parse).scorable
    firms = day.labels["firm"]
    gone = {} if source == "everything" else only(source, firms.len())
    records = lacking_sources(day.records, firms, gone)
    scored = scorable(compute(records, day.as_of, day.reference), rules)
    this_month = day.as_of.replace(day=1)
    since = add_months(this_month, -rules.within_months)
    sold = (pl.col("direction") == "output") & (pl.col("amount_fen") > 0)
    long = {"invoice_months": sold, "payroll_months": pl.col("headcount") > 0}
    long |= {"vat_declarations": pl.col("filed_on").is_not_null()}
    least = dict.fromkeys(long, rules.least_months) | {"electricity": rules.least_months, "water": 13, "gas": 13}
    some = 0
    for name, months in least.items():
        is_meter = name in SUPPLIES
        frame = records.meter_months.filter(pl.col("kind") == name) if is_meter else records.frame(name)
        known = as_known(frame, "meter_months" if is_meter else name, day.as_of)
        told = known.filter(
            pl.col("period").is_between(since, this_month, closed="left") & long.get(name, pl.col("usage") > 0)
        )
        spoken = pl.col("months").sum() if name == "vat_declarations" else pl.col("period").n_unique()
        counted = firms.to_frame().join(told.group_by("firm").agg(months=spoken), on="firm", how="left").sort("firm")
        record = counted["months"].fill_null(0).to_numpy()
        some += int((record[~scored] > 0).sum())
        assert (record[~scored] < months).all(), (source, name)
    if source == "everything":
        assert 0 < (~scored).sum() < 0.3 * firms.len()
        assert some  # of some firms something is known, and still too little


def test_only_one_source_means_only_one():
    lacking = only("invoice_months", 5)
    assert [name for name, mask in lacking.items() if not mask.any()] == ["invoice_months"]
    with pytest.raises(KeyError, match="rumours"):
        only("rumours", 5)
    drawn = draw_lacking(np.random.default_rng(0), 20_000)
    assert drawn.keys() == {s.name for s in SOURCES}
    there = np.sum([~mask for mask in drawn.values()], axis=0)
    alone = there == 1
    assert 0.5 < alone.mean() < 0.6
    assert 0.35 < (alone & ~drawn["invoice_months"]).sum() / alone.sum() < 0.45


def test_an_interval_covers_what_it_says():
    rng = np.random.default_rng(2)
    logit = rng.normal(-4, 1.5, 40_000)
    x = rng.normal(size=(40_000, len(FEATURES))).astype(np.float32)
    unknown = rng.random(40_000) < 0.3
    x[unknown, FEATURES.index("tax_filed_share_24")] = np.nan
    hazard = sigmoid(logit + rng.normal(0.2, np.where(unknown, 1.5, 0.5)))
    half = slice(0, 20_000), slice(20_000, 40_000)
    table = fit_interval(logit[half[0]], hazard[half[0]], evidence_of(FEATURES, x[half[0]]), BOUNDS)
    low, high = table.of(FEATURES, x[half[1]], logit[half[1]])
    within = (low <= hazard[half[1]]) & (hazard[half[1]] <= high)
    for here in (unknown[half[1]], ~unknown[half[1]]):
        assert within[here].mean() == pytest.approx(0.9, abs=0.02)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_interval(logit, np.zeros(40_000), evidence_of(FEATURES, x), BOUNDS)


def test_peers_are_never_fewer_than_twenty_firms(day):
    table = peer_table(day.rows())
    assert "C/micro" in table.rows
    for row in table.rows.values():
        assert all(firms >= 20 for firms, _ in row.values())
    sparse = day.rows().with_columns(pl.when(pl.int_range(pl.len()) < 19).then("headcount").alias("headcount"))
    assert all("headcount" not in row for row in peer_table(sparse).rows.values())
    with pytest.raises(ValueError, match="twice"):
        peer_table(pl.concat([day.rows(), day.rows()]))


@pytest.mark.parametrize(
    ("table", "message"),
    [({"depth": 3}, "depth: there is no"), ({"eta": "x"}, "eta: 'x'"), ({"max_depth": 4}, "max_depth: 4")],
)
def test_wrong_hyper_parameters_are_named(table, message):
    with pytest.raises(ValueError, match=message):
        Parameters.from_table(table)


def test_a_search_never_ends_worse_than_it_began(city):
    pytest.importorskip("optuna")
    from creditlink.training.fitting.search import as_toml, search

    data = read_dataset(city, seed=3)
    found = [search(data, start=SMALL, trials=2, seed=1, share=0.3) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].loss <= found[0].loss_before
    import tomllib

    assert (
        Parameters.from_table(tomllib.loads(as_toml(found[0], "x", date(2026, 1, 1)))["parameters"])
        == found[0].parameters
    )
    assert json.dumps(found[0].parameters.to_json())
    assert len(data.part(FIT)[1]) > len(data.part(STOP)[1])
    with pytest.raises(ValueError, match="binned with 256, the parameters say 32"):
        boost(
            prepare(*data.part(STOP), *data.part(STOP), names=FEATURES, max_bin=256),
            directions=[0] * len(FEATURES),
            parameters=replace(SMALL, max_bin=32),
            seed=0,
        )
    with pytest.raises(ValueError, match="all good"):
        fit(
            np.zeros((5, 1), np.float32),
            np.zeros(5, np.int8),
            np.zeros((5, 1), np.float32),
            np.zeros(5, np.int8),
            names=["a"],
            directions=[0],
            parameters=SMALL,
            seed=0,
        )
