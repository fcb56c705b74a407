"""Secrets that mean nothing by themselves: codes, tokens, request_uris. We keep only their SHA-256."""

from __future__ import annotations

import hashlib
import secrets

_BYTES = 32  # 256 bits of entropy; FAPI 2.0 asks for 128

ACCESS_TOKEN = "cla_"  # noqa: S105 (a prefix, so that a leaked token is recognised for what it is)
REFRESH_TOKEN = "clr_"  # noqa: S105 (a prefix)
CODE = "clc_"
REQUEST_URI = "urn:ietf:params:oauth:request_uri:"
AUTH_REQ_ID = "clq_"


def new_secret(prefix: str) -> str:
    """Return an unguessable string that starts with `prefix`."""
    return prefix + secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """Return what is stored of a secret: SHA-256, hex. It has full entropy, so it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
