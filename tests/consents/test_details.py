"""authorization_details: the order of checks, what is refused, what comes back."""

import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.consents.agreement import details as rules
from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.consents.agreement.details import AuthorizationDetails, parse
from creditlink.consents.agreement.faults import DetailsRefused
from creditlink.consents.agreement.limits import fair_use_from
from creditlink.consents.agreement.served import ServedCategories
from creditlink.engine.facts.frames import CATEGORY_FRAMES
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, evidence_of
from creditlink.kit.settings import load_settings
from tests.factories import NOW, make_uscc

pytestmark = pytest.mark.pure

FAIR_USE = fair_use_from(load_settings({"CREDITLINK_SECRET_KEY": "k" * 40}).read_toml("purposes.toml"))

EVERYTHING = ServedCategories.of(CATEGORIES)


@dataclass
class Terms:
    categories: list[str] = field(default_factory=lambda: ["registration", "tax", "social_security", "electricity"])
    metadata_: dict = field(default_factory=dict)


def asked(**changes):
    body = {
        "type": "enterprise_credit_profile",
        "uscc": make_uscc(1),
        "categories": ["tax", "social_security", "electricity"],
        "optional_categories": ["electricity"],
        "purpose": "underwriting",
        "access": "once",
        "history_months": 24,
        "valid_until": (NOW + timedelta(days=30)).isoformat(),
        "data_life_days": 30,
        "pulls_per_month": 3,
        "actions": ["profile", "match"],
    }
    return {k: v for k, v in (body | changes).items() if v is not ...}


def read(body, client=None, served=EVERYTHING):
    raw = body if isinstance(body, str) else json.dumps(body if isinstance(body, list) else [body])
    return parse(raw, client=client or Terms(), fair_use=FAIR_USE, served=served, now=NOW)


def refused(body, client=None, served=EVERYTHING):
    with pytest.raises(DetailsRefused) as caught:
        read(body, client, served)
    return caught.value


def test_a_full_request_is_read_as_it_stands():
    found = read(asked())
    assert found.categories == ("tax", "social_security", "electricity")
    assert found.required_categories == ("tax", "social_security")
    assert found.valid_until == NOW + timedelta(days=30)
    assert found.fair_use_version == FAIR_USE.version


def test_absent_members_take_the_purposes_defaults():
    found = read(
        asked(uscc=..., access=..., data_life_days=..., pulls_per_month=..., actions=..., optional_categories=...)
    )
    assert (found.uscc, found.access, found.data_life_days, found.pulls_per_month) == (None, "once", 31, 2)
    assert found.actions == ("profile", "match")
    assert found.required_categories == found.categories


def test_an_optional_category_may_be_listed_once_or_twice():
    assert read(asked(categories=["tax", "social_security"])) == read(asked())


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        '{"type": "enterprise_credit_profile"}',
        "[]",
        "[1]",
        "[[]]",
        '["x"]',
        "[{}]",
        '[{"type": 1}]',
        '[{"type": "enterprise_credit_profile", "type": "x"}]',
        '[{"type": NaN}]',
        r'[{"type": "enterprise_credit_profile", "uscc": "a\u0000"}]',
        r'[{"type": "enterprise_credit_profile", "\ud800": 1}]',
        '[{"type": "enterprise_credit_profile", "history_months": 1e400}]',
        "[" * 5000,
        "[" + "1" * 9000 + "]",
        '"' + "x" * 9000 + '"',
        "null",
        "[" + ",".join(['{"type": "enterprise_credit_profile"}'] * 17) + "]",
    ],
)
def test_shape_is_an_invalid_request(raw):
    assert refused(raw).error == "invalid_request"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "payment_initiation"}, "unknown type"),
        ({"locations": "https://x.example"}, "locations must be an array of texts"),
        ({"actions": [1]}, "actions must be an array of texts"),
        ({"identifier": 3}, "identifier must be a text"),
        ({"datatypes": ["x"]}, "a member that is none of"),
        ({"admin": True}, "a member that is none of"),
        ({"uscc": "91440600"}, "uscc needs 18 characters"),
        ({"uscc": 5}, "uscc needs 18 characters"),
        ({"categories": ...}, "categories must be a non-empty array"),
        ({"categories": []}, "categories must be a non-empty array"),
        ({"categories": ["tax", "tax"]}, "categories names something twice"),
        ({"categories": ["payroll"]}, "categories must be of registration"),
        ({"categories": ["tax", "logistics"]}, "categories holds one that is not open to this client"),
        ({"optional_categories": ["tax", "social_security", "electricity"]}, "at least one required category"),
        ({"purpose": "marketing"}, "purpose must be one of prequalification"),
        ({"purpose": ["underwriting"]}, "purpose must be one of"),
        ({"access": "always"}, "access must be once or recurring"),
        ({"history_months": 0}, "history_months must be a whole number from 1"),
        ({"history_months": True}, "history_months must be a whole number"),
        ({"history_months": 12.0}, "history_months must be a whole number"),
        ({"history_months": "12"}, "history_months must be a whole number"),
        ({"history_months": ...}, "history_months must be a whole number"),
        ({"valid_until": ...}, "valid_until must be an instant with a zone"),
        ({"valid_until": "2026-09-01"}, "valid_until must be an instant with a zone"),
        ({"valid_until": "2026-09-01T00:00:00"}, "valid_until must be an instant with a zone"),
        ({"valid_until": "2026-13-01T00:00:00Z"}, "valid_until must be an instant with a zone"),
        ({"valid_until": "0001-01-01T00:00:00+14:00"}, "valid_until"),
        ({"valid_until": NOW.isoformat()}, "is not in the future"),
        ({"pulls_per_day": 0}, "pulls_per_day must be a whole number"),
        ({"actions": ["sell"]}, "actions must be of profile"),
    ],
)
def test_meaning_is_named_with_its_place(change, says):
    error = refused(asked(**change))
    assert (error.error, error.index, error.status) == ("invalid_authorization_details", 0, 400)
    assert says in error.description


