"""A firm that agreed with itself, whose data is here, and that has a card."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from creditlink.cards.rules import checking
from creditlink.cards.tables import CardPresentation, CreditCard
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests.portal.test_own import agree, fetched, firm_of, holders_without, itself
from tests.portal.test_profile import firm, reader
from tests.profiles.conftest import authorized, bank, city, created, delivered, http, products, rich_firm

__all__ = [
    "agree", "authorized", "bank", "city", "created", "delivered", "fetched", "firm", "firm_of", "holders_without",
    "http", "itself", "products", "reader", "rich_firm",
]  # fmt: skip
CARD = "/portal/card"


@dataclass
class Carded:
    """A person whose firm has a card."""

    person: object
    settings: object

    @property
    def keys(self):
        return keyring.public_keys(self.settings.secret_key)

    def show(self, *names, audience="某房东", days=30, **more):
        """Show facts on the page; return the answer."""
        self.person.get(f"{CARD}?lang=en")
        return self.person.post(f"{CARD}/shown", fact=list(names), audience=audience, days=str(days), **more)

    def link(self, *names, **more):
        """Show facts; return the path of the link."""
        answer = self.show(*names, **more)
        assert answer.status_code == 303, answer.text
        shown = self.person.get(answer.headers["Location"] + "?lang=en").text
        return re.search(r"/cards/clk_[\w-]+", shown).group(0)

    def presented(self, *names, **more):
        """Show facts; return the presentation as text, as the page of the link has it."""
        shown = self.person.client.application.test_client().get(self.link(*names, **more) + "?lang=en").text
        return re.search(r"<pre[^>]*><code[^>]*>([^<]+)<", shown).group(1)

    def check(self, text, **more):
        """Check a presentation as the page does, by a list that was just asked for."""
        return checking.check(
            text, self.keys, issuer=self.settings.issuer, now=more.pop("now", utc_now()),
            status_of=more.pop("status_of", lambda place: "valid"), **more,
        )  # fmt: skip


@pytest.fixture
def carded(reader, itself, settings):
    """A person whose firm has a card of everything that is known."""
    itself()
    reader.get(f"{CARD}?lang=en")
    assert reader.post(CARD).status_code == 303, reader.page.text
    return Carded(reader, settings)


def the_card(session, **of):
    query = select(CreditCard).filter_by(**of).order_by(CreditCard.issued_at.desc(), CreditCard.id)
    return session.scalars(query).first()


def the_presentations(session):
    return session.scalars(select(CardPresentation).order_by(CardPresentation.shown_at)).all()


def later(**spans):
    return utc_now() + timedelta(**spans)


def owner():
    return db.transaction("owner")
