"""A profile's products over HTTP: page by page, narrowed, and no more put into words than a page shows."""

import pytest
from sqlalchemy import text

from creditlink.engine.matching.outcomes import ProductMatch


@pytest.fixture
def read(products, created, bank):
    """Read the products of one profile."""
    authorization, profile = created()

    def run(**params):
        return bank.call("GET", f"/v1/profiles/{profile['id']}/matches", authorization, params=params)

    return run


def test_pages_follow_each_other_and_are_the_whole_list_in_order(read):
    page = first = read().json()
    assert len(first["products"]) == 20
    assert first["total"] == sum(first["counts"].values()) > 100
    found = list(first["products"])
    while page["next_cursor"] is not None:
        page = read(cursor=page["next_cursor"], limit=90).json()
        found += page["products"]
        assert page["total"] == first["total"]
    assert [one["rank"] for one in found] == list(range(1, first["total"] + 1))
    states = [one["state"] for one in found]
    assert states == sorted(states, key=["eligible", "undetermined", "ineligible"].index)
    assert {state: states.count(state) for state in first["counts"]} == first["counts"]


def test_a_page_puts_no_other_product_into_words(read, monkeypatch):
    told, words = [], ProductMatch.to_dict
    monkeypatch.setattr(ProductMatch, "to_dict", lambda self: told.append(self.rank) or words(self))
    assert [one["rank"] for one in read(limit=3, cursor="20").json()["products"]] == told == [21, 22, 23]


def test_filters_narrow_the_list_and_leave_its_order(read):
    whole = [*read(limit=100).json()["products"]]
    for name, member in (("state", "state"), ("kind", "kind"), ("institution", "institution"), ("product", "product")):
        wanted = whole[7][member]
        page = read(**{name: wanted}, limit=1).json()
        found = [*page["products"]]
        while page["next_cursor"] is not None:
            page = read(**{name: wanted}, limit=40, cursor=page["next_cursor"]).json()
            found += page["products"]
        assert page["total"] == len(found)
        assert {one[member] for one in found} == {wanted}
        assert [one["rank"] for one in found if one["rank"] <= 100] == [
            one["rank"] for one in whole if one[member] == wanted
        ]
    none = read(product="NO-SUCH").json()
    assert (none["total"], none["products"], none["next_cursor"]) == (0, [], None)


def test_what_the_list_does_not_have_is_refused_and_nothing_goes_out(read, empty_database):
    cursors = ("", "0", "-1", "020", "x", "２０", "9" * 30, "10000", "1\0", "20&limit=1")
    for params in (
        *({"cursor": one} for one in cursors),
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1.5"},
        {"state": "open"},
        {"kind": "gold"},
        {"institution": ""},
        {"product": "x" * 41},
        {"unknown": "1"},
        {"product": "NO-SUCH", "cursor": "20"},
    ):
        answer = read(**params)
        assert answer.status_code in (400, 422), (params, answer.text)
    with empty_database.transaction("owner") as session:
        assert not session.scalar(text("SELECT count(*) FROM audit_entries WHERE action = 'profile.matches'"))
