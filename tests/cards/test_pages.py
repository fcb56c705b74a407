"""The firm's card on its page, and what whoever gets its link sees."""

from __future__ import annotations

from tests.cards.conftest import CARD


def test_a_card_says_what_is_known_and_shows_what_is_chosen(app, carded):
    shown = carded.person.get(f"{CARD}?lang=en").text
    assert 'class="credit-card"' in shown
    link = carded.link("grade_band", "years_in_business")
    seen = app.test_client().get(link + "?lang=en")
    assert seen.status_code == 200
    assert "Genuine and good" in seen.text
    assert "Grade band" in seen.text
    assert "Unified social credit code" not in seen.text
