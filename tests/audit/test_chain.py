"""A chain shows every change made to it afterwards."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.audit import chain

pytestmark = pytest.mark.pure


def built(details):
    previous, entries = chain.GENESIS, []
    for seq, detail in enumerate(details, start=1):
        entry = {"seq": seq, "detail": detail, "previous": previous}
        entry["digest"] = previous = chain.digest(entry)
        entries.append(entry)
    return entries


details = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), min_size=2, max_size=8)


@given(details)
def test_an_untouched_chain_holds(given_details):
    assert chain.verify(built(given_details)) is None


@given(details, st.data())
def test_a_changed_line_is_found(given_details, data):
    entries = built(given_details)
    i = data.draw(st.integers(0, len(entries) - 1))
    forged = copy.deepcopy(entries)
    forged[i]["detail"] = {"forged": "x" * 9}
    assert chain.verify(forged).line == i + 1
    # Even with its own digest made anew, the next line no longer follows.
    forged[i]["digest"] = chain.digest(forged[i])
    assert i == len(entries) - 1 or chain.verify(forged).line == i + 2


@given(details, st.data())
def test_a_removed_line_is_found_unless_it_was_the_last(given_details, data):
    entries = built(given_details)
    i = data.draw(st.integers(0, len(entries) - 2))
    assert chain.verify(entries[:i] + entries[i + 1 :]).line == i + 1


@given(details)
def test_a_reordered_chain_is_found(given_details):
    assert chain.verify(list(reversed(built(given_details)))).line == 1


@given(details, st.data())
def test_a_cut_off_tail_is_found_by_the_head_alone(given_details, data):
    entries = built(given_details)
    head = chain.Head(len(entries), entries[-1]["digest"])
    left = data.draw(st.integers(0, len(entries) - 1))
    assert chain.verify(entries, head) is None
    assert chain.verify(entries[:left]) is None
    assert "cut off" in chain.verify(entries[:left], head).reason


def test_a_line_of_another_chain_is_found():
    first = {"seq": 1, "chain_id": "a", "previous": chain.GENESIS}
    first["digest"] = chain.digest(first)
    second = {"seq": 2, "chain_id": "b", "previous": first["digest"]}
    second["digest"] = chain.digest(second)
    assert chain.verify([first, second]).reason.endswith("another chain")
