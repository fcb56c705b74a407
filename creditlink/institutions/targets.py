"""Addresses that others give us to call: never into our own network (server-side request forgery).

The name is resolved here, every address it has must be public, and the connection goes to exactly the
address that was checked, so that a second answer of the name server cannot send it elsewhere.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httpx

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_SECONDS = 3.0
_LARGEST = 65_536

# Every block of the two registries, whether or not it says "globally reachable": relays, anycast services and
# documentation are no bank's server. What they leave out and routers may still know is added after them.
# Source: IANA IPv4 Special-Purpose Address Registry, IANA IPv6 Special-Purpose Address Registry (as of 2025-10).
_SPECIAL = {
    4: tuple(
        ipaddress.ip_network(block)
        for block in (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            "240.0.0.0/4",
            "224.0.0.0/4",  # multicast
        )
    ),
    6: tuple(
        ipaddress.ip_network(block)
        for block in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
    ),
}
# All of IPv6 that is allocated as unicast. Outside lie ::/8 with every way to wrap an IPv4 address, 64:ff9b:1::/48,
# 100::/64, 5f00::/16, fc00::/7, fe80::/10, fec0::/10 and multicast. Source: IANA IPv6 Address Space registry.
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class TargetRefused(Exception):
    """The address is not one that we call, or it did not answer properly."""


@dataclass(frozen=True)
class Target:
    """An address checked for calling: connect to `address`, speak as if to `host`."""

    url: str
    host: str
    port: int
    address: str

    @property
    def pinned_url(self) -> str:
        """The URL with the checked address in place of the name."""
        parts = urlsplit(self.url)
        literal = f"[{self.address}]" if ":" in self.address else self.address
        return parts._replace(netloc=f"{literal}:{self.port}").geturl()

    def host_header(self) -> str:
        """Return the `Host` header."""
        return urlsplit(self.url).netloc


def check_form(url: str) -> SplitResult:
    """Return the parts of an https URL with a host and nothing odd in it; looks nothing up.

    Raises
    ------
    TargetRefused
        Naming what is wrong.
    """
    if not url.isascii() or any(c <= " " or c in '"\\<>^`{|}' for c in url):
        raise TargetRefused("the address must be printable ASCII without spaces or quotes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TargetRefused("the address does not parse") from None
    if parts.scheme != "https":
        raise TargetRefused("the address must be https")
    if not parts.hostname or "%" in parts.netloc or parts.netloc.endswith(":"):
        raise TargetRefused("the address needs a host name")
    if not (_HOST.fullmatch(parts.hostname) or parts.netloc.startswith("[")):
        raise TargetRefused("the host name has odd characters")
    if parts.username is not None or parts.password is not None:
        raise TargetRefused("the address must not hold a user")
    if parts.fragment or "#" in url:
        raise TargetRefused("the address must not have a fragment")
    if port is not None and not 1 <= port <= 65535:
        raise TargetRefused("the port must be 1 to 65535")
    return parts


def resolve(url: str, *, allow_loopback: bool = False) -> Target:
    """Return where to connect for `url`.

    Parameters
    ----------
    url : an https address; with `allow_loopback` (sandbox and tests) also http on loopback

    Raises
    ------
    TargetRefused
        Not https, not resolvable, or one of its addresses is private, loopback, link-local or reserved.
    """
    loopback = allow_loopback and url.startswith("http://")
    parts = check_form("https" + url[4:]) if loopback else check_form(url)
    host = parts.hostname or ""
    port = parts.port or (80 if loopback else 443)
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        raise TargetRefused("the host cannot be resolved") from None
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in answers]
    for address in addresses:
        if loopback and address.is_loopback:
            continue
        if loopback or not _is_public(address):
            raise TargetRefused("the host is not on the public internet")
    if not addresses:
        raise TargetRefused("the host cannot be resolved")
    return Target(url, host, port, str(addresses[0]))


def _is_public(address: IPAddress) -> bool:
    """Whether it is a unicast address of the public internet, also where IPv6 translates an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:  # how a host with IPv6 alone reaches one with IPv4 alone
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    return address.is_global and not any(address in block for block in _SPECIAL[address.version])


def fetch_json(url: str) -> object:
    """Return the JSON document at `url`: no redirects, 3 seconds, 64 KiB.

    Raises
    ------
    TargetRefused
        The address is one that we do not call, or the answer is not such a document.
    """
    target = resolve(url)
    try:
        with (
            httpx.Client(timeout=_SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "GET",
                target.pinned_url,
                headers={"Host": target.host_header(), "Accept": "application/json"},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            if response.status_code != 200:
                raise TargetRefused("the answer is not 200")
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise TargetRefused("the document is too large")
    except httpx.HTTPError as error:
        raise TargetRefused(f"no answer: {type(error).__name__}") from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise TargetRefused("the answer is not JSON") from None
