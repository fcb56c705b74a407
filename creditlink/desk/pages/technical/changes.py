"""Changes of clients that take two people: what is proposed, and how the API is told once a colleague agreed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from flask_babel import gettext

from creditlink.desk.wire.sending import DeskApi
from creditlink.desk.wire.software import Answer
from creditlink.kit.files import text

REGISTER, KEYS, RESUME, WEBHOOK = "client.register", "client.keys", "client.resume", "client.webhook"
KINDS = (REGISTER, KEYS, RESUME, WEBHOOK)
_LONGEST = 20_000


@dataclass(frozen=True)
class ProposalInvalid(Exception):
    """What was given cannot be proposed; the message says why."""

    message: str


def kind_words() -> dict[str, str]:
    """Return kind -> its words."""
    return {
        REGISTER: gettext("Register a client"),
        KEYS: gettext("Replace a client's keys"),
        RESUME: gettext("Let a client work again"),
        WEBHOOK: gettext("Set a webhook address"),
    }


def carry_out(api: DeskApi, kind: str, subject: Mapping[str, object]) -> Answer:
    """Tell the API what two people agreed.

    Raises
    ------
    ApiRefused
        It does not take it.
    """
    path = f"/v1/clients/{subject.get('client_id', '')}"
    if kind == REGISTER:
        return api.own("POST", "/v1/clients", json=subject)
    if kind == KEYS:
        return api.own("PUT", f"{path}/keys", json={"jwks": subject["jwks"]})
    if kind == RESUME:
        return api.own("DELETE", f"{path}/suspension")
    return api.own("PUT", f"{path}/webhook", json={"url": subject["url"]})


def jwks_of(given: str) -> dict[str, object]:
    """Return a JWK Set, or one JWK as a set of one, that holds no private member.

    Raises
    ------
    ProposalInvalid
        It is none; a private key is refused before anything of it is stored.
    """
    try:
        read = json.loads(given[:_LONGEST])
    except (ValueError, RecursionError):
        raise ProposalInvalid(gettext("The keys are no JSON.")) from None
    if isinstance(read, dict) and "kty" in read:
        read = {"keys": [read]}
    keys = read.get("keys") if isinstance(read, dict) else None
    if (
        not isinstance(keys, list)
        or not keys
        or not all(isinstance(one, dict) for one in keys)
        or any(text.flaws(read))
    ):
        raise ProposalInvalid(gettext("The keys are no JWK Set."))
    if any(name in one for one in keys for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")):
        raise ProposalInvalid(
            gettext("That is a private key. Keep it, make a new one, and give us the public half only.")
        )
    return cast("dict[str, object]", read)


def lines_of(given: str) -> list[str]:
    """Return the lines of a text that hold something."""
    return [line.strip() for line in given[:_LONGEST].splitlines() if line.strip()]
