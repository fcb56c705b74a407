"""Who may see which page, declared: `PAGES` names every page, and a page that is not here fails the matrix.

To add a page, write its endpoint into the list of those who may see it. A page of a row (`<thing_id>` in its address)
needs nothing more where `tests/portal/test_access.py` makes that thing; else add it to `things` there.
"""

from __future__ import annotations

from creditlink.staff.roles import ROLES

STAFF = frozenset(ROLES)
FIRM = frozenset({"legal_representative", "agent"})
EVERYBODY = frozenset({"nobody", "stranger"}) | STAFF | FIRM

# Where one comes in, and what is no one's: open to whoever asks; each guards itself by a secret, a password, a code.
_ENTRY = """
    root portal.sign_in portal.sign_in_submit portal.sign_out portal.status portal.authorize portal.authorize_decide
    portal.staff_sign_in portal.staff_sign_in_submit portal.staff_sign_out portal.invitation
    portal.take_up_invitation portal.second_step portal.second_step_submit
"""
# Of a person who acts for firms; a row of another firm is 404.
_FIRM = """
    portal.home portal.consent portal.change portal.receipt portal.evidence portal.accesses portal.inbox portal.answer
    portal.answer_decide portal.security portal.set_up_codes portal.end_others portal.counted portal.change_counted
    portal.uploads portal.upload_file portal.upload portal.withdraw_upload portal.deletion portal.what_goes
    portal.delete_now portal.second_act portal.representatives
    portal.ask_for_person portal.adverse_notices portal.adverse_notice portal.changes
    portal.profile portal.group portal.financing portal.financing_ask portal.financing_request portal.financing_amend
    portal.financing_withdraw portal.financing_lenders portal.financing_accept portal.financing_step
"""
# Of the one whom the registry names as the firm's legal representative.
_LEGAL = "portal.appoint_agent portal.end_agent portal.change_signatures"
# Of every member of staff.
_STAFF = """
    portal.desk portal.decide_act portal.decide_login portal.models portal.model portal.staff_keys
    portal.add_staff_key portal.end_staff_key
"""
# Of some roles alone; for the others there is no such page.
_ROLES = {
    "portal.decisions": ("risk", "auditor"),
    "portal.decision": ("risk", "auditor"),
    "portal.open_decision": ("risk", "auditor"),
}
_NAMES_A_FIRM = """
    portal.home portal.evidence portal.accesses portal.counted portal.uploads portal.representatives
    portal.adverse_notices portal.profile portal.group portal.financing portal.change_counted portal.upload_file
    portal.appoint_agent portal.change_signatures portal.financing_ask portal.upload portal.withdraw_upload
    portal.end_agent
"""
ENTRY = frozenset(_ENTRY.split())
PAGES: dict[str, frozenset[str]] = {
    **dict.fromkeys(ENTRY, EVERYBODY),
    **dict.fromkeys(_FIRM.split(), FIRM | {"stranger"}),
    **dict.fromkeys(_LEGAL.split(), frozenset({"legal_representative", "stranger"})),
    **dict.fromkeys(_STAFF.split(), STAFF),
    **{endpoint: frozenset(roles) for endpoint, roles in _ROLES.items()},
}
"""Endpoint -> the roles to which it is open. A `stranger` is signed in, and acts for a firm with nothing in it."""

NAMES_A_FIRM = frozenset(_NAMES_A_FIRM.split())
"""Pages that take `enterprise`, in the address or in the form: another's firm is 404 there."""
