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

import httpx
import pyotp
from rich.console import Console

from creditlink.sandbox.banks.officer import Officer
from creditlink.sandbox.platform.credentials import first_of_each_kind
from creditlink.sandbox.platform.services import Services
from creditlink.sandbox.platform.stack import Ports, start_stack
from creditlink.sandbox.walk.walk import Walk

FIRM, RISK, OPERATOR, NOBODY = "firm", "risk", "operator", "nobody"


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
        return self.name or self.endpoint.partition(".")[2].replace("_", "-")


PLACES = (
    Place("portal.sign_in", NOBODY, "/portal/sign-in"),
    Place("portal.staff_sign_in", NOBODY, "/portal/staff/sign-in"),
    Place("portal.status", NOBODY, "/portal/status"),
    Place("reference.page", NOBODY, "/reference", name="reference"),
    Place("reference.section", NOBODY, "/reference", r"/reference/profiles", name="reference-profiles"),
    Place("portal.home", FIRM, "/portal/"),
    Place("portal.consent", FIRM, "/portal/", r"/portal/consents/cns_\w+"),
    Place("portal.what_goes", FIRM, "consent", r"/portal/consents/cns_\w+/delete"),
    Place("portal.inbox", FIRM, "/portal/inbox"),
    Place("portal.answer", FIRM, "/portal/inbox", r"/portal/inbox/cns_\w+"),
    Place("portal.profile", FIRM, "/portal/profile"),
    Place("portal.changes", FIRM, "/portal/profile", r"/portal/profile/changes\?[^\"]+"),
    Place("portal.group", FIRM, "/portal/group"),
    Place("portal.uploads", FIRM, "/portal/uploads"),
    Place("portal.financing", FIRM, "/portal/financing"),
    Place("portal.financing_request", FIRM, "/portal/financing", r"/portal/financing/fin_\w+"),
    Place("portal.accesses", FIRM, "/portal/accesses"),
    Place("portal.adverse_notices", FIRM, "/portal/notices"),
    Place("portal.adverse_notice", FIRM, "/portal/notices", r"/portal/notices/ntc_\w+"),
    Place("portal.counted", FIRM, "/portal/counted"),
    Place("portal.representatives", FIRM, "/portal/representatives"),
    Place("portal.security", FIRM, "/portal/security"),
    Place("portal.home", FIRM, "/portal/nowhere", name="not-found"),
    Place("portal.desk", RISK, "/portal/staff/"),
    Place("portal.decisions", RISK, "/portal/staff/decisions"),
    Place("portal.decisions", RISK, "/portal/staff/decisions?since=2090-01-01", name="decisions-nothing-fits"),
    Place("portal.decision", RISK, "/portal/staff/decisions", r"/portal/staff/decisions/dec_\w+"),
    Place("portal.decision", RISK, "/portal/staff/decisions", r"/portal/staff/decisions/dec_\w+",
          (("purpose", "replay"), ("doing", "read")), "decision-opened"),
    Place("portal.models", RISK, "/portal/staff/models"),
    Place("portal.model", RISK, "/portal/staff/models", r"/portal/staff/models/[\w.-]+"),
    Place("portal.staff_keys", RISK, "/portal/staff/keys"),
)  # fmt: skip
ASIDE = {
    "portal.authorize": "its address is good once, from a bank's request; tests/portal/test_browser.py shows it",
    "portal.deletion": "there is a certificate only once a data life has ended; it is a file",
    "portal.upload": "no firm of the demo uploads a file; tests/uploads/test_pages.py opens it",
    "portal.invitation": "its secret is told to the operator who invites; tests/portal/test_staff.py opens it",
    "portal.second_step": "asks for a security key; tests/portal/test_staff_keys.py shows it",
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
        bank = stack.credentials.banks[0]
        with closing(Officer(bank.institution, stack.bank_urls[0])) as officer:  # one request waits
            officer.ask_in_inbox(healthy.uscc, required=["tax"], optional=["water"], message="0043")
        visits = Visits(stack)
        try:
            yield visits
        finally:
            visits.close()


class Visits:
    """People at the pages of a sandbox, each in a browser of their own."""

    def __init__(self, stack):
        self.issuer = stack.issuer
        firms = first_of_each_kind(stack.credentials.firms)
        self.clients = {who: httpx.Client(base_url=stack.issuer, timeout=60) for who in (NOBODY, FIRM, RISK, OPERATOR)}
        self._sign_in(FIRM, "/portal/sign-in", login=firms["healthy"].login, password=firms["healthy"].password)
        for who in (RISK, OPERATOR):
            one = next(each for each in stack.credentials.staff if each.roles == [who])
            code = pyotp.TOTP(one.totp_secret).now()
            self._sign_in(who, "/portal/staff/sign-in", login=one.login, password=one.password, totp=code)
        self._found = {}

    def close(self):
        for client in self.clients.values():
            client.close()

    def _sign_in(self, who, path, **fields):
        client = self.clients[who]
        answer = client.post(path, data=fields | {"csrf_token": token_of(client.get(path).text)})
        if answer.status_code != 303:
            raise NotReached(f"{who} cannot sign in: {answer.status_code}")

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


def token_of(page):
    """Return the token of the forms of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    return found[1] if found else ""
