"""Slips of the pen: every one breaks the check, which is why only codes that fail it are looked at."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.enterprises.registry.near_codes import SIMILAR, likeness, places_off, slips
from creditlink.kit import uscc
from tests.factories import make_uscc

pytestmark = pytest.mark.pure


@given(st.integers(0, 9_999_999))
def test_a_slip_never_gives_another_code_that_passes(number):
    code = make_uscc(number)
    near = list(slips(code))
    assert not any(one[17] == uscc.check_value(one[:17]) for one in near)


def test_the_slips_are_those_of_one_place_and_of_two_neighbours():
    code = make_uscc(1_234_567)
    near = list(slips(code))
    assert len(near) == 18 * 30 + sum(a != b for a, b in pairwise(code))
    assert {len(places_off(code, one)) for one in near} == {1, 2}
    assert code not in near
    assert code[:16] + code[17] + code[16] in near
    assert places_off(code, code[:3] + ("A" if code[3] != "A" else "B") + code[4:]) == [4]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("佛山市恒达五金有限公司", "佛山市恒达五金有限责任公司", True),
        ("佛山市恒达（五金）有限公司", "佛山市恒达(五金)有限公司", True),
        ("佛山市恒达五金有限公司", "佛山恒达五金有限公司", True),
        ("佛山市恒达五金有限公司", "佛山市南海宏图塑料制品有限公司", False),
        ("有限公司", "甲有限公司", False),
    ],
)
def test_names_of_one_firm_are_alike(one, other, alike):
    assert (likeness(one, other) >= SIMILAR) is alike
