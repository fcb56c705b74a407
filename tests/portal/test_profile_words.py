"""What the firm's profile says in plain words: what to do, when it shows, what it opens, what the figures mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.processes import runtime
from creditlink.portal.firm.known.scale import bands, history, odds, out_of
from creditlink.portal.firm.known.steps import step_of
from tests.portal.test_profile import (
    PAGE,
    authorized,
    bank,
    city,
    created,
    delivered,
    escaped,
    firm,
    http,
    products,
    reader,
    rich_firm,
)  # fmt: skip

__all__ = [
    "authorized", "bank", "city", "created", "delivered", "firm", "http", "products", "reader", "rich_firm",
]  # fmt: skip


def test_whatever_a_firm_can_act_on_has_words_for_it(app):
    live = runtime.of_app(app).of(LiveModel)
    names = {live.levers.indicators[m].name for lever in live.levers.levers for m in lever.members}
    assert [name for name in sorted(names) if step_of(name, 6) is None] == []
    zh, en = step_of("tax_late_filings_6", 6)
    assert en.startswith("File each VAT return of the next 6 months by its due day")
    assert "接下来 6 个月" in zh


def test_the_grades_are_the_scales_own_and_leave_no_gap(app):
    scale = runtime.of_app(app).of(LiveModel).rules.scale
    rows = bands(scale)
    assert [row.grade for row in rows] == ["A+", "A", "B", "C", "D", "E"]
    assert [row.points_below for row in rows[1:]] == [row.points_from for row in rows[:-1]]
    assert [row.pd_from for row in rows[1:]] == [row.pd_below for row in rows[:-1]]
    for row in rows[1:]:
        assert str(scale.grade(row.pd_from)) == row.grade


@pytest.mark.pure
def test_a_probability_is_said_in_whole_firms():
    assert [out_of(pd) for pd in (0.5, 0.034, 0.0099, 0.0004)] == [(50, 100), (3, 100), (10, 1000), (1, 1000)]
    assert odds(0.02) == 49
    day = datetime(2026, 1, 1, tzinfo=UTC)
    assert history([(day, 600), (day, 610)], "Points") is None
    assert history([(day, None), (datetime(2026, 3, 1, tzinfo=UTC), 610)], "Points") is None


def test_each_way_says_what_to_do_when_it_shows_and_what_it_opens(reader, products, created, bank):
    authorization, made = created()
    better = bank.call("GET", f"/v1/profiles/{made['id']}/improvements", authorization).json()
    assert better["plans"]
    for lang, own in (("en", 1), ("zh", 0)):
        shown = reader.get(f"{PAGE}?lang={lang}").text
        for plan in better["plans"]:
            for change in plan["changes"]:
                assert escaped(step_of(change["indicator"], change["months"])[own]) in shown
        assert ("more product" if own else "款产品") in shown
    shown = reader.get(f"{PAGE}?lang=en").text
    assert "odds" in shown
    assert re.search(rf'<th scope="row">{re.escape(made["grade"])} <span class="tag">your firm</span>', shown)


def test_what_a_way_opens_is_what_matching_says(reader, products, created, empty_database):
    """The products that a plan opens are those of which the changed firm meets every condition."""
    from sqlalchemy import select
    from sqlalchemy.orm import undefer

    from creditlink.engine.matching import encoding
    from creditlink.engine.matching.match import STATES
    from creditlink.kit.settings import Settings
    from creditlink.products.service import book_of
    from creditlink.profiles import wire
    from creditlink.profiles.tables import Profile

    created()
    app = reader.client.application
    live = runtime.of_app(app).of(LiveModel)
    with app.test_request_context(), empty_database.transaction("owner") as session:
        profile = session.scalars(select(Profile).options(undefer("*"))).one()
        book = book_of(session, runtime.part(Settings), profile.asked["products"])
        before = encoding.unpack(profile.matches, book).states
        assert wire.opened(profile, {}, book, live) == []
        plans = wire.improvements(profile, live)["plans"]
        gained = {
            one.code
            for plan in plans
            for one in wire.opened(
                profile, {change["indicator"]: change["after"] for change in plan["changes"]}, book, live
            )
        }
        closed = {one.code for one, state in zip(book.products, before, strict=True) if STATES[state] != "eligible"}
        assert gained <= closed


def test_an_earlier_profile_opens_in_full_and_the_points_are_drawn(reader, created, firm, empty_database):
    from sqlalchemy import text

    _, first = created()
    with empty_database.transaction("owner") as session:  # as if the first were of two months ago
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE profiles SET created_at = created_at - interval '61 days'"))
    _, second = created()
    shown = reader.get(f"{PAGE}?lang=en").text
    assert "<svg" in shown
    link = re.search(r'href="([^"]*profile=prf_[^"]+)"', shown).group(1).replace("&amp;", "&")
    assert first["id"] in link
    earlier = reader.get(f"{link}&lang=en").text
    assert f'<span class="points">{first["points"]}</span>' in earlier
    assert second["id"] in earlier
    assert reader.get(f"{PAGE}?profile=prf_{'0' * 32}").status_code == 404
    assert reader.get(f"{PAGE}?profile=x%00").status_code in (404, 422)


def test_a_sole_trader_reads_its_rights(reader, firm, empty_database, created):
    with empty_database.transaction("owner") as session:
        session.merge(firm.enterprise).entity_type = "sole_trader"
    created()
    shown = reader.get(f"{PAGE}?lang=en").text
    assert "Your rights as a sole trader" in shown
    assert "art. 46" in shown
