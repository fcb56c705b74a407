"""What opens a product: the least of score and rules together, and true when it is done."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from creditlink.engine.explanation.levers import coherent
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.withhold import without
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import STATES, match_many
from creditlink.engine.matching.products.subjects import subjects_of
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.unlock import unlock
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.processes import runtime
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live

FIRMS = range(0, 300, 4)
SPENT = {
    "registration.registered_capital_fen": "registered_capital_fen",
    "registration.paid_in_capital_fen": "paid_in_capital_fen",
}


@pytest.fixture(scope="module")
def live():
    return load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))


@pytest.fixture(scope="module")
def book():
    _, products = load_seed(ROOT / "config" / "products.toml")
    return compile_book(products, BY_NAME, matching_settings(ROOT / "config"))


@pytest.fixture(scope="module")
def profiles(city, live, book):
    records = RecordSet.of(**{name: pl.read_parquet(city / name / "*.parquet") for name in FRAME_SCHEMAS})
    return profile_many(records, as_of=day_of(utc_now()), live=live, book=book)


@pytest.fixture(scope="module")
def found(profiles, live, book):
    """(firm, match, what opens it) of the nearest products, and of some that are not near, of every fourth firm."""
    made = []
    for i in FIRMS:
        firm = profiles.matches.explain(i)
        chosen = [match for match in firm if match.state != "eligible"][:4] + firm.near_misses(4)
        for match in chosen:
            made.append((i, match, _unlock(profiles, firm, match, i, live, book)))
    return made


def _unlock(profiles, firm, match, i, live, book):
    return unlock(
        match,
        firm.subject,
        profiles.features.row(i, named=True),
        industry=profiles.registration["industry"][i],
        live=live,
        book=book,
        indicators=BY_NAME,
    )


def _after(profiles, i, steps, live, book):
    """Score and match the firm with these steps done, from its indicators and registration: PD, states, indicators."""
    features, registration, as_of = profiles.features[i : i + 1], profiles.registration[i : i + 1], profiles.as_of
    for step in steps:
        name = step.subject.removeprefix("indicator.")
        if step.subject == "registration.age_months":
            established = registration["established_on"].dt.offset_by(f"-{int(step.after - step.before)}mo")
            registration = registration.with_columns(established_on=established)
            name = "age_months"
        elif step.subject in SPENT:
            registration = registration.with_columns(pl.lit(int(step.after)).alias(SPENT[step.subject]))
            name = SPENT[step.subject]
        if name in features.columns and features[name][0] is not None:
            features = features.with_columns(pl.lit(float(step.after)).alias(name))
    features = without(features, [])  # pools follow from their parts
    scores = live.model.score(features)
    subjects = subjects_of(
        registration=registration, features=features, pd_12m=scores.pd_12m, points=scores.points.astype(np.int64),
        grade=scores.grade, as_of=as_of, granted=None,
    )  # fmt: skip
    return float(scores.pd_12m[0]), match_many(book, subjects), features


def test_what_is_told_holds_when_the_firm_is_scored_and_matched_anew(profiles, found, live, book):
    opened = [(i, match, told) for i, match, told in found if told.opens and told.steps]
    assert len(opened) > 20
    assert {step.kind for *_, told in opened for step in told.steps} >= {"change"}
    for i, match, told in opened:
        assert told.text_zh
        assert match.product.name_en in told.text_en
        pd_12m, matched, _ = _after(profiles, i, told.steps, live, book)
        assert pd_12m == pytest.approx(told.after.pd_12m, rel=1e-5), told.text_en
        states = {p.code: STATES[int(s)] for p, s in zip(book.products, matched.states[:, 0], strict=True)}
        assert states[match.product.code] == told.after.state == "eligible", told.text_en


def test_no_step_can_be_left_out(profiles, found, live, book):
    several = [(i, match, told) for i, match, told in found if told.opens and len(told.steps) > 1]
    alone = 0
    for i, match, told in several:
        for left_out in told.steps:
            rest = [step for step in told.steps if step is not left_out]
            _, matched, features = _after(profiles, i, rest, live, book)
            row = features.select(live.model.features).to_numpy()[0]
            if not coherent(live.levers, row):
                continue  # late in the last six months, but not in the last twelve: that cannot be
            alone += 1
            states = {p.code: STATES[int(s)] for p, s in zip(book.products, matched.states[:, 0], strict=True)}
            assert states[match.product.code] != "eligible", left_out.text_en + " | " + told.text_en
    assert alone > 4


def test_score_and_rules_are_met_together(found):
    """Some product wants a better score of a firm: what opens it moves the score and is no rule's own subject."""
    by_score = [
        told
        for _, match, told in found
        if told.opens and any(rule.subject.startswith("profile.") for rule in match.failed)
    ]
    assert by_score
    assert all(step.subject.startswith(("indicator.", "registration.")) for told in by_score for step in told.steps)


def test_what_cannot_be_is_said_by_rule_and_reason(found):
    stuck = [told for *_, told in found if not told.opens]
    assert stuck
    for told in stuck:
        assert told.blocked
        assert not told.steps
        assert told.after is None
        for one in told.blocked:
            assert one["text_zh"].strip("：") == one["text_zh"]
            assert one["text_zh"].count("未取得相关记录") <= 1
    assert {one["reason"] for told in stuck for one in told.blocked} >= {"no_record", "worse"}


def test_an_open_product_needs_nothing(profiles, live, book):
    firm, i = next(
        (firm, i) for i in FIRMS for firm in [profiles.matches.explain(i)] if firm[0].state == "eligible"
    )  # fmt: skip
    told = _unlock(profiles, firm, firm[0], i, live, book)
    assert told.opens
    assert not told.steps


class TestOverHttp:
    @pytest.fixture
    def read(self, bank):
        def run(authorization, profile, code):
            return bank.call("GET", f"/v1/profiles/{profile['id']}/matches/{code}/unlock", authorization)

        return run

    def test_each_near_miss_of_a_profile_is_answered(self, products, created, bank, read):
        authorization, profile = created()
        matches = bank.call("GET", f"/v1/profiles/{profile['id']}/matches?state=ineligible", authorization).json()
        closed = [row for row in matches["products"] if row["state"] == "ineligible"][:5]
        assert closed
        for row in closed:
            answer = read(authorization, profile, row["product"])
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert (body["product"], body["state"]) == (row["product"], "ineligible")
            assert bool(body["steps"]) is body["opens"]
            assert bool(body["blocked"]) is not body["opens"]

    def test_a_product_that_was_not_matched_is_not_found(self, products, created, read):
        authorization, profile = created()
        assert read(authorization, profile, "NO-SUCH").status_code == 404

    def test_another_model_in_use_is_a_conflict(self, app, products, created, bank, read):
        authorization, profile = created()
        code = profile["products"]["best"][0]["product"]
        live = runtime.of_app(app).of(LiveModel)
        manifest = live.model.manifest | {"files": live.model.manifest["files"] | {"model.ubj": "0" * 64}}
        runtime.of_app(app).put(replace(live, model=replace(live.model, manifest=manifest, sha256="0" * 64)))
        try:
            answer = read(authorization, profile, code)
        finally:
            runtime.of_app(app).put(live)
        assert answer.status_code == 409
        assert "in use is" in answer.json()["detail"]
