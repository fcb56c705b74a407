"""SSRF through jwks_uri and webhooks: what is called, and what never is."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.institutions import targets
from creditlink.institutions.targets import TargetRefused, resolve


def answering(monkeypatch, *addresses):
    """Let the name server answer so for every name."""

    def getaddrinfo(host, port, **_):
        family = socket.AF_INET6 if ":" in addresses[0] else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(targets.socket, "getaddrinfo", getaddrinfo)


@pytest.mark.pure
@pytest.mark.parametrize(
    "url",
    [
        "http://bank.example/jwks",
        "ftp://bank.example/jwks",
        "file:///etc/passwd",
        "gopher://bank.example/",
        "//bank.example/jwks",
        "bank.example/jwks",
        "",
        "https://",
        "https:///jwks",
        "https://user@bank.example/",
        "https://user:password@bank.example/",
        "https://bank.example#fragment",
        "https://bank.example/#",
        "https://bank.example:0/",
        "https://bank.example:99999/",
        "https://bank.example:x/",
        "https://bank.example:/",
        "https://bank.example/\r\nHost: evil",
        "https://bank.example/ x",
        "https://bank.example\\@evil.example/",
        "https://b\u0430nk.example/",
        "https://%31%32%37.0.0.1/",
        "https://[::1/",
    ],
)
def test_odd_addresses_are_refused_without_a_look_up(url, monkeypatch):
    monkeypatch.setattr(targets.socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("looked up"))
    with pytest.raises(TargetRefused):
        resolve(url)


@pytest.mark.pure
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "2130706433",  # 127.0.0.1 as one number
        "0x7f000001",
        "017700000001",
        "0x7f.1",
        "localhost",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # cloud metadata
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "192.88.99.1",  # the relay of 6to4
        "192.0.0.9",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "[::7f00:1]",  # IPv4-compatible
        "[::808:808]",
        "[::ffff:8.8.8.8]",
        "[::ffff:0:7f00:1]",  # SIIT
        "[64:ff9b:1::1]",
        "[64:ff9b:1::808:808]",
        "[100::1]",
        "[100:0:0:1::1]",
        "[2001::1]",
        "[2001:1::1]",
        "[2001:3::1]",
        "[2001:20::1]",
        "[2002:808:808::1]",
        "[2620:4f:8000::1]",
        "[3fff::1]",
        "[3fff:fff::1]",
        "[5f00::1]",
        "[fd00::1]",
        "[fec0::1]",
        "[feff::1]",
        "[ff0e::1]",
        "[4000::1]",  # not handed out
    ],
)
def test_own_network_in_every_spelling(host):
    with pytest.raises(TargetRefused):
        resolve(f"https://{host}/jwks")


@pytest.mark.pure
def test_a_name_that_points_into_the_own_network(monkeypatch):
    answering(monkeypatch, "10.1.2.3")
    with pytest.raises(TargetRefused, match="public internet"):
        resolve("https://innocent.example/")


@pytest.mark.pure
def test_one_private_address_among_public_ones(monkeypatch):
    answering(monkeypatch, "93.184.216.34", "127.0.0.1")
    with pytest.raises(TargetRefused):
        resolve("https://innocent.example/")


@pytest.mark.pure
def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    answering(monkeypatch, "93.184.216.34")
    target = resolve("https://bank.example/keys?x=1")
    assert target.pinned_url == "https://93.184.216.34:443/keys?x=1"
    assert (target.host, target.host_header()) == ("bank.example", "bank.example")
    answering(monkeypatch, "2606:2800:220:1:248:1893:25c8:1946")
    assert resolve("https://bank.example:8443/").pinned_url == "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/"


@pytest.mark.pure
def test_loopback_only_where_it_was_allowed_and_only_as_http():
    assert resolve("http://127.0.0.1:9000/hook", allow_loopback=True).port == 9000
    for url in ("http://10.0.0.1/hook", "https://127.0.0.1/hook"):
        with pytest.raises(TargetRefused):
            resolve(url, allow_loopback=True)
    with pytest.raises(TargetRefused):
        resolve("http://127.0.0.1:9000/hook")


@pytest.mark.pure
@given(st.ip_addresses(v=4))
def test_ipv6_wrappings_are_judged_by_what_they_hold(inner):
    public = targets._is_public(inner)
    if not inner.is_global or inner.is_multicast:
        assert not public
    assert targets._is_public(ipaddress.IPv6Address((0x64FF9B << 96) | int(inner))) is public
    for wrapped in (0, 0xFFFF << 32, 0xFFFF << 48, 0x64FF9B0001 << 80, 0x2002 << 112):
        place = 80 if wrapped == 0x2002 << 112 else 0
        assert not targets._is_public(ipaddress.IPv6Address(wrapped | int(inner) << place))


@pytest.mark.pure
@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "192.88.98.1", "2606:2800:220:1::1", "2400:3200::1", "2a00::1", "64:ff9b::808:808"],
)
def test_the_public_internet_is_called(monkeypatch, address):
    answering(monkeypatch, address)
    assert resolve("https://bank.example/").address == address


@pytest.mark.pure
@given(st.text(max_size=60))
def test_any_text_is_refused_or_resolved_never_a_crash(text):
    for address in (text, "https://" + text):
        with contextlib.suppress(TargetRefused):
            targets.check_form(address)