def test_the_object_at_fault_is_named():
    assert refused([asked(), {"type": "unknown"}]).index == 1
    assert refused([asked(), asked()]).index == 1


def test_a_type_that_is_not_the_clients_is_refused():
    error = refused(asked(), Terms(metadata_={"authorization_details_types": []}))
    assert "not open to this client" in error.description


def test_unknown_type_comes_before_wrong_members():
    assert "unknown type" in refused([asked(history_months=0), {"type": "x"}]).description


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        ({"history_months": 37}, "history_months"),
        ({"valid_until": (NOW + timedelta(days=32)).isoformat()}, "valid_until"),
        ({"data_life_days": 32}, "data_life_days"),
        ({"pulls_per_month": 4}, "pulls_per_month"),
        ({"pulls_per_day": 4}, "pulls_per_day"),
        ({"access": "recurring"}, "access"),
        ({"purpose": "prequalification"}, "valid_until"),
        (
            {
                "purpose": "monitoring",
                "access": "recurring",
                "history_months": 7,
                "valid_until": (NOW + timedelta(days=365)).isoformat(),
            },
            "history_months",
        ),
    ],
)
def test_a_breach_of_fair_use_names_the_attribute(change, attribute):
    error = refused(asked(**change))
    assert (error.error, error.status, error.attribute) == ("invalid_authorization_details", 412, attribute)
    assert attribute in error.description


def test_a_banks_clock_may_run_a_little_ahead():
    day = {"purpose": "prequalification", "data_life_days": 1, "pulls_per_month": 1}
    read(asked(**day, valid_until=(NOW + timedelta(days=1, minutes=5)).isoformat()))
    refused(asked(**day, valid_until=(NOW + timedelta(days=1, minutes=5, seconds=1)).isoformat()))


def test_a_wrong_check_character_only_warns():
    code = make_uscc(5)
    other = "0" if code[-1] != "0" else "1"
    assert read(asked(uscc=code[:-1] + other)).uscc == code[:-1] + other


def test_everything_that_is_wrong_is_told_at_once():
    """Of several faults the first is the description, and each is in the list with its place; none is told twice."""
    found = refused(
        asked(
            uscc="nonsense", categories=["tax", "tax"], access="often", history_months=0, valid_until="soon",
            data_life_days=10_000, pulls_per_month=99, nonsense=1,
        )
    )  # fmt: skip
    assert found.description.startswith("authorization_details at index 0: has a member that is none of")
    assert (found.status, found.attribute) == (400, None)
    assert [(fault.pointer, fault.attribute) for fault in found.faults] == [
        ("/0", None),
        ("/0/uscc", None),
        ("/0/categories", None),
        ("/0/access", None),
        ("/0/valid_until", None),
        ("/0/history_months", None),
        ("/0/data_life_days", "data_life_days"),
        ("/0/pulls_per_month", "pulls_per_month"),
    ]
    assert [fault.pointer for fault in refused([]).faults] == [""]


