import pytest

from creditlink.products.catalogue.lifecycle import (
    PENDING,
    STATES,
    STEPS,
    Hands,
    StepNotAllowed,
    after,
    check_hands,
    key_marks,
)
from creditlink.sandbox.banks.bank import new_key, public_jwks

pytestmark = pytest.mark.pure

A, B = Hands("bank:a", frozenset({"1"})), Hands("bank:b", frozenset({"2"}))


def test_every_step_leads_to_a_state_and_only_a_checked_version_goes_live():
    assert set(STEPS) == set(STATES)
    assert {to for steps in STEPS.values() for to in steps.values()} <= set(STATES)
    assert [state for state, steps in STEPS.items() if "live" in steps.values()] == ["checked"]
    assert {"draft", "checked"} == PENDING


def test_a_step_out_of_place_names_those_that_are_possible():
    with pytest.raises(StepNotAllowed, match="a version that is draft allows: check, retire, write") as refused:
        after("draft", "publish")
    assert refused.value.allowed == ("check", "retire", "write")
    with pytest.raises(StepNotAllowed, match="allows: nothing"):
        after("retired", "write")


def test_other_hands_may_check():
    check_hands(B, [A, A])


@pytest.mark.parametrize(
    ("checker", "writers", "reason"),
    [
        (A, [A], "own_work"),
        (A, [A, B], "own_work"),  # the other one wrote last
        (Hands("bank:c", frozenset({"1"})), [B, A], "same_key"),
        (Hands("operator:lin"), [Hands("operator:lin")], "own_work"),
    ],
)
def test_no_hand_checks_what_it_wrote(checker, writers, reason):
    with pytest.raises(StepNotAllowed) as refused:
        check_hands(checker, writers)
    assert refused.value.reason == reason


def test_operators_without_keys_are_told_apart_by_name():
    check_hands(Hands("operator:lin"), [Hands("operator:wu")])


def test_a_key_has_one_mark_however_it_is_dressed():
    key = new_key("ES256")
    jwks = public_jwks(key)
    renamed = {"keys": [jwks["keys"][0] | {"kid": "other", "use": "sig"}]}
    assert key_marks(jwks, None) == key_marks(renamed, None) != key_marks(public_jwks(new_key("ES256")), None)
    assert key_marks(None, "https://bank.example/keys") == {"uri:https://bank.example/keys"}
