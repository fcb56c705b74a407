"""The one guard for text from outside."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.kit.files.text import flaw, flaws, pointer, printable

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    "kept", ["", "佛山市顺德区", "\u2028", "\u0085", "\ufeff", "\u202e", "\x7f", "\x01", "😀", "\uffff"]
)
def test_every_other_character_is_kept(kept):
    assert flaw(kept) is None
    assert printable(kept) == kept


@pytest.mark.parametrize("code", [0x0000, 0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_nul_and_surrogates_are_refused_by_name(code):
    assert f"U+{code:04X}" in flaw(f"a{chr(code)}b")
    assert printable(f"a{chr(code)}b") == "a\ufffdb"


@given(st.text(alphabet=st.characters(codec=None)))
def test_what_passes_is_what_the_database_can_hold(text):
    try:
        holds = b"\0" not in text.encode()
    except UnicodeEncodeError:
        holds = False
    assert (flaw(text) is None) == holds
    assert flaw(printable(text)) is None


@pytest.mark.parametrize(
    ("sent", "where", "what"),
    [
        (r'{"a": [{"b": "x\u0000"}]}', "/a/0/b", "U+0000"),
        (r'{"a": "\ud800"}', "/a", "U+D800"),
        (r'{"n\u0000": 1}', "/n\ufffd", "the name holds the character U+0000"),
        ('{"n": 9223372036854775808}', "/n", "64 bits"),
        ('{"n": -9223372036854775809}', "/n", "64 bits"),
        ('{"n": 1e400}', "/n", "finite"),
        (r'"\udfff"', "/", "U+DFFF"),
    ],
)
def test_a_value_is_walked_and_the_place_named(sent, where, what):
    [(found, wrong)] = flaws(json.loads(sent))
    assert pointer(found) == where
    assert what in wrong


def test_what_is_fine_has_no_flaws():
    fine = '{"a": [true, null, 9223372036854775807, -9223372036854775808, 1.5, "😀"], "b": {}}'
    assert list(flaws(json.loads(fine))) == []


def test_long_names_above_many_values_cost_no_memory():
    """250 kB on the wire: a place put together for each value would be 7 GB."""
    body = {"a" * 85_000: [1] * 85_000}
    tracemalloc.start()
    try:
        assert list(flaws(body)) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
    body["a" * 85_000][-1] = "\0"
    [(found, _)] = flaws(body)
    assert pointer(found) == "/" + "a" * 80 + "/84999"


def test_a_deep_place_is_told_in_short():
    deep: dict = {"x": "\0"}
    for _ in range(500):
        deep = {"name": deep}
    [(found, _)] = flaws(deep)
    assert len(found) == 501
    assert pointer(found) == "/name" * 10 + "/…" + "/name" * 9 + "/x"


def test_depth_is_no_matter():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    assert list(flaws(deep)) == []
