"""The server's keys: what they sign, what they seal, and by what equal texts are known again.

One set of keys (`ServerKeys`) for every process. The newest signs and seals; all of them verify and open.
"""

from cryptography.fernet import InvalidToken

from creditlink.kit.keyring.boxes import Box, box, fingerprint, stream_key
from creditlink.kit.keyring.ring import FIRST, Secret, ServerKey, ServerKeys, keys_of
from creditlink.kit.keyring.signing import (
    SignatureRefused,
    SignedDocument,
    header_of,
    key_set_of,
    public_keys,
    sign,
    signing_key,
    unverified,
    verify,
)

__all__ = [
    "FIRST",
    "Box",
    "InvalidToken",
    "Secret",
    "ServerKey",
    "ServerKeys",
    "SignatureRefused",
    "SignedDocument",
    "box",
    "fingerprint",
    "header_of",
    "key_set_of",
    "keys_of",
    "public_keys",
    "sign",
    "signing_key",
    "stream_key",
    "unverified",
    "verify",
]
