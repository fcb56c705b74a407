"""What a card is on the wire: its type, the metadata that describes it, and the addresses of both. Pure.

Source: draft-ietf-oauth-sd-jwt-vc, sections 4 (Type Metadata) and 5 (issuer metadata).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from creditlink.cards.rules.facts import CATALOGUE
from creditlink.kit.files.textfile import canonical_json

TYPE_PATH = "/cards/types/credit-card-1"
LISTS_PATH = "/cards/status/"
ISSUER_PATH = "/.well-known/jwt-vc-issuer"
MEDIA_TYPE = "application/dc+sd-jwt"
LIST_MEDIA_TYPE = "application/statuslist+jwt"
_COLOURS = {"background_color": "#0f4c5c", "text_color": "#ffffff"}


def type_of(issuer: str) -> str:
    """Return the `vct` of an issuer's cards: the address of their Type Metadata."""
    return issuer.rstrip("/") + TYPE_PATH


def list_address(issuer: str, list_id: object) -> str:
    """Return the address of a status list."""
    return f"{issuer.rstrip('/')}{LISTS_PATH}{list_id}"


def issuer_metadata(issuer: str) -> dict[str, object]:
    """Return where the keys are that verify an issuer's cards."""
    return {"issuer": issuer, "jwks_uri": f"{issuer.rstrip('/')}/v1/receipt-keys"}


def type_metadata(issuer: str) -> bytes:
    """Return the Type Metadata of the issuer's cards, byte by byte what the digest in each card is of."""
    claims = [
        {
            "path": [fact.name],
            "sd": "always",
            "display": [
                _shown("zh-CN", fact.label[0], fact.says[0]),
                _shown("en", fact.label[1], fact.says[1]),
            ],
        }
        for fact in CATALOGUE
    ]
    document = {
        "vct": type_of(issuer),
        "name": "CreditLink credit card",
        "description": "Single facts about a firm, each with the day it is true of, which the firm shows one by one.",
        "display": [
            {"locale": "zh-CN", "name": "信用名片", "rendering": {"simple": _COLOURS}},
            {"locale": "en", "name": "Credit card", "rendering": {"simple": _COLOURS}},
        ],
        "claims": claims,
    }
    return canonical_json(document).encode()


def type_digest(issuer: str) -> str:
    """Return `vct#integrity`: the digest of the Type Metadata, as W3C Subresource Integrity writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(type_metadata(issuer)).digest()).decode()


def _shown(locale: str, label: str, description: str) -> Mapping[str, str]:
    return {"locale": locale, "label": label, "description": description}
