"""What each route is to a firm's data: told by its own marks, or here where it has none.

A route with an access token is a read that must be refused without a live consent, unless its scope is one of the
institution's own matters.
"""

from __future__ import annotations

import re

# Nothing of any firm, served to everybody; beside these, whatever is marked `@public`.
OPEN = {
    "api-docs.openapi_json",
    "health.live",
    "health.metrics",
    "health.ready",
    "reference.page",
    "reference.section",
    "problems.page",
    "problems.problem",
}
# The protocol itself: walked one by one, with its own answers.
PROTOCOL = {
    "oauth.ask_in_inbox",
    "oauth.begin",
    "oauth.introspect",
    "oauth.issue",
    "oauth.push",
    "oauth.revoke",
}
FILES = {"portal.static"}
# An institution's own matters. They may answer when a consent is dead, but never with anything computed or fetched.
OWN_SCOPES = {
    "client:read",
    "client:write",
    "consent:read",
    "correction:acknowledge",
    "correction:read",
    "discovery:count",
    "financing:read",
    "financing:write",
    "grant_management_query",
    "grant_management_revoke",
    "notification:read",
    "notification:replay",
    "objection:answer",
    "operation:read",
    "operation:write",
    "outcome:write",
    "overlay:check",
    "overlay:read",
    "overlay:write",
    "product:check",
    "product:read",
    "product:write",
    "registry:read",
    "registry:write",
    "screening:read",
    "usage:read",
    "webhook:read",
    "webhook:replay",
}
# Bodies and queries with which a read that needs some succeeds while the consent lives: endpoint -> keyword arguments.
SAMPLES = {
    "profiles.create_profile": {"json": {"amount_fen": 100_000_000, "term_months": 12}},
    "reports.create_report": {
        "json": {"profile_id": "<profile_id>", "recipient": "顺德农商银行", "purpose": "流动资金贷款"}
    },
    "profiles.read_lineage": {"params": {"indicator": "sales_12_fen"}},
    "review.ask_for_review": {"json": {"refuses_automation": True, "note": "请看新签的合同"}},
    "changes.read_changes": {"params": {"since": "<profile_id>"}},
}
PARAMETER = re.compile(r"<(?:[a-z]+(?:\([^)]*\))?:)?(\w+)>")


def rules_of(app, method_and_kind):
    """Return (method, rule) of the routes of a kind, each method by itself."""
    return [
        (method, rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
        if method_and_kind(method, rule, kind_of(app, rule))
    ]


def kind_of(app, rule) -> str:
    """Return open, protocol, file, page, staff, own or read.

    Whatever takes a token and is nothing else is a read. What a member of staff signs, in a role, takes no token.
    """
    if rule.endpoint in OPEN:
        return "open"
    if rule.endpoint in PROTOCOL:
        return "protocol"
    if rule.endpoint in FILES:
        return "file"
    if rule.rule == "/" or rule.rule.startswith(("/portal/", "/verify")):  # the bare address leads to the pages
        return "page"
    scope = getattr(app.view_functions[rule.endpoint], "required_scope", "unmarked")
    if scope is None:
        return "open"
    if scope == "unmarked":
        return "unknown"
    if scope.startswith("role:"):
        return "staff"
    return "own" if scope in OWN_SCOPES else "read"


def pages_that_keep_one_signed_in(app):
    """Return (method, rule) of the pages but the ways out: behind these, one would attack as nobody."""
    return rules_of(app, lambda method, rule, kind: kind == "page" and not rule.endpoint.endswith("sign_out"))


def sample_of(rule, known: dict[str, str]) -> dict | None:
    """Return the body or query of `SAMPLES` with known ids in it; None: the route needs none."""
    sample = SAMPLES.get(rule.endpoint)
    if sample is None:
        return None
    return {
        part: {name: known.get(str(value).strip("<>"), value) for name, value in values.items()}
        for part, values in sample.items()
    }


def filled(rule, known: dict[str, str]) -> str:
    """Return the route's path with known ids in it."""
    return PARAMETER.sub(lambda found: known.get(found.group(1), "x"), rule.rule)
