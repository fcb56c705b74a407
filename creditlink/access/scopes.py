"""What an access token may be good for. A scope is `noun:verb`."""

from __future__ import annotations

SCOPES: dict[str, str] = {
    "profile:create": "Compute a credit profile of the firm that agreed",
    "profile:read": "Read the profiles computed under the consent, their explanations and matches",
    "consent:read": "See the institution's own consents and their states",
    "financing:read": "Read the financing requests addressed to the institution",
    "financing:write": "Answer financing requests",
    "outcome:write": "Report what became of a loan",
    "product:read": "See the institution's own loan products in every state",
    "product:write": "Write, publish and retire the institution's loan products",
    "product:check": "Check a product that somebody else of the institution wrote",
    "overlay:read": "See the institution's own overlay on the score in every version",
    "overlay:write": "Write, publish and retire the institution's overlay, and upload its own columns",
    "overlay:check": "Check an overlay that somebody else of the institution wrote",
    "client:read": "See the institution's own clients, their keys and webhook addresses",
    "client:write": "Register and change the institution's own clients (its desk alone, where two people agree)",
    "report:create": "Have a credit report made of a profile, under a consent for reports",
    "report:read": "Read the reports made under the consent",
    "objection:answer": "Read firms' objections to the institution's accesses, and answer them",
    "usage:read": "See what the institution uses, and its quotas",
    "discovery:count": "Count the firms that the institution's products are for",
    "screening:read": "See who of the screened city a product is for (the operator alone)",
    "operation:read": "See background work that failed (the operator alone)",
    "operation:write": "Do failed background work again, or drop it (the operator alone)",
    "registry:read": "See what became of the registry's feed, and which codes are to be cleared (the operator alone)",
    "registry:write": "Hand in what the registry says of firms (the operator alone)",
    "correction:read": "See which data behind the institution's profiles was corrected",
    "correction:acknowledge": "Acknowledge such corrections",
    "notification:read": "See the institution's notifications and whether they were delivered",
    "notification:replay": "Have notifications delivered again",
    # Named by the draft, not by us.
    "grant_management_query": "Ask what a grant still covers",
    "grant_management_revoke": "Give a grant back",
}

INSTITUTION_SCOPES = frozenset(
    {
        "client:read",
        "client:write",
        "consent:read",
        "correction:acknowledge",
        "correction:read",
        "discovery:count",
        "financing:read",
        "financing:write",
        "outcome:write",
        "product:read",
        "product:write",
        "product:check",
        "overlay:read",
        "overlay:write",
        "overlay:check",
        "screening:read",
        "notification:read",
        "notification:replay",
        "objection:answer",
        "operation:read",
        "operation:write",
        "registry:read",
        "registry:write",
        "usage:read",
    }
)
"""What an institution may do in its own name, without a firm's consent (`client_credentials`)."""

OPERATOR_SCOPES = frozenset({"operation:read", "operation:write", "registry:read", "registry:write", "screening:read"})
"""What only an institution of kind `operator` may have."""
