"""The text that is signed: who asks, and of each category the second layer; the optional question beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.consents.agreement.identity import LenderIdentity
from creditlink.consents.agreement.questions import NAMES, question_for
from creditlink.consents.agreement.receipts import text_hash
from creditlink.consents.agreement.statement import statement
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from tests import factories as make

pytestmark = pytest.mark.pure

BANK = LenderIdentity("FSRCB", "bank", "91440606MA4UXYQ27F", "B0123H244060001", date(2025, 3, 7))
NAMED = {"institution_zh": "银行", "institution_en": "Bank", "template": None}


def text_of(lang="zh", *, identity=BANK, asked_on=date(2026, 12, 1), **values):
    details = replace(make.make_details(), **values)
    return statement(details, **NAMED, lang=lang, identity=identity, asked_on=asked_on)


def test_the_same_request_gives_the_same_text_to_the_byte():
    assert text_of().sha256 == text_of().sha256 == text_hash(text_of().as_json())
    assert text_of().sha256 != text_of("en").sha256


@pytest.mark.parametrize("changed", [{"licence_no": None}, {"uscc": None}, {"kind": "leasing"}, {"code": "X"}])
def test_who_asks_is_part_of_what_is_signed(changed):
    assert text_of(identity=replace(BANK, **changed)).sha256 != text_of().sha256


def test_what_is_not_recorded_is_said_and_not_left_out():
    bare = replace(BANK, uscc=None, licence_no=None)
    assert [words for _, words in bare.lines("zh")].count("平台未登记") == 2
    assert [words for _, words in bare.lines("en")].count("not recorded here") == 2
    assert ("接入本平台", "2025年3月7日起") in BANK.lines("zh")
    assert ("On CreditLink", "since 7 Mar 2025") in BANK.lines("en")


def test_each_category_says_items_office_months_frequency_end_and_deletion():
    shown = text_of(categories=("tax", "electricity"), optional_categories=(), history_months=24, pulls_per_day=1)
    assert [one.category for one in shown.data] == ["tax", "electricity"]
    for one in shown.data:
        said = dict(one.details)
        assert list(said) == ["读取的项目", "向谁查询", "哪些月份", "多久一次", "到什么时候", "保存与删除"]
        assert said["向谁查询"] == one.source
        assert "自2024年12月起" in said["哪些月份"]
        assert "每天最多 1 次" in said["多久一次"]
        assert dict(shown.lines)["使用次数"] == said["多久一次"]  # the two layers never differ
    assert "应税销售额" in dict(shown.data[0].details)["读取的项目"]
    english = dict(text_of("en", categories=("tax",), optional_categories=(), history_months=24).data[0].details)
    assert "from Dec 2024" in english["Which months"]


def test_only_electricity_is_said_to_be_read_by_the_hour():
    shown = text_of(categories=("electricity", "water", "gas"), optional_categories=())
    read = {one.category: dict(one.details)["读取的项目"] for one in shown.data}
    assert "夜间用电量" in read["electricity"]
    assert not any("用电" in read[one] or "电、水或气" in read[one] for one in ("water", "gas"))


def test_without_a_day_no_first_month_is_named():
    said = dict(text_of(asked_on=None).data[0].details)["哪些月份"]
    assert "起" not in said
    assert "最近" in said


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_category_that_can_be_asked_for_has_a_second_layer(lang):
    every = tuple(name for name in CATEGORIES if name not in PUBLIC_CATEGORIES)
    shown = text_of(lang, categories=every, optional_categories=())
    assert all(all(words.strip() for pair in one.details for words in pair) for one in shown.data)


class TestTheQuestion:
    DETAILS = replace(make.make_details(), valid_until=datetime(2027, 1, 1, tzinfo=UTC))

    def test_follows_from_the_request_and_asks_all_alike_often(self):
        asked = Counter(question_for(uuid4(), self.DETAILS, "zh").name for _ in range(600))
        assert set(asked) == set(NAMES)
        assert min(asked.values()) > 120
        known = UUID(int=7)
        assert question_for(known, self.DETAILS, "zh") == question_for(known, self.DETAILS, "zh")

    def test_the_right_one_is_everywhere_and_keys_do_not_tell(self):
        places = Counter(question_for(uuid4(), self.DETAILS, "en").right for _ in range(300))
        assert set(places) == {"1", "2", "3"}
        assert min(places.values()) > 50

    def test_zh_and_en_have_the_right_one_in_the_same_place(self):
        for _ in range(20):
            known = uuid4()
            zh, en = (question_for(known, self.DETAILS, lang) for lang in ("zh", "en"))
            assert (zh.name, zh.right) == (en.name, en.right)

    @pytest.mark.parametrize("given", [None, "", "9", "right", "\0", "1" * 5000])
    def test_whatever_is_no_choice_counts_as_skipped(self, given):
        assert question_for(uuid4(), self.DETAILS, "zh").judged(given) == "skipped"

    def test_is_not_asked_of_a_firm_that_looks_at_itself(self):
        assert question_for(uuid4(), replace(self.DETAILS, purpose="own"), "zh") is None
