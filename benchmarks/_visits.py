"""Every page of a sandbox after its demo, and how a person comes there: an address, or a link of another page.

`PLACES` is declared; a page of the application that is in neither `PLACES` nor `ASIDE`, or that cannot be reached, is
an error. To add a page, add a line.
"""

import html
import io
import re
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pyotp
from rich.console import Console

from creditlink.sandbox.banks.officer import Officer
from creditlink.sandbox.people.representative import Representative
from creditlink.sandbox.platform.credentials import first_of_each_kind
from creditlink.sandbox.platform.services import Services
from creditlink.sandbox.platform.stack import Ports, start_stack
from creditlink.sandbox.walk.walk import Walk

FIRM, RISK, OPERATOR, DESK, DEVELOPER, NOBODY = "firm", "risk", "operator", "desk", "developer", "nobody"
EVERYBODY = (FIRM, RISK, OPERATOR, DESK, DEVELOPER, NOBODY)


@dataclass(frozen=True)
class Place:
    """One page: who opens it, and where; `link` is what the link to it on the page `at` looks like."""

    endpoint: str
    who: str
    at: str
    link: str = ""
    posts: tuple = ()  # fields with which its form is sent, to show the answer instead
    name: str = ""

    @property
    def file(self):
        return self.name or self.endpoint.removeprefix("portal.").replace("_", "-").replace(".", "-")


