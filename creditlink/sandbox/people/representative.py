"""A person who acts for a firm of the sandbox, at a browser without JavaScript."""

from __future__ import annotations

import re

from creditlink.sandbox.people.browser import Browser, PageError
from creditlink.sandbox.platform.credentials import FirmLogin


class Representative:
    """A person who acts for a firm, at a browser without JavaScript."""

    def __init__(self, login: FirmLogin, home: str, *, language: str = "en") -> None:
        self._login = login
        self._home = home
        self.browser = Browser(language=language)

    def close(self) -> None:
        """Close the browser."""
        self.browser.close()

    def sign_in_if_asked(self) -> None:
        """Fill in the sign-in page if that is the current page."""
        try:
            form = self.browser.form("login", "password")
        except PageError:
            return
        self.browser.submit(form, login=self._login.login, password=self._login.password)

    def decide(self, address: str, *, without: tuple[str, ...] = (), approve: bool = True) -> str:
        """Follow the bank's address, read the consent page and decide; return the page's text."""
        browser = self.browser
        browser.open(address)
        self.sign_in_if_asked()
        return self._decide_here(without, approve)

    def answer_inbox(self, *, having: str, approve: bool = True) -> str:
        """Sign in, open the request in the inbox whose page has this text, and decide; return the page's text."""
        browser = self.browser
        browser.open(f"{self._home}/portal/inbox")
        self.sign_in_if_asked()
        for address in browser.links("/portal/inbox/"):
            browser.open(address)
            if having in browser.text:
                return self._decide_here((), approve)
        raise PageError(f"no request in the inbox says {having!r}")

    def _decide_here(self, without: tuple[str, ...], approve: bool) -> str:
        browser = self.browser
        form = browser.form("decision")
        said = browser.text
        categories = [value for name, value in form.fields if name == "category" and value not in without]
        decision = "approve" if approve else "decline"
        browser.submit(form, category=categories, press=("decision", decision))
        if browser.status != 200:
            raise PageError(
                f"the decision ended at {browser.url.split('?')[0]} with {browser.status}: {browser.text[:300]}"
            )
        return said

    def revoke(self, consent_id: str) -> None:
        """Take a consent back, on the page that says what stops and what stays."""
        browser = self.browser
        browser.open(f"{self._home}/portal/consents/{consent_id}/withdraw")
        self.sign_in_if_asked()
        browser.submit(browser.form_to("/revoke"))
        if browser.status != 200:
            raise PageError(f"the withdrawal ended with {browser.status}: {browser.text[:300]}")

    # Financing, on the same pages.

    def ask_for(self, *, amount_wan: int, term_months: int, use: str = "working_capital") -> str:
        """Say what the firm needs; return the address of its request."""
        browser = self.browser
        browser.open(f"{self._home}/portal/financing")
        self.sign_in_if_asked()
        browser.submit(browser.form("amount", "term"), amount=str(amount_wan), term=str(term_months), use=use)
        self._check("the request")
        return browser.url

    def products(self) -> list[str]:
        """Return the codes of the products on the page, in its order."""
        return re.findall(r'name="product" value="([^"]+)"', self.browser.html)

    def choose(self, request: str, codes: list[str]) -> str:
        """Choose products, read what each lender would see, agree; return the page's text before that."""
        browser = self.browser
        browser.open(request)
        browser.submit(browser.form_to("/lenders"), product=codes)
        self._check("the choice")
        said = browser.text
        browser.submit(browser.form("decision"), press=("decision", "approve"))
        self._check("the yes to the lenders")
        return said

    def accept(self, request: str, application: str) -> None:
        """Accept the offer that one application got."""
        browser = self.browser
        browser.open(request)
        browser.submit(browser.form_to(f"/{application}/accept"))
        self._check("the acceptance")

    def _check(self, what: str) -> None:
        if self.browser.status != 200:
            raise PageError(f"{what} ended with {self.browser.status}: {self.browser.text[:300]}")
