"""Who may see which page, declared: `PAGES` names every page, and a page that is not here fails the matrix.

To add a page, write its endpoint into the list of those who may see it. A page of a row (`<thing_id>` in its address)
needs nothing more where `tests/portal/access_rows.py` makes that thing; else add it there.
"""

from __future__ import annotations

from creditlink.desk.people import roles as lenders
from creditlink.staff.roles import ROLES

STAFF = frozenset(ROLES)
FIRM = frozenset({"legal_representative", "agent"})
LENDERS = frozenset(lenders.ROLES)
"""People of one institution, one of each role."""
EVERYBODY = frozenset({"nobody", "stranger", "developer"}) | STAFF | FIRM | LENDERS

# Where one comes in, and what is no one's: open to whoever asks; each guards itself by a secret, a password, a code.
_ENTRY = """
    root portal.sign_in portal.sign_in_submit portal.sign_out portal.status portal.authorize portal.authorize_decide
    portal.staff_sign_in portal.staff_sign_in_submit portal.staff_sign_out portal.invitation
    portal.take_up_invitation portal.second_step portal.second_step_submit
    portal.bank.sign_in portal.bank.sign_in_submit portal.bank.sign_out portal.bank.invitation
    portal.bank.take_up_invitation portal.bank.second_step portal.bank.second_step_submit
    portal.bank.scanned portal.bank.scanned_on portal.bank.came_back
    portal.forgotten portal.send_reset portal.reset portal.reset_submit portal.own_second_step
    portal.own_second_step_submit portal.join portal.prove portal.proved portal.proven portal.use_proof
    portal.firm_invitation portal.take_up_firm_invitation portal.confirm_address portal.confirm_address_submit
    verify verify_report portal.verify portal.verify_report portal.verify_file
    developers.join developers.join_submit developers.sign_in developers.sign_in_submit
"""
# Of a person who acts for firms; a row of another firm is 404.
_FIRM = """
    portal.home portal.consent portal.change portal.withdrawal portal.receipt portal.evidence portal.accesses
    portal.access
    portal.object_to_access portal.end_objection portal.inbox portal.answer
    portal.answer_decide portal.security portal.set_up_codes portal.end_others portal.counted portal.change_counted
    portal.uploads portal.upload_file portal.upload portal.withdraw_upload portal.deletion portal.what_goes
    portal.delete_now portal.second_act portal.representatives
    portal.own_use portal.agree_with_itself portal.own_profile portal.own_records
    portal.card portal.make_card portal.wallet_card portal.end_card portal.show_facts portal.shown_facts
    portal.end_shown_facts
    portal.reports portal.make_report portal.report portal.report_file portal.revoke_report
    portal.disputes portal.new_dispute portal.file_dispute portal.dispute portal.step_dispute portal.dispute_file
    portal.ask_for_person portal.adverse_notices portal.adverse_notice portal.changes
    portal.password portal.change_password portal.replace_codes portal.renew_recovery_codes portal.end_device
    portal.close_session portal.own_keys portal.add_own_key portal.end_own_key portal.own_messages portal.read_messages
    portal.notice_settings portal.prefer_notices portal.add_address portal.end_address
    portal.profile portal.group portal.financing portal.financing_ask portal.financing_request portal.financing_amend
    portal.financing_withdraw portal.financing_lenders portal.financing_accept portal.financing_step
    portal.financing_document portal.open_financing_document portal.remove_financing_document
    portal.financing_receivable portal.remove_receivable
"""
# Of the one whom the registry names as the firm's legal representative.
_LEGAL = """
    portal.appoint_agent portal.end_agent portal.change_signatures portal.invite_agent portal.withdraw_invitation
"""
# Of every member of staff.
_STAFF = """
    portal.desk portal.decide_act portal.decide_login portal.models portal.model portal.staff_keys
    portal.add_staff_key portal.end_staff_key portal.model_indicator portal.staff_watch portal.staff_watched_series
"""
# Of some roles alone; for the others there is no such page.
_ROLES = {
    "portal.decisions portal.decision portal.open_decision portal.cohorts portal.compare_cohorts": ("risk", "auditor"),
    "portal.staff_reviews portal.staff_review portal.step_review": ("risk", "auditor"),
    "portal.staff_overrides": ("risk", "auditor", "model_owner"),
    "portal.staff_notices": ("risk", "auditor", "operator"),
    "portal.close_staff_alarm portal.lift_staff_freeze": ("risk", "operator"),
    "portal.operator_evidence portal.search_evidence": ("risk", "auditor", "operator"),
    """
        portal.operator_overview portal.operator_sources portal.operator_screening portal.operator_reverse
        portal.operator_institutions portal.operator_institution portal.turn_institution portal.turn_client
        portal.identify_institution portal.agree_with_institution
        portal.operator_rejections portal.move_rejections portal.operator_work portal.act_on_work
        portal.operator_webhooks portal.replay_webhook portal.operator_registry portal.operator_load
        portal.operator_clearing portal.export_codes portal.settle_code portal.operator_figures portal.export_figures
        portal.staff_disputes portal.export_disputes portal.staff_dispute portal.step_staff_dispute
        portal.staff_dispute_file
        portal.operator_objections portal.decide_objection
        portal.operator_people portal.end_person_sessions portal.propose_person_standing
    """: ("operator",),
    "portal.bank.home portal.bank.keys portal.bank.add_key portal.bank.end_key": tuple(LENDERS),
    """
        portal.bank.objections portal.bank.answer_objection
        portal.bank.firms portal.bank.firm portal.bank.compute portal.bank.ask portal.bank.ask_submit
        portal.bank.applications portal.bank.application portal.bank.open_file portal.bank.take_step portal.bank.offer
        portal.bank.decline portal.bank.sign portal.bank.tell_result portal.bank.application_document
        portal.bank.outcomes portal.bank.send_outcomes
    """: ("lender",),
    """
        portal.bank.products portal.bank.new_product portal.bank.product portal.bank.edit_product
        portal.bank.write_product portal.bank.count_product portal.bank.check_product portal.bank.step_product
        portal.bank.overlay portal.bank.write_overlay portal.bank.step_overlay portal.bank.upload_columns
    """: ("product_editor",),
    """
        portal.bank.people portal.bank.invite portal.bank.change_person portal.bank.software portal.bank.statement
        portal.bank.propose_client portal.bank.client portal.bank.propose_change portal.bank.do_at_once
        portal.bank.replay_delivery portal.bank.decide_change
    """: ("desk_admin",),
    """
        developers.bench developers.set_addresses developers.firms developers.requests developers.examples
        developers.example developers.example_file developers.keys developers.add_keys developers.set_key_address
        developers.end_key developers.sign_out developers.webhook developers.set_webhook developers.change_webhook
        developers.replay_webhook
    """: ("developer",),
}
_NAMES_A_FIRM = """
    portal.home portal.evidence portal.accesses portal.access portal.object_to_access portal.counted
    portal.uploads portal.representatives
    portal.adverse_notices portal.profile portal.group portal.financing portal.change_counted portal.upload_file
    portal.appoint_agent portal.change_signatures portal.financing_ask portal.upload portal.withdraw_upload
    portal.end_agent portal.own_use portal.agree_with_itself portal.own_profile portal.own_records
    portal.card portal.make_card portal.show_facts
    portal.reports portal.make_report
    portal.end_agent portal.disputes portal.new_dispute portal.file_dispute portal.dispute portal.step_dispute
    portal.dispute_file
    portal.end_agent portal.invite_agent portal.withdraw_invitation
"""
ENTRY = frozenset(_ENTRY.split())
PAGES: dict[str, frozenset[str]] = {
    **dict.fromkeys(ENTRY, EVERYBODY),
    **dict.fromkeys(_FIRM.split(), FIRM | {"stranger"}),
    **dict.fromkeys(_LEGAL.split(), frozenset({"legal_representative", "stranger"})),
    **dict.fromkeys(_STAFF.split(), STAFF),
    **{endpoint: frozenset(roles) for endpoints, roles in _ROLES.items() for endpoint in endpoints.split()},
}
"""Endpoint -> the roles to which it is open. A `stranger` is signed in, and acts for a firm with nothing in it."""

NAMES_A_FIRM = frozenset(_NAMES_A_FIRM.split())
"""Pages that take `enterprise`, in the address or in the form: another's firm is 404 there."""