def test_limits_of_an_unknown_purpose_are_not_guessed():
    found = refused(asked(purpose="curiosity", history_months=99))
    assert [fault.pointer for fault in found.faults] == ["/0/purpose"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(list(asked())), inner),
        max_leaves=12,
    )
)
def test_no_json_breaks_the_reader_and_texts_are_fit_for_oauth(value):
    for body in (value, [asked() | value] if isinstance(value, dict) else [value]):
        said = ""
        try:
            parse(json.dumps(body), client=Terms(), fair_use=FAIR_USE, served=EVERYTHING, now=NOW)
        except DetailsRefused as error:
            said = error.description
        assert said.isascii()
        assert not set('"\\\n\r') & set(said)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(raw):
    with pytest.raises(DetailsRefused):
        parse(raw, client=Terms(), fair_use=FAIR_USE, served=EVERYTHING, now=NOW)


@given(st.sets(st.sampled_from(sorted(CATEGORIES)), min_size=1), st.data())
def test_wire_form_and_narrowing(categories, data):
    choices = sorted(categories - {*PUBLIC_CATEGORIES})
    most = len(choices) - (len(choices) == len(categories))
    optional = data.draw(st.sets(st.sampled_from(choices), max_size=most)) if choices else set()
    found = read(
        asked(categories=sorted(categories), optional_categories=sorted(optional) or ...), Terms(list(CATEGORIES))
    )
    again = AuthorizationDetails.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert again == AuthorizationDetails(**{**found.__dict__, "fair_use_version": ""})
    left = found.narrowed(found.required_categories)
    assert set(left.categories) == categories - optional
    assert "optional_categories" not in left.to_dict()


def test_categories_are_those_of_the_records():
    assert {evidence_of(category) for category in CATEGORIES} == set(CATEGORY_FRAMES)


class TestWhatIsNotServed:
    @pytest.mark.parametrize("member", ["categories", "optional_categories"])
    def test_a_category_without_a_source_is_refused_by_name(self, member):
        body = asked(**{"categories": ["tax", "gas"], "optional_categories": ["gas"]} | {member: ["tax", "gas"]})
        found = refused(body, served=ServedCategories.of(["tax", "electricity"]))
        assert (found.error, found.index) == ("invalid_authorization_details", 0)
        assert "holds gas, of which no source is connected here" in found.description

    def test_an_action_that_nobody_serves_is_refused_by_name(self):
        found = refused(asked(actions=["profile", "monitor"]))
        assert found.error == "invalid_authorization_details"
        assert "actions holds monitor, which nothing here serves: it must be of profile, match" in found.description

    def test_a_report_is_asked_for_by_its_own_purpose_alone(self):
        found = refused(asked(actions=["profile", "report"]))
        assert "actions holds report, which only a request of purpose report may ask for" in found.description
        once = {"purpose": "report", "access": "once", "data_life_days": 1, "pulls_per_month": 1}
        until = {"valid_until": (NOW + timedelta(hours=20)).isoformat(timespec="seconds")}
        assert read(asked(actions=..., **once, **until)).actions == ("profile", "report")
        assert read(asked(actions=["report"], **once, **until)).actions == ("report",)
        assert read(asked(actions=...)).actions == ("profile", "match")

    @pytest.mark.parametrize("member", ["categories", "optional_categories"])
    def test_the_name_for_all_supplies_is_refused_and_the_three_are_named(self, member):
        found = refused(asked(**{"categories": ["tax"], "optional_categories": ...} | {member: ["utility"]}))
        assert "utility, which is asked for as electricity, water, gas" in found.description


class TestPublicRecords:
    def test_may_be_named_by_every_client_and_need_no_source(self):
        details = asked(categories=["registration", "public_credit", "tax"], optional_categories=...)
        found = read(details, Terms(["tax"]), ServedCategories.of(["tax"]))
        assert found.categories == ("registration", "tax", "public_credit")

    @pytest.mark.parametrize("category", PUBLIC_CATEGORIES)
    def test_are_no_choice(self, category):
        found = refused(asked(optional_categories=[category]))
        assert f"optional_categories cannot hold {category}: public records are read by law" in found.description


def test_details_of_before_the_supplies_were_apart_name_all_three():
    before = asked(categories=["tax", "utility"], optional_categories=["utility"])
    found = AuthorizationDetails.from_dict(before)
    assert found.categories == ("tax", "electricity", "water", "gas")
    assert found.optional_categories == ("electricity", "water", "gas")


def test_a_template_file_is_checked_by_name():
    table = {"version": "1", "clock_slack_seconds": 0, "purposes": {"x": {"access": "once"}}}
    with pytest.raises(ValueError, match=r"purposes\.x: missing"):
        fair_use_from(table)
    assert rules.TYPE == "enterprise_credit_profile"
