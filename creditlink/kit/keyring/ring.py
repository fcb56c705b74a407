"""The set of the server's keys: several secrets with names and days; the newest in force works, all are kept.

A new key is announced before it is used (`signs_from`): by then every process has it, and whoever keeps our public
keys has fetched them again. A text alone is a set of one key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from creditlink.kit.clock import utc_now

FIRST = "k1"
"""The key that a set begins with: what it seals bears no name, as everything from before there were sets."""
SIGNATURES = ("ES256", "Ed25519")
"""What a key may sign with. Source: RFC 7518 section 3.4, RFC 9864 section 2.2."""
CIPHERS = ("Fernet", "AES-256-GCM", "SM4-GCM")
"""What a key may seal with. Fernet is AES-128-CBC with HMAC-SHA256, the form from before there was a choice."""
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ServerKey:
    """One secret, from which the keys of each use are derived."""

    id: str
    secret: str = field(repr=False)
    made_at: datetime = _EVER
    signs_from: datetime = _EVER
    signs: str = "ES256"
    seals: str = "Fernet"
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False, hash=False)
    """A data key of 32 bytes for each purpose that has one of its own; the others' are derived from the secret."""


@dataclass(frozen=True)
class ServerKeys:
    """The keys, oldest first; never empty."""

    keys: tuple[ServerKey, ...]

    @property
    def first(self) -> ServerKey:
        """The oldest key: what is looked up by its digest stays under this one, for digests cannot be made anew."""
        return self.keys[0]

    def current(self, at: datetime | None = None) -> ServerKey:
        """Return the key that signs and seals at an instant; default now."""
        at = utc_now() if at is None else at
        return next((key for key in reversed(self.keys) if key.signs_from <= at), self.first)

    def of(self, key_id: str) -> ServerKey | None:
        """Return the key of a name, if it is in the set."""
        return next((key for key in self.keys if key.id == key_id), None)

    def __iter__(self) -> Iterator[str]:
        """Yield the secrets as itsdangerous takes them: the last signs, all of them verify."""
        current = self.current()
        yield from (key.secret for key in self.keys if key is not current)
        yield current.secret


Secret = ServerKeys | str
"""What functions take that sign or seal: the set of the settings, or a text as a set of one."""


def keys_of(secret: Secret) -> ServerKeys:
    """Return the set of keys that a secret is."""
    return secret if isinstance(secret, ServerKeys) else ServerKeys((ServerKey(FIRST, secret),))
