"""What is signed and when it comes again: Standard Webhooks, eight tries, about a day."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.notifications import message
from creditlink.sandbox.banks.bank import BankError, verified_webhook
from tests.factories import make_uscc

pytestmark = pytest.mark.pure

NOW = datetime(2026, 8, 24, 2, 0, tzinfo=UTC)
OLD, NEW = message.secret_text(b"o" * 32), message.secret_text(b"n" * 32)
BODY = message.body_of("consent.revoked", {"consent_id": "cns_1", "reason": "by_the_firm"}, NOW)


def test_the_published_vector_of_the_specification():
    found = message.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_while_a_secret_is_rotated_both_verify(secret):
    headers = message.headers_of([NEW, OLD], "msg_1", NOW, BODY)
    assert verified_webhook(secret, headers, BODY.encode(), now=NOW.timestamp())["type"] == "consent.revoked"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1a,AAAA"},
    ],
)
def test_whatever_is_changed_the_bank_refuses(change):
    headers = message.headers_of([NEW], "msg_1", NOW, BODY) | change
    with pytest.raises(BankError):
        verified_webhook(NEW, headers, BODY.encode(), now=NOW.timestamp())


ODD = st.one_of(
    st.none(),
    st.integers(),
    st.binary(max_size=20),
    st.text(alphabet=st.characters(codec=None), max_size=40),
    st.sampled_from(
        ["v1,é", "v1,", "v1", ",", "²", "１７", "9" * 5000, "-1", "1e9", "NaN", "v1,\ud800", "\0", " ", "v2,x v1,ü"]
    ),
)
NAMES = st.sampled_from(
    ["webhook-id", "webhook-timestamp", "webhook-signature", "Webhook-Signature", "WEBHOOK-ID", "x"]
)


@given(changed=st.dictionaries(NAMES, ODD, max_size=4), body=st.sampled_from([BODY.encode(), b"", b"[", b"\xff", b"7"]))
def test_whatever_is_sent_is_an_event_or_a_clear_refusal(changed, body):
    headers = message.headers_of([NEW], "msg_1", NOW, BODY) | changed
    try:
        said = verified_webhook(NEW, headers, body, now=NOW.timestamp())["type"]
    except BankError as refused:
        said = str(refused)
    assert said == "consent.revoked" or "webhook is" in said


@pytest.mark.parametrize("body", ["", "[", "[]", "7", "null", "[" * 100_000, '{"a": '])
def test_what_is_signed_but_no_event_is_refused(body):
    headers = message.headers_of([NEW], "msg_1", NOW, body)
    with pytest.raises(BankError, match="not a JSON object"):
        verified_webhook(NEW, headers, body.encode(), now=NOW.timestamp())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_***", "whsec_A"])
def test_a_secret_that_is_none_lets_nobody_in(secret):
    """With an empty key anybody could sign."""
    headers = message.headers_of(["whsec_"], "msg_1", NOW, BODY)
    with pytest.raises(BankError, match="our own secret"):
        verified_webhook(secret, headers, BODY.encode(), now=NOW.timestamp())


def test_headers_that_no_http_library_gives():
    for headers in ({7: 7}, {None: None}, {"webhook-id": ["a"], "webhook-timestamp": b"1"}, {}):
        with pytest.raises(BankError):
            verified_webhook(NEW, headers, b"{}", now=NOW.timestamp())


def test_an_old_one_sent_again_is_refused():
    headers = message.headers_of([NEW], "msg_1", NOW, BODY)
    with pytest.raises(BankError, match="not of now"):
        verified_webhook(NEW, headers, BODY.encode(), now=NOW.timestamp() + 301)


@given(chance=st.floats(0, 1, exclude_max=True))
def test_eight_tries_over_about_a_day(chance):
    waits = [message.delay_after(n, chance) for n in range(1, message.TRIES + 1)]
    assert message.TRIES == 8
    assert waits[-1] is None
    assert timedelta(hours=20) < sum(waits[:-1], timedelta()) < timedelta(hours=27)
    assert waits[:-1] == sorted(waits[:-1])


def test_a_body_never_carries_a_uscc():
    with pytest.raises(ValueError, match="would carry a USCC"):
        message.body_of("consent.revoked", {"firm": make_uscc(7)}, NOW)
    message.body_of("consent.revoked", {"consent_id": "cns_" + "9144060012345678" * 2}, NOW)
