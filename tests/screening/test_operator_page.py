"""The last screening at the operator's desk: a map in tiles, and who a product is for; each answer leaves evidence."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.kit.postgres import db
from creditlink.portal.staff.operator import screening
from creditlink.portal.staff.operator.screening import RegionTile
from creditlink.products import service
from tests.portal.test_risk_desk import staff

PAGE = "/portal/staff/operator/screening"


@pytest.fixture
def ola(app, settings, screened, make_plan, town, monkeypatch):
    by_code = {terms.code: terms for terms in make_plan(town, screened).products}
    listing = type("Held", (), {"by_code": by_code})
    monkeypatch.setattr(service, "listing", lambda session, settings: listing)
    monkeypatch.setattr(screening, "results_folder", lambda settings: screened)
    person = staff(app, settings, "ola", "operator")
    person.codes = sorted(by_code)
    return person


def test_the_summary_has_tiles_with_names_and_hides_small_numbers(ola):
    shown = ola.get(PAGE + "?lang=en").text
    assert "450" in shown
    tiles = shown.partition('<ul class="tiles">')[2].partition("</ul>")[0]
    assert "佛山市禅城区" in tiles
    assert tiles.count("<li") > 1
    assert "fewer than 10" in shown
    assert f"{PAGE}/products?product=" in shown


def test_a_product_is_counted_moved_and_paged_with_evidence(ola):
    ask = f"{PAGE}/products?lang=en&product="
    whole = next(text for code in ola.codes if "to</label>" not in (text := ola.get(ask + code).text) and
                 'name="move"' in text and "cursor=" in text)  # fmt: skip
    code = whole.partition('name="product" value="')[2].partition('"')[0]
    rule = whole.partition('<select name="move">')[2].split("<option>")[1].partition("<")[0]
    assert ola.get(f"{ask}{code}&move={rule}&to=0").status_code == 200
    for wrong in (f"{code}&move={rule}&to=x", f"{code}&move=no.rule&to=1", "NONE", f"{code}&move={rule}&to="):
        assert ola.get(ask + wrong).status_code == 422, wrong
    cursor = whole.partition("cursor=")[2].partition('"')[0]
    following = ola.get(f"{ask}{code}&cursor={cursor}").text
    assert set(firms_in(whole)) & set(firms_in(following)) == set()
    with db.transaction("owner") as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "screening.read")).all()
    assert {entry.actor for entry in told} == {ola.actor.name}
    assert {"move": rule, "to": 0.0}.items() <= next(one.detail for one in told if "move" in one.detail).items()


def firms_in(shown):
    return [part.partition("<")[0] for part in shown.split('<span class="tag">')[1:]]


@pytest.mark.parametrize(
    ("grades", "shade", "share"),
    [
        ({"A": 30, "D": 10}, 4, 0.75), ({"A": 10, "E": 90}, 1, 0.1), ({"A+": 50}, 5, 1.0),
        ({"A": None, "D": 10}, 0, None), ({"not_scored": 50}, 0, None), ({"B": 20, "not_scored": None}, 5, 1.0),
    ],
)  # fmt: skip
def test_a_tile_tells_no_share_where_a_grade_is_hidden(grades, shade, share):
    tile = RegionTile.of("440604", grades)
    assert (tile.shade, tile.share) == (shade, share)
