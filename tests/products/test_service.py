from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from creditlink.institutions.tables import Institution
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import SettingError
from creditlink.products import service
from creditlink.products.files.seed import load_seed
from creditlink.products.service import book_of, listing, live_book, load_products
from creditlink.products.tables import Product
from tests.engine.matching.samples import SEED, product
from tests.factories import NOW, make_institution


def seeded(settings):
    return load_seed(settings.config_dir / "products.toml")[1]


pytestmark = pytest.mark.usefixtures("empty_database")


@pytest.fixture
def settings(settings, tmp_path):
    """Settings with a configuration folder of their own: the seed's institutions, and few of its templates."""
    for name in ("products.toml", "matching.toml", "price_response.csv"):
        (tmp_path / name).write_text((settings.config_dir / name).read_text("utf-8"), "utf-8")
    head, *templates = (tmp_path / "products.toml").read_text("utf-8").split("[[templates]]")
    some = [one for one in templates if any(f'key = "{key}"' in one for key in ("TAX", "ENERGY", "LEASE"))]
    (tmp_path / "products.toml").write_text("[[templates]]".join([head, *some]), "utf-8")
    return replace(settings, config_dir=tmp_path)


@pytest.fixture
def lenders(empty_database):
    with db.transaction("owner") as session:
        for lender in load_seed(SEED)[0]:
            make_institution(
                session, code=lender.code, name_zh=lender.name_zh, name_en=lender.name_en, kind=lender.kind
            )


def change(settings, old, new):
    path = settings.config_dir / "products.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def load(settings):
    with db.transaction("owner") as session:
        return load_products(session, settings, now=NOW)


def rows(state="live"):
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(Product).where(Product.state == state))


class TestLoading:
    def test_twice_is_once(self, settings, lenders):
        assert load(settings) == len(seeded(settings))
        assert load(settings) == 0
        assert rows() == len(seeded(settings))

    def test_a_change_is_a_further_version_and_retires_the_one_before(self, settings, lenders):
        load(settings)
        with db.transaction() as session:
            before = live_book(session, settings)
        change(settings, "rate_min = [480, 540, 600]", "rate_min = [481, 541, 601]")
        changed = load(settings)
        assert 0 < changed < 10
        assert rows("retired") == changed
        with db.transaction() as session:
            after = live_book(session, settings)
            versions = {terms.code: terms.version for terms in after.products}
            assert sorted(versions.values())[-changed:] == [2] * changed
            again = book_of(session, settings, [(t.code, t.version) for t in before.products])
        assert again.products == before.products
        assert after.products != before.products
        assert load(settings) == 0

    def test_an_institution_that_is_not_registered_is_named_and_nothing_is_written(self, settings):
        with pytest.raises(SettingError, match=r"product 'LJB-\w+': field 'institution_code': value 'LJB': is no"):
            load(settings)
        assert rows() == 0

    def test_a_rule_on_an_unknown_indicator_is_named(self, settings, lenders):
        change(settings, "indicator.capacity_utilisation", "indicator.shoe_size")
        with pytest.raises(SettingError, match=r"products.toml: product '\w+-ENERGY': .*'indicator.shoe_size'"):
            load(settings)

    def test_wrong_weights_are_named(self, settings, lenders):
        path = settings.config_dir / "matching.toml"
        path.write_text(path.read_text("utf-8").replace("cost = 4.0", "cost = 99.0"), "utf-8")
        with pytest.raises(SettingError, match=r"matching.toml: setting weights.cost: value 99.0"):
            load(settings)