PLACES = (
    Place("portal.sign_in", NOBODY, "/portal/sign-in"),
    Place("portal.staff_sign_in", NOBODY, "/portal/staff/sign-in"),
    Place("portal.status", NOBODY, "/portal/status"),
    Place("reference.page", NOBODY, "/reference", name="reference"),
    Place("reference.section", NOBODY, "/reference", r"/reference/profiles", name="reference-profiles"),
    Place("problems.page", NOBODY, "/problems", name="problems"),
    Place("problems.problem", NOBODY, "/problems/consent-refused", name="problems-consent-refused"),
    Place("portal.home", FIRM, "/portal/"),
    Place("portal.consent", FIRM, "/portal/", r"/portal/consents/cns_\w+"),
    Place("portal.what_goes", FIRM, "consent", r"/portal/consents/cns_\w+/delete"),
    Place("portal.withdrawal", FIRM, "consent", r"/portal/consents/cns_\w+/withdraw"),
    Place("portal.inbox", FIRM, "/portal/inbox"),
    Place("portal.answer", FIRM, "/portal/inbox", r"/portal/inbox/cns_\w+"),
    Place("portal.profile", FIRM, "/portal/profile"),
    Place("portal.own_use", FIRM, "/portal/own"),
    Place("portal.own_records", FIRM, "/portal/own/records"),
    Place("portal.card", FIRM, "/portal/card"),
    Place("cards.verify", NOBODY, "/cards/verify"),
    Place("portal.reports", FIRM, "/portal/reports"),
    Place("portal.verify", NOBODY, "/portal/verify"),
    Place("portal.changes", FIRM, "/portal/profile", r"/portal/profile/changes\?[^\"]+"),
    Place("portal.group", FIRM, "/portal/group"),
    Place("portal.uploads", FIRM, "/portal/uploads"),
    Place("portal.disputes", FIRM, "/portal/disputes"),
    Place("portal.dispute", FIRM, "/portal/disputes", r"/portal/disputes/dsp_\w+"),
    Place("portal.new_dispute", FIRM, "/portal/disputes/new"),
    Place("portal.new_dispute", FIRM, "/portal/disputes/new", r"/portal/disputes/new\?record=[^\"]+",
          name="new-dispute-row"),
    Place("portal.new_dispute", FIRM, "/portal/disputes/new?kind=registration",
          r"/portal/disputes/new\?record=registration[^\"]+", name="new-dispute-entry"),
    Place("portal.financing", FIRM, "/portal/financing"),
    Place("portal.financing_request", FIRM, "/portal/financing", r"/portal/financing/fin_\w+"),
    Place("portal.accesses", FIRM, "/portal/accesses"),
    Place("portal.access", FIRM, "/portal/accesses", r"/portal/accesses/\d+\?[^\"]+"),
    Place("portal.adverse_notices", FIRM, "/portal/notices"),
    Place("portal.adverse_notice", FIRM, "/portal/notices", r"/portal/notices/ntc_\w+"),
    Place("portal.counted", FIRM, "/portal/counted"),
    Place("portal.representatives", FIRM, "/portal/representatives"),
    Place("portal.security", FIRM, "/portal/security"),
    Place("portal.password", FIRM, "/portal/security/password"),
    Place("portal.own_keys", FIRM, "/portal/security/keys"),
    Place("portal.own_messages", FIRM, "/portal/messages"),
    Place("portal.notice_settings", FIRM, "/portal/messages/settings"),
    Place("portal.forgotten", NOBODY, "/portal/forgotten"),
    Place("portal.join", NOBODY, "/portal/join"),
    Place("portal.home", FIRM, "/portal/nowhere", name="not-found"),
    Place("portal.desk", RISK, "/portal/staff/"),
    Place("portal.decisions", RISK, "/portal/staff/decisions"),
    Place("portal.decisions", RISK, "/portal/staff/decisions?since=2090-01-01", name="decisions-nothing-fits"),
    Place("portal.decision", RISK, "/portal/staff/decisions", r"/portal/staff/decisions/dec_\w+"),
    Place("portal.decision", RISK, "/portal/staff/decisions", r"/portal/staff/decisions/dec_\w+",
          (("purpose", "replay"), ("doing", "read")), "decision-opened"),
    Place("portal.models", RISK, "/portal/staff/models"),
    Place("portal.model", RISK, "/portal/staff/models", r"/portal/staff/models/[\w.-]+"),
    Place("portal.cohorts", RISK, "/portal/staff/cohorts"),
    Place("portal.staff_reviews", RISK, "/portal/staff/reviews"),
    Place("portal.staff_review", RISK, "/portal/staff/reviews", r"/portal/staff/reviews/rev_\w+"),
    Place("portal.staff_overrides", RISK, "/portal/staff/reviews/overrides"),
    Place("portal.staff_notices", RISK, "/portal/staff/reviews/notices"),
    Place("portal.staff_watch", RISK, "/portal/staff/watch"),
    Place("portal.staff_keys", RISK, "/portal/staff/keys"),
    Place("portal.operator_overview", OPERATOR, "/portal/staff/operator/"),
    Place("portal.operator_institutions", OPERATOR, "/portal/staff/operator/institutions"),
    Place("portal.operator_institution", OPERATOR, "/portal/staff/operator/institutions",
          r"/portal/staff/operator/institutions/\w+"),
    Place("portal.operator_people", OPERATOR, "/portal/staff/operator/accounts"),
    Place("portal.operator_sources", OPERATOR, "/portal/staff/operator/sources"),
    Place("portal.operator_rejections", OPERATOR, "/portal/staff/operator/rejections"),
    Place("portal.staff_disputes", OPERATOR, "/portal/staff/disputes"),
    Place("portal.staff_dispute", OPERATOR, "/portal/staff/disputes?state=upheld", r"/portal/staff/disputes/dsp_\w+"),
    Place("portal.operator_objections", OPERATOR, "/portal/staff/operator/objections?state=asked"),
    Place("portal.operator_work", OPERATOR, "/portal/staff/operator/jobs"),
    Place("portal.operator_webhooks", OPERATOR, "/portal/staff/operator/webhooks"),
    Place("portal.operator_registry", OPERATOR, "/portal/staff/operator/registry"),
    Place("portal.operator_load", OPERATOR, "/portal/staff/operator/registry", r"/portal/staff/operator/registry/\w+"),
    Place("portal.operator_clearing", OPERATOR, "/portal/staff/operator/codes"),
    Place("portal.operator_screening", OPERATOR, "/portal/staff/operator/screening"),
    Place("portal.operator_reverse", OPERATOR, "/portal/staff/operator/screening/products"),
    Place("portal.operator_figures", OPERATOR, "/portal/staff/operator/figures"),
    Place("portal.operator_evidence", OPERATOR, "/portal/staff/operator/evidence"),
    Place("portal.bank.sign_in", NOBODY, "/portal/desk/sign-in"),
    Place("portal.bank.firms", DESK, "/portal/desk/firms"),
    Place("portal.bank.ask", DESK, "/portal/desk/ask"),
    Place("portal.bank.firm", DESK, "/portal/desk/firms", r"/portal/desk/firms/ask_\w+(?=\">Healthy)"),
    Place("portal.bank.firm", DESK, "/portal/desk/firms", r"/portal/desk/firms/ask_\w+(?=\">By a code)",
          name="bank-firm-waiting"),
    Place("portal.bank.objections", DESK, "/portal/desk/objections"),
    Place("portal.bank.applications", DESK, "/portal/desk/applications"),
    Place("portal.bank.application", DESK, "/portal/desk/applications", r"/portal/desk/applications/app_\w+"),
    Place("portal.bank.outcomes", DESK, "/portal/desk/outcomes"),
    Place("portal.bank.products", DESK, "/portal/desk/products"),
    Place("portal.bank.product", DESK, "/portal/desk/products", r"/portal/desk/products/[\w-]+/\d+"),
    Place("portal.bank.edit_product", DESK, "bank-product", r"/portal/desk/products/[\w-]+/\d+/edit"),
    Place("portal.bank.new_product", DESK, "/portal/desk/products/new"),
    Place("portal.bank.overlay", DESK, "/portal/desk/overlay"),
    Place("portal.bank.software", DESK, "/portal/desk/software"),
    Place("portal.bank.statement", DESK, "/portal/desk/statement"),
    Place("portal.bank.client", DESK, "/portal/desk/software", r"/portal/desk/software/[\w-]+"),
    Place("portal.bank.people", DESK, "/portal/desk/people"),
    Place("portal.bank.keys", DESK, "/portal/desk/keys"),
    Place("developers.sign_in", NOBODY, "/portal/developers/sign-in"),
    Place("developers.join", NOBODY, "/portal/developers/join"),
    Place("developers.bench", DEVELOPER, "/portal/developers/"),
    Place("developers.keys", DEVELOPER, "/portal/developers/keys"),
    Place("developers.firms", DEVELOPER, "/portal/developers/firms"),
    Place("developers.webhook", DEVELOPER, "/portal/developers/webhook"),
    Place("developers.requests", DEVELOPER, "/portal/developers/requests"),
    Place("developers.example", DEVELOPER, "/portal/developers/examples/python"),
)  # fmt: skip
ASIDE = {
    "portal.authorize": "its address is good once, from a bank's request; tests/portal/test_browser.py shows it",
    "portal.deletion": "there is a certificate only once a data life has ended; it is a file",
    "portal.upload": "no firm of the demo uploads a file; tests/uploads/test_pages.py opens it",
    "portal.invitation": "its secret is told to the operator who invites; tests/portal/test_staff.py opens it",
    "portal.second_step": "asks for a security key; tests/portal/test_staff_keys.py shows it",
    "portal.own_second_step": "asks for a security key; tests/portal/test_own_keys.py shows it",
    "portal.reset": "its secret is in a mail; tests/portal/test_recovery.py opens it",
    "portal.confirm_address": "its secret is in a mail; tests/portal/test_own_messages.py opens it",
    "portal.firm_invitation": "its secret is told to who invites; tests/portal/test_arriving.py opens it",
    "portal.prove": "leads to a provider of identity", "portal.proved": "a provider sends the browser to it, once",
    "portal.proven": "needs a proof; tests/portal/test_arriving.py opens it",
    "portal.model_indicator": "needs a sample of firms beside the model; tests/portal/test_swarms.py opens it",
    "portal.staff_watched_series": "needs weeks of decisions; tests/portal/test_watch_desk.py opens it",
    "portal.shown_facts": "no firm of the demo shows a card; tests/cards/test_browser.py shows it",
    "portal.report": "no firm of the demo makes a report; tests/reports/test_browser.py shows it",
    "portal.verify_report": "as above: its address is on the paper",
    "verify": "leads to the page", "verify_report": "leads to the page", "portal.report_file": "a file",
    "portal.open_financing_document": "a file", "portal.bank.application_document": "a file",
    "portal.dispute_file": "a file", "portal.staff_dispute_file": "a file",
    "portal.export_codes": "a file", "portal.export_figures": "a file",
    "portal.bank.home": "leads to the pages of the roles",
    "portal.bank.scanned": "its address is in a code, good once; tests/desk/test_firms.py opens it",
    "portal.bank.came_back": "a firm's browser comes back to it, once; tests/desk/test_firms.py opens it",
    "portal.bank.invitation": "its secret is told to who invites; tests/desk/test_institution.py opens it",
    "portal.bank.second_step": "asks for a security key; tests/desk/test_institution.py shows it",
    "developers.examples": "leads to the first language", "developers.example_file": "a file",
    "portal.receipt": "a file", "portal.evidence": "a file", "root": "leads to the pages",
}  # fmt: skip
"""Pages that are not visited, and why."""


