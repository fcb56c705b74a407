"""The firm sees on its own page what ties it to others; and no firm sees another's."""

from __future__ import annotations

import pytest

from creditlink.enterprises.registry import loads
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests import factories as make

PAGE = "/portal/profile"
GONE = make.make_uscc(8_001)


@pytest.fixture
def tied(owner):
    """The owner's firm shares its representative with a revoked one, and each guarantees for the other."""
    led = {"legal_representative": "张三", "representative_id": "1"}
    rows = [
        {"uscc": owner.firm.uscc, **led, "guarantees": [{"name": "<b>某</b>", "uscc": GONE}]},
        {
            "uscc": GONE, "name": "已吊销<b>公司", "status": "revoked", "valid_from": "2025-03-12", **led,
            "industry": "C33", "region": "440600", "guarantees": [{"name": "某", "uscc": owner.firm.uscc}],
        },
    ]  # fmt: skip
    with db.transaction("owner") as session:
        load = loads.open_load(session, loads.Opening("reg", "full", "99"), actor="test", now=utc_now())
        loads.stage(session, load, [FeedRow(n, row) for n, row in enumerate(rows, 1)])
        loads.take_batch(session, load, secret="s" * 40, now=utc_now())
        loads.finish(session, load, now=utc_now())


def test_it_shows_the_way_the_tie_and_the_circle(tied, owner):
    english = owner.get(f"{PAGE}?lang=en").text
    assert "through representative 张三 to 已吊销&lt;b&gt;公司, whose licence was revoked on 2025-03-12" in english
    assert "in a ring of 2 firms" in english
    chinese = owner.get(f"{PAGE}?lang=zh").text
    assert "经法定代表人张三关联到已吊销&lt;b&gt;公司，该企业于2025-03-12被吊销营业执照" in chinese
    assert "由2家企业组成的互保圈" in chinese


def test_a_firm_without_ties_is_told_of_none(owner):
    assert "Ties to other firms" not in owner.get(f"{PAGE}?lang=en").text


class TestTheGroup:
    def test_it_shows_the_group_the_guarantees_and_the_way(self, tied, owner):
        english = owner.get("/portal/group?lang=en").text
        assert (
            "shares its legal representative 张三 with 已吊销&lt;b&gt;公司, which was struck off on 2025-03-12"
            in english
        )
        assert "representative 张三" in english
        assert "struck off" in english
        assert "For 已吊销&lt;b&gt;公司" in english  # as the register names it
        assert "amount not known" in english
        assert "No bank has a consent of your firm now" in english
        chinese = owner.get("/portal/group?lang=zh").text
        assert "法定代表人同为张三；已吊销&lt;b&gt;公司于2025-03-12被吊销营业执照" in chinese
        assert "由2家企业组成的互保圈" in chinese

    def test_it_says_which_bank_sees_what(self, tied, owner):
        with db.transaction("owner") as session:
            for name, categories in (("Alpha Bank", ["tax"]), ("Beta Bank", ["tax", "contract"])):
                institution = make.make_institution(session, name_en=name)
                make.make_consent(
                    session, enterprise=owner.firm, client=make.make_client(session, institution=institution),
                    account=owner.account, wanted=categories, now=utc_now(),
                )  # fmt: skip
            over = make.make_institution(session, name_en="Gamma Bank")
            make.make_consent(
                session, enterprise=owner.firm, client=make.make_client(session, institution=over), now=utc_now(),
                account=owner.account, state="REVOKED",
            )  # fmt: skip
        page = owner.get("/portal/group?lang=en").text
        said = page[page.index("What a bank sees") :]
        assert "Alpha Bank" in said, said[:1_000]
        alpha, beta = (page[page.index(name) : page.index(name) + 120] for name in ("Alpha Bank", "Beta Bank"))
        assert "the group; not your guarantees" in alpha
        assert "since you granted contracts" in beta
        assert "Gamma Bank" not in page

    def test_a_firm_without_ties_is_told_so(self, owner):
        page = owner.get("/portal/group?lang=en").text
        assert "ties your firm to no other" in page
        assert "No guarantee of your firm" in page

    def test_another_firms_group_is_not_found(self, tied, owner):
        with db.transaction("owner") as session:
            other = make.make_enterprise(session)
        assert owner.get(f"/portal/group?enterprise={other.id}").status_code == 404
