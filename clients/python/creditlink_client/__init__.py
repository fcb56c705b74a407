"""CreditLink for a bank's software: ask a firm, get its credit profile, hear what becomes of it.

`Client` blocks, `AsyncClient` does not; they have the same methods.
"""

from creditlink_client.core import Pushed, Tokens, Waiting
from creditlink_client.errors import ApiError, CallbackRefused, NotAnswered, OAuthError, ProblemError, WebhookRefused
from creditlink_client.keys import generate_key, load_key, public_jwks
from creditlink_client.running import AsyncClient, AsyncGrant, Client, Grant
from creditlink_client.webhooks import verified_webhook

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncGrant",
    "CallbackRefused",
    "Client",
    "Grant",
    "NotAnswered",
    "OAuthError",
    "ProblemError",
    "Pushed",
    "Tokens",
    "Waiting",
    "WebhookRefused",
    "generate_key",
    "load_key",
    "public_jwks",
    "verified_webhook",
]
