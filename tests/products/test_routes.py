import pytest

from creditlink.engine.vocabulary import PRODUCT_KINDS
from creditlink.institutions.tables import Institution
from creditlink.kit.postgres import db
from creditlink.products.files.open_form import parse_product, product_schema
from creditlink.products.files.seed import load_seed
from creditlink.products.service import load_products
from tests.engine.matching.samples import SEED
from tests.factories import NOW, make_institution

INSTITUTIONS, PRODUCTS = load_seed(SEED)

FILTERS = [
    ({"kind": "green"}, lambda t: t.kind == "green"),
    ({"institution": "LJB"}, lambda t: t.institution_code == "LJB"),
    ({"institution_kind": "leasing"}, lambda t: t.institution_kind == "leasing"),
    ({"tag": "technology"}, lambda t: "technology" in t.tags),
    ({"amount_fen": 1_000_000_000, "kind": "tax"}, lambda t: t.kind == "tax" and t.amount_max_fen >= 10**9),
    ({"term_months": 60}, lambda t: t.term_months_min <= 60 <= t.term_months_max),
    ({"rate_bps_at_most": 320}, lambda t: t.rate_bps_min <= 320),
    ({"q": "澜江 租赁"}, lambda t: False),
    ({"q": "yunxiu TAX"}, lambda t: t.institution_code == "YXB" and "Tax" in t.name_en),
    ({"q": "云岫银行"}, lambda t: t.institution_code == "YXB"),
]
WRONG_FILTERS = [
    ({"kind": "gold"}, "kind"),
    ({"limit": 0}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"amount_fen": -1}, "amount_fen"),
    ({"region": "Foshan"}, "region"),
    ({"industry": "c30"}, "industry"),
    ({"colour": "red"}, "colour"),
]


@pytest.fixture
def client(app, settings):
    with db.transaction("owner") as session:
        for lender in INSTITUTIONS:
            make_institution(
                session, code=lender.code, name_zh=lender.name_zh, name_en=lender.name_en, kind=lender.kind
            )
        load_products(session, settings, now=NOW)
    return app.test_client()


def codes(client, **query):
    """The codes on all pages."""
    seen, cursor = [], {}
    while True:
        page = client.get("/v1/products", query_string={"limit": 100} | query | cursor)
        assert page.status_code == 200, page.json
        seen += [item["code"] for item in page.json["items"]]
        assert len(page.json["items"]) <= 100
        if page.json["next_cursor"] is None:
            assert page.json["total"] == len(seen)
            return seen
        cursor = {"cursor": page.json["next_cursor"]}


class TestList:
    def test_needs_no_token_and_pages_through_everything_once(self, client):
        assert codes(client) == sorted(terms.code for terms in PRODUCTS)

    def test_filters(self, client):
        for query, holds in FILTERS:
            assert set(codes(client, **query)) == {t.code for t in PRODUCTS if holds(t)}, query

    def test_a_region_leaves_out_the_lenders_of_other_places(self, client):
        # The seed's product codes begin with the institution's.
        found = {code.split("-")[0] for code in codes(client, region="440604", kind="tax")}
        assert {"LJB", "YTB"} <= found
        assert not {"JYB", "JLB"} & found
        assert {code.split("-")[0] for code in codes(client, region="4406", kind="tax")} == found

    def test_an_industry_goes_by_prefix(self, client):
        fleet = {t.code for t in PRODUCTS if t.code.endswith("LEASE-FLEET")}
        assert fleet <= set(codes(client, industry="G54"))
        assert not fleet & set(codes(client, industry="C30"))

    def test_a_wrong_filter_is_named(self, client):
        for query, field in WRONG_FILTERS:
            answer = client.get("/v1/products", query_string=query)
            assert (answer.status_code, answer.content_type) == (422, "application/problem+json"), query
            assert any(field in error["pointer"] for error in answer.json["errors"]), query

    def test_is_not_sent_again_until_it_changes(self, client):
        first = client.get("/v1/products?kind=green")
        etag = first.headers["ETag"]
        again = client.get("/v1/products?kind=green", headers={"If-None-Match": etag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
        assert client.get("/v1/products?kind=tax", headers={"If-None-Match": etag}).status_code == 200
        with db.transaction("owner") as session:
            session.query(Institution).filter_by(code="QHB").one().status = "suspended"
        changed = client.get("/v1/products?kind=green", headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.json["total"] < first.json["total"]


class TestShow:
    def test_tells_terms_labels_and_every_rule_in_words(self, client):
        terms = next(t for t in PRODUCTS if t.code == "LJB-TAX")
        body = client.get("/v1/products/LJB-TAX").json
        assert body["institution_name_zh"] == "澜江银行股份有限公司"
        assert (body["kind_zh"], body["kind_en"]) == PRODUCT_KINDS["tax"]
        assert len(body["rules"]) == len(terms.rules)
        assert all(rule["text_zh"] and rule["text_en"] for rule in body["rules"])
        extra = (
            "institution_name_zh",
            "institution_name_en",
            "kind_zh",
            "kind_en",
            "yearly_cost_bps_min",
            "yearly_cost_bps_max",
        )
        plain = {name: value for name, value in body.items() if name not in extra}
        plain["rules"] = [{k: rule[k] for k in ("subject", "operator", "limit")} for rule in plain["rules"]]
        assert parse_product(plain) == terms

    def test_an_unknown_code_is_not_found(self, client):
        answer = client.get("/v1/products/NO-SUCH")
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")

    def test_has_an_etag(self, client):
        etag = client.get("/v1/products/LJB-TAX").headers["ETag"]
        assert client.get("/v1/products/LJB-TAX", headers={"If-None-Match": etag}).status_code == 304
        assert client.get("/v1/products/YXB-TAX", headers={"If-None-Match": etag}).status_code == 200


def test_the_schema_is_public(client):
    answer = client.get("/v1/products/schema")
    assert answer.status_code == 200
    assert answer.json == product_schema()
