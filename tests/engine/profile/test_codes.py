"""The book of reason codes: every code a profile can hold, once, in both languages, open to everybody."""

import re

import pytest

from creditlink.engine.explanation.sentences import MISSING_CODES
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.profile.codes import KINDS, code_book
from creditlink.engine.scoring import settings as score_settings
from creditlink.kit.settings import ROOT, load_settings


@pytest.fixture(scope="module")
def book():
    settings = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40})
    return code_book(score_settings.parse(settings.read_toml("score.toml")))


@pytest.mark.pure
def test_the_book_holds_every_code_in_both_languages(book):
    codes = {item["code"]: item for item in book.items}
    assert len(codes) == len(book.items)
    assert {i.reason_code for i in CATALOGUE} <= codes.keys()
    assert {item["kind"] for item in book.items} == set(KINDS)
    for item in book.items:
        for name in ("label", "text"):
            assert re.search(r"[一-鿿]", item[f"{name}_zh"])
            assert item[f"{name}_en"]
    assert codes["R001"]["formula"] == CATALOGUE[0].formula
    assert codes["R902"]["categories"] == ["tax"]


@pytest.mark.pure
def test_every_code_that_golden_profiles_hold_is_in_the_book(book):
    told = set(re.findall(r'"([RKHN]\d{2,3})"', (ROOT / "tests" / "golden" / "profiles.json").read_text()))
    assert told
    assert told <= {item["code"] for item in book.items}


def test_anybody_may_read_it_and_keep_it(app, book):
    client = app.test_client()
    answer = client.get("/v1/reason-codes")
    assert answer.status_code == 200
    assert answer.json["revision"] == book.revision
    assert len(answer.json["items"]) == len(book.items)
    again = client.get("/v1/reason-codes", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    cross = client.get("/v1/reason-codes?kind=indicator&category=utility").json["items"]
    assert {"R151", "R901"} & {item["code"] for item in cross} == {"R151"}
    assert all("utility" in item["categories"] for item in cross)


@pytest.mark.parametrize("query", ["kind=rumour", "category=horoscope", "colour=red"])
def test_a_wrong_filter_is_named(app, query):
    answer = app.test_client().get(f"/v1/reason-codes?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in answer.text


@pytest.mark.pure
def test_no_reason_says_that_an_absent_category_is_one(book):
    """Of a category that is absent as a whole there is no reason, whatever the cause."""
    missing = [item for item in book.items if item["kind"] == "missing"]
    assert len(missing) == len(MISSING_CODES)
    for item in missing:
        assert "records that were delivered do not suffice" in item["text_en"]
        assert "is no reason" in item["text_en"]
        assert "不构成理由" in item["text_zh"]
        assert not item["actionable"]
        for said in (item["label_zh"], item["label_en"]):
            assert "缺失" not in said
            assert "No values" not in said
