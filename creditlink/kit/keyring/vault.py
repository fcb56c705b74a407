"""Vault's transit engine as a key service, or OpenBao's, whose interface is the same.

Source: Vault API, transit secrets engine: POST /v1/<mount>/encrypt/<key> and …/decrypt/<key> with `batch_input`.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence

import httpx

from creditlink.kit.files.textfile import json_of
from creditlink.kit.keyring.wrapping import NotUnwrapped

SECONDS = 5.0
_PAUSES = (0.2, 1.0)
"""A process that starts with the whole machine may be quicker than Vault: it asks again, after so many seconds."""


class VaultTransit:
    """A key of the transit engine; it never leaves Vault."""

    name = "vault"

    def __init__(self, url: str, mount: str, key: str, token: str) -> None:
        self._url, self._mount, self._key, self._token = url, mount, key, token

    def wrap(self, keys: Sequence[bytes]) -> list[str]:
        """Return each key as Vault's `vault:v1:…`."""
        return self._ask("encrypt", "plaintext", [base64.b64encode(key).decode() for key in keys], "ciphertext")

    def unwrap(self, wrapped: Sequence[str]) -> list[bytes]:
        """Return each key."""
        told = self._ask("decrypt", "ciphertext", wrapped, "plaintext")
        try:
            return [base64.b64decode(one, validate=True) for one in told]
        except binascii.Error:
            raise NotUnwrapped(f"{self._url}: what it answered is not base64") from None

    def _ask(self, action: str, member: str, values: Sequence[str], wanted: str) -> list[str]:
        """Return what Vault makes of each value, in order; one request for all."""
        body = {"batch_input": [{member: value} for value in values]}
        answer = self._post(f"/v1/{self._mount}/{action}/{self._key}", body)
        if answer.status_code not in (200, 400):  # 400 comes with a batch of which some could not be done
            raise NotUnwrapped(f"{self._url}: it answered {answer.status_code}")
        try:
            results = json_of(answer.content)["data"]["batch_results"]
            told = [result[wanted] for result in results]
        except (ValueError, KeyError, TypeError):
            raise NotUnwrapped(f"{self._url}: it could not {action} every key by {self._key}") from None
        if len(told) != len(values) or not all(isinstance(one, str) for one in told):
            raise NotUnwrapped(f"{self._url}: it answered for {len(told)} of {len(values)} keys")
        return told

    def _post(self, path: str, body: dict[str, list[dict[str, str]]]) -> httpx.Response:
        for pause in (*_PAUSES, None):
            try:
                return httpx.post(
                    self._url + path, json=body, headers={"X-Vault-Token": self._token}, timeout=SECONDS,
                    follow_redirects=False,
                )  # fmt: skip
            except httpx.HTTPError as error:
                if pause is None:
                    raise NotUnwrapped(f"{self._url}: no answer: {type(error).__name__}") from None
                time.sleep(pause)
        raise AssertionError("the last try answers or raises")
