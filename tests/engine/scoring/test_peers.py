import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine.scoring.peers import ALL_PEERS, PeerTable, cells, percentile_of, size_of
from tests.engine.scoring.folders import peers_json

pytestmark = pytest.mark.pure

TABLE = PeerTable.from_json(
    json.loads(peers_json({"*": {"sales": 0.0, "late": 0.0}, "C": {"sales": 0.5}, "C/small": {"sales": 2.0}}))
)


def test_the_nearest_peers_that_there_are_enough_of():
    assert vars(TABLE.compare("C26", "small", "sales", 0.2)) == {
        "peers": "C/small",
        "median": 2.0,
        "relation": "below",
        "percentile": 5,
        "firms": 40,
    }
    assert TABLE.compare("C26", "large", "sales", 0.5).peers == "C"
    assert TABLE.compare("C26", "small", "late", 0.2).peers == "*"
    assert TABLE.compare("J66", None, "sales", 0.0).relation == "equal"
    assert TABLE.compare(None, None, "sales", 0.2).peers == "*"
    assert TABLE.compare("C26", "small", "unheard_of", 0.2) is None
    assert PeerTable().compare("C26", None, "sales", 0.2) is None


def test_fewer_than_twenty_firms_are_refused_when_read():
    few = json.loads(peers_json({"*": {"sales": 0.0}}))
    few["rows"]["*"]["sales"][0] = 19
    with pytest.raises(ValueError, match="sales: from 19 firms"):
        PeerTable.from_json(few)
    few["rows"]["*"]["sales"] = [40, 1.0, 0.0]
    with pytest.raises(ValueError, match="nine ascending tenths"):
        PeerTable.from_json(few)


def test_what_is_written_is_what_is_read():
    assert PeerTable.from_json(json.loads(json.dumps(TABLE.to_json()))) == TABLE


@given(st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=9).map(sorted), st.floats(-2e6, 2e6), st.floats(-2e6, 2e6))
def test_a_percentile_never_falls_as_the_value_rises(tenths, one, other):
    low, high = sorted((one, other))
    assert 5 <= percentile_of(tenths, low) <= percentile_of(tenths, high) <= 95


def test_among_equals_a_value_is_in_their_middle():
    assert percentile_of([0.0] * 9, 0.0) == 50
    assert percentile_of([0, 0, 0, 1, 2, 3, 4, 5, 6], 0.0) == 20
    assert percentile_of(range(9), 4.5) == 55


@pytest.mark.parametrize(
    ("sales", "heads", "size"),
    [
        (2_999_999_00.0, 900.0, "micro"),
        (3_000_000_00.0, None, "small"),
        (20_000_000_00.0, None, "medium"),
        (400_000_000_00.0, None, "large"),
        (None, 19.0, "micro"),
        (float("nan"), 300.0, "medium"),
        (None, None, None),
    ],
)
def test_size_by_sales_else_by_staff(sales, heads, size):
    assert size_of(sales, heads) == size


def test_cells_end_with_all_firms():
    assert cells("C26", "micro") == ("C/micro", "C", ALL_PEERS)
    assert cells(None, "micro") == (ALL_PEERS,)
