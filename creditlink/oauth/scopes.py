"""What an access token may be good for. A scope is `noun:verb`."""

from __future__ import annotations

SCOPES: dict[str, str] = {
    "profile:create": "Compute a credit profile of the firm that agreed",
    "profile:read": "Read the profiles computed under the consent, their explanations and matches",
    "consent:read": "See the institution's own consents and their states",
    "financing:read": "Read the financing requests addressed to the institution",
    "financing:write": "Answer financing requests",
    "outcome:write": "Report what became of a loan",
    "product:write": "Publish and change the institution's loan products",
    # Named by the draft, not by us.
    "grant_management_query": "Ask what a grant still covers",
    "grant_management_revoke": "Give a grant back",
}