class NotReached(Exception):
    """A page cannot be reached as it is declared, or is not declared."""


@contextmanager
def demo():
    """Start a sandbox with a demo walked; yield its visits."""
    with tempfile.TemporaryDirectory() as folder, Services(Path(folder) / "log") as services:
        stack = start_stack(services, Ports.free(), database="creditlink_pages", real=None, say=lambda _: None)
        with closing(Walk(Console(file=io.StringIO()), stack, began=time.monotonic())) as walk:
            walk.synthetic_firms()
        healthy = first_of_each_kind(stack.credentials.firms)["healthy"]
        visits = Visits(stack)
        try:
            visits.wait_in_the_inbox(stack, healthy)
            visits.work_at_the_desk(healthy)
            visits.look_at_its_own()
            visits.develop()
            yield visits
        finally:
            visits.close()


class Visits:
    """People at the pages of a sandbox, each in a browser of their own."""

    def __init__(self, stack):
        self.issuer = stack.issuer
        firms = first_of_each_kind(stack.credentials.firms)
        self.clients = {who: httpx.Client(base_url=stack.issuer, timeout=60) for who in EVERYBODY}
        self._sign_in(FIRM, "/portal/sign-in", login=firms["healthy"].login, password=firms["healthy"].password)
        for who in (RISK, OPERATOR):
            one = next(each for each in stack.credentials.staff if each.roles == [who])
            code = pyotp.TOTP(one.totp_secret).now()
            self._sign_in(who, "/portal/staff/sign-in", login=one.login, password=one.password, totp=code)
        one = stack.credentials.desk[0]
        code = pyotp.TOTP(one.totp_secret).now()
        self._sign_in(DESK, "/portal/desk/sign-in", login=one.login, password=one.password, totp=code)
        self._sign_in(
            DEVELOPER, "/portal/developers/join", login=f"dev-{uuid4().hex[:8]}@example.com", password=one.password
        )
        self._found = {}

    def close(self):
        for client in self.clients.values():
            client.close()

    def _sign_in(self, who, path, **fields):
        client = self.clients[who]
        answer = client.post(path, data=fields | {"csrf_token": token_of(client.get(path).text)})
        if answer.status_code != 303:
            raise NotReached(f"{who} cannot sign in: {answer.status_code}")

    def wait_in_the_inbox(self, stack, firm):
        """Let one request wait for the firm's answer; that of an earlier run will do: a bank may not pile them up."""
        if "/portal/inbox/cns_" in self.clients[FIRM].get("/portal/inbox").text:
            return
        with closing(Officer(stack.credentials.banks[0].institution, stack.bank_urls[0])) as officer:
            officer.ask_in_inbox(firm.uscc, required=["tax"], optional=["water"], message="0043")

    def work_at_the_desk(self, firm):
        """Ask two firms: one by a code that nobody scans, one that agrees; compute its profile."""
        asked = {"purpose": "underwriting", "days": "30", "months": "24", "category": ["tax", "social_security"]}
        self._send(DESK, "/portal/desk/ask", **asked, label="By a code", channel="code")
        inbox = {"label": "Healthy firm", "channel": "inbox", "uscc": firm.uscc, "binding": "L-0044"}
        page = self._send(DESK, "/portal/desk/ask", **asked, **inbox)
        with closing(Representative(firm, self.issuer)) as person:
            person.answer_inbox(having="L-0044")
        self.clients[DESK].get(page)
        deadline = time.monotonic() + 60
        while 'class="verdict"' not in (shown := self.clients[DESK].get(page).text):
            if time.monotonic() > deadline:
                raise NotReached(f"the desk has no profile: {re.sub('<[^>]+>', ' ', shown)[-500:]}")
            self._send(DESK, f"{page}/profile", at=page)  # while records are on their way it computes nothing
            time.sleep(1)

    def look_at_its_own(self):
        """Let the firm agree to see its own records, make its own profile, and dispute one of the rows."""
        firm = self.clients[FIRM]
        asked = firm.get("/portal/own").text
        if (text := _field(asked, "text")) is not None:
            categories = re.findall(r'name="category" value="([^"]+)"', asked)
            self._send(FIRM, "/portal/own", enterprise=_field(asked, "enterprise"), text=text, category=categories)
        deadline = time.monotonic() + 60
        while 'http-equiv="refresh"' in (shown := firm.get("/portal/own").text):
            if time.monotonic() > deadline:
                raise NotReached("the firm's own records do not come")
            time.sleep(1)
        self._send(FIRM, "/portal/own/profile", at="/portal/own", enterprise=_field(shown, "enterprise"))
        if "/portal/disputes/dsp_" in firm.get("/portal/disputes").text:
            return
        rows = firm.get("/portal/disputes/new?kind=payroll_months").text
        row = html.unescape(re.search(r'href="(/portal/disputes/new\?record=[^"]+)"', rows)[1])
        asked = firm.get(row).text
        said = {"statement": "实缴人数有误，与申报表不符。", "claim": "wrong"}
        fields = {name: _field(asked, name) for name in ("record", "enterprise")}
        self._send(FIRM, "/portal/disputes/new", at=row, **said, **fields)
        while (
            "/portal/staff/disputes/dsp_" not in self.clients[OPERATOR].get("/portal/staff/disputes?state=upheld").text
        ):
            if time.monotonic() > deadline + 60:
                raise NotReached("the source does not answer the dispute")
            time.sleep(1)

    def develop(self):
        """Send one request that is refused: the log has something to say."""
        found = re.search(r"dev_\w+-\w+", self.clients[DEVELOPER].get("/portal/developers/").text)
        httpx.post(f"{self.issuer}/oauth/par", data={"client_id": found[0], "scope": "profile:read"})

    def _send(self, who, path, *, at=None, **fields):
        """Send a form, and return where it leads."""
        client = self.clients[who]
        answer = client.post(path, data=fields | {"csrf_token": token_of(client.get(at or path).text)})
        if answer.status_code != 303:
            raise NotReached(f"{path} answers {answer.status_code}: {re.sub('<[^>]+>', ' ', answer.text)[-500:]}")
        return answer.headers["Location"].partition("?")[0]

    def address(self, place):
        """Return the address of a place; raises NotReached."""
        if not place.link:
            return place.at
        at = place.at if place.at.startswith("/") else self._found[place.at]
        page = self.clients[place.who].get(at).text
        found = re.search(f'href="({place.link})["#?&]', page) or re.search(f'href="({place.link})', page)
        if found is None:
            raise NotReached(f"{place.file}: {at} has no link like {place.link}")
        self._found[place.file] = html.unescape(found[1])
        return self._found[place.file]

    def answer(self, place, address, language="en"):
        """Return the answer of a place: its page, or what its form answers."""
        client = self.clients[place.who]
        mark = "&" if "?" in address else "?"
        shown = client.get(f"{address}{mark}lang={language}")
        if place.posts:
            shown = client.post(address, data=dict(place.posts) | {"csrf_token": token_of(shown.text)})
        return shown


def _field(page, name):
    """Return the value of a hidden field of a page's forms; None: there is none."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1] if found else None


def token_of(page):
    """Return the token of the forms of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    return found[1] if found else ""
