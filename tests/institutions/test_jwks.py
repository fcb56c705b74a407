"""Keys at a client's jwks_uri: fetched rarely, kept shortly, never waited for in a transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from creditlink.institutions import jwks
from creditlink.institutions.jwks import KeysNeeded, RemoteKeys
from creditlink.institutions.targets import TargetRefused

pytestmark = pytest.mark.pure

URI = "https://bank.example/jwks"
NOW = datetime(2026, 8, 24, 2, 0, tzinfo=UTC)
KEYS = {"keys": [{"kid": "one"}]}


@pytest.fixture
def source(monkeypatch):
    """What the bank's server answers; its calls are counted."""
    answers = {"body": KEYS, "calls": 0}

    def fetch_json(uri):
        assert uri == URI
        answers["calls"] += 1
        if isinstance(answers["body"], Exception):
            raise answers["body"]
        return answers["body"]

    monkeypatch.setattr(jwks, "fetch_json", fetch_json)
    return answers


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_asks_for_a_fetch_when_it_knows_nothing():
    with pytest.raises(KeysNeeded):
        RemoteKeys().lookup(URI, kid=None, now=NOW)


def test_keeps_what_was_fetched_for_five_minutes(source):
    keys = RemoteKeys()
    keys.fetch(URI, now=NOW)
    assert keys.lookup(URI, kid="one", now=at(299)) == KEYS
    with pytest.raises(KeysNeeded):
        keys.lookup(URI, kid="one", now=at(300))


def test_an_unknown_kid_calls_out_at_most_every_half_minute(source):
    keys = RemoteKeys()
    keys.fetch(URI, now=NOW)
    assert keys.lookup(URI, kid="two", now=at(29)) == KEYS
    with pytest.raises(KeysNeeded):
        keys.lookup(URI, kid="two", now=at(30))
    source["body"] = {"keys": [{"kid": "two"}]}
    keys.fetch(URI, now=at(30))
    assert keys.lookup(URI, kid="two", now=at(31)) == source["body"]


def test_older_keys_hold_an_hour_while_the_server_is_down(source):
    keys = RemoteKeys()
    keys.fetch(URI, now=NOW)
    source["body"] = TargetRefused("down")
    keys.fetch(URI, now=at(400))
    assert keys.lookup(URI, kid="one", now=at(410)) == KEYS
    keys.fetch(URI, now=at(3600))
    assert keys.lookup(URI, kid="one", now=at(3600)) == {}


def test_a_server_that_never_answered_gives_no_keys_and_is_left_alone_for_a_while(source):
    source["body"] = TargetRefused("down")
    keys = RemoteKeys()
    keys.fetch(URI, now=NOW)
    assert keys.lookup(URI, kid="one", now=at(1)) == {}
    with pytest.raises(KeysNeeded):
        keys.lookup(URI, kid="one", now=at(30))


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_what_is_no_object_counts_as_no_answer(source, body):
    source["body"] = body
    keys = RemoteKeys()
    keys.fetch(URI, now=NOW)
    assert keys.lookup(URI, kid=None, now=at(1)) == {}


@pytest.mark.parametrize("held", [7, "one", {"kid": "one"}, None, [7, None, "one"]])
def test_a_set_of_another_shape_knows_no_kid(source, held):
    source["body"] = {"keys": held}
    keys = RemoteKeys()
    keys.fetch(URI, now=NOW)
    assert keys.lookup(URI, kid="one", now=at(1)) == {"keys": held}