class TestBook:
    def test_is_what_was_loaded_in_order_of_code(self, settings, lenders):
        load(settings)
        with db.transaction() as session:
            book = live_book(session, settings)
        assert list(book.products) == sorted(seeded(settings), key=lambda terms: terms.code)

    def test_is_kept_until_something_changes(self, settings, lenders):
        load(settings)
        with db.transaction() as session:
            first = live_book(session, settings)
            assert live_book(session, settings) is first
        with db.transaction("owner") as session:
            session.scalars(select(Institution).where(Institution.code == "LJB")).one().status = "suspended"
        with db.transaction() as session:
            second = live_book(session, settings)
        assert {t.institution_code for t in first.products} - {t.institution_code for t in second.products} == {"LJB"}

    def test_holds_what_is_offered_on_the_day(self, settings, lenders):
        load(settings)
        first = date(2024, 1, 1)
        with db.transaction() as session:
            assert len(live_book(session, settings, on=first)) == rows()
            assert len(live_book(session, settings, on=first - timedelta(days=1))) == 0

    def test_an_empty_catalogue_is_an_empty_book(self, settings):
        with db.transaction() as session:
            assert len(live_book(session, settings)) == 0
            assert listing(session, settings).by_code == {}

    def test_a_version_that_is_not_stored_is_named(self, settings):
        with db.transaction() as session, pytest.raises(LookupError, match="product 'X-1': field 'version': value 3"):
            book_of(session, settings, [("X-1", 3)])

    def test_keeps_few_days(self, settings, lenders):
        load(settings)
        with db.transaction() as session:
            for day in range(1, 12):
                live_book(session, settings, on=date(2025, 1, day))
        assert len(runtime.process().of(service.Listings)) <= service.Listings.most


class TestTable:
    def draft(self, session, **values):
        terms = product("LJB-TAX")
        plain = terms.to_dict()
        row = Product(
            **{
                "institution_id": make_institution(session).id,
                "code": terms.code,
                "version": 1,
                "state": "draft",
                "terms": plain,
                "terms_sha256": service.terms_sha256(plain),
                "revision": 1,
                "written_by": "a",
                "created_at": NOW,
                "changed_at": NOW,
                "published_at": NOW if values.get("state") == "live" else None,
            }
            | values
        )
        session.add(row)
        session.flush()

    @pytest.mark.parametrize(
        ("values", "constraint"),
        [
            ({"state": "live"}, "four_eyes"),
            ({"state": "checked", "checked_by": "a"}, "four_eyes"),
            ({"state": "gone", "checked_by": "b"}, "state"),
            ({"version": 2}, "terms"),
            ({"code": "OTHER"}, "terms"),
        ],
    )
    def test_refuses_what_may_not_be(self, values, constraint):
        with pytest.raises(IntegrityError, match=f"ck_products_{constraint}"), db.transaction("owner") as session:
            self.draft(session, **values)

    def test_takes_a_draft_and_what_another_checked(self):
        with db.transaction("owner") as session:
            self.draft(session)
        with db.transaction("owner") as session:
            session.delete(session.scalars(select(Product)).one())
            session.flush()
            self.draft(session, state="live", checked_by="b")

    def test_two_live_versions_are_refused(self):
        with db.transaction("owner") as session:
            self.draft(session, state="live", checked_by="b")
        terms = product("LJB-TAX").to_dict() | {"version": 2}
        with pytest.raises(IntegrityError, match="uq_products_live"), db.transaction("owner") as session:
            self.draft(session, state="live", checked_by="b", version=2, terms=terms, revision=2)

    @pytest.mark.parametrize(
        ("values", "change", "message"),
        [
            ({}, {"state": "live", "checked_by": "b", "published_at": NOW}, "a draft version cannot go live"),
            ({"state": "live", "checked_by": "b"}, {"terms_sha256": "other"}, "live cannot become live"),
            ({"state": "checked", "checked_by": "b"}, {"written_by": "c"}, "what was checked does not change"),
            ({"state": "retired", "checked_by": "b"}, {"state": "draft"}, "retired cannot become draft"),
        ],
    )
    def test_what_was_checked_stays_as_it_was_checked(self, values, change, message):
        with db.transaction("owner") as session:
            self.draft(session, **values)
        with pytest.raises(IntegrityError, match=message), db.transaction() as session:
            session.execute(update(Product).values(**change))

    def test_what_a_lender_did_since_is_left_alone(self, settings, lenders):
        load(settings)
        with db.transaction("owner") as session:
            session.scalars(select(Product).where(Product.code == "LJB-TAX")).one().state = "retired"
        assert load(settings) == 0
        with db.transaction() as session:
            assert "LJB-TAX" not in listing(session, settings).by_code
