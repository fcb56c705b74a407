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
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_SECONDS = 3.0
_LARGEST = 65_536

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
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        raise TargetRefused("the host cannot be resolved") from None
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    for address in addresses:
        if loopback and address.is_loopback:
            continue
        if loopback or not _is_public(address):
            raise TargetRefused("the host is not on the public internet")
    if not addresses:
        raise TargetRefused("the host cannot be resolved")
    return Target(url, host, port, str(addresses[0]))


def _is_public(address: IPAddress) -> bool:
    """Whether it is a unicast address of the public internet, also where IPv6 wraps an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not _is_public(inner):
            return False
    return address.is_global and not address.is_multicast


def fetch_json(url: str) -> Any:
    """Return the JSON document at `url`: no redirects, 3 seconds, 64 KiB.

    Raises
    ------
    TargetRefused
        The address is not called, or the answer is not such a document.
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
