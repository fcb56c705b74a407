"""A security key in software: answers as a browser would, and counts."""

from __future__ import annotations

import hashlib
import json
import secrets

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url


class SoftKey:
    """One credential of one site."""

    def __init__(self, origin: str, host: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.count = 0
        self._origin, self._host = origin, host

    def create(self, options: str) -> str:
        client = self._client("webauthn.create", json.loads(options)["challenge"])
        numbers = self._key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        data = self._data(0x41) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=client, attestationObject=attested)

    def get(self, options: str) -> str:
        client = self._client("webauthn.get", json.loads(options)["challenge"])
        self.count += 1
        data = self._data(0x01)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self._origin}).encode()

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self._host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, **response: bytes) -> str:
        known = bytes_to_base64url(self.id)
        sent = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps({"id": known, "rawId": known, "type": "public-key", "response": sent})
