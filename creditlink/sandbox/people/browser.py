"""A person at a browser without JavaScript: follows redirects, fills forms, keeps cookies."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


class PageError(Exception):
    """The page is not the one that a person expects here."""


@dataclass
class Form:
    """A form on the page, with what is already filled in or ticked."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    submits: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @property
    def all_names(self) -> set[str]:
        """Every field on the form, ticked or not."""
        return self.names | {name for name, _ in self.submits}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.main_from: int | None = None  # where in `text` the page's main part begins
        self._select: str | None = None
        self._skip = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        at = {k: v or "" for k, v in attributes}
        if tag in ("script", "style"):
            self._skip += 1
        if tag == "main":
            self.main_from = len(self.text)
        if tag == "a" and at.get("href"):
            self.links.append(at["href"])
        if tag == "form":
            self.forms.append(Form(at.get("action", ""), at.get("method", "get").lower()))
        if not self.forms:
            return
        form = self.forms[-1]
        name = at.get("name", "")
        if tag == "input" and name:
            kind = at.get("type", "text")
            form.names.add(name)
            if kind == "submit":
                form.submits.append((name, at.get("value", "")))
            elif kind not in ("checkbox", "radio") or "checked" in at:
                form.fields.append((name, at.get("value", "on" if kind == "checkbox" else "")))
        elif tag == "button" and name:
            form.submits.append((name, at.get("value", "")))
        elif tag == "select":
            self._select = name
            form.names.add(name)
        elif (
            tag == "option"
            and self._select
            and ("selected" in at or not any(n == self._select for n, _ in form.fields))
        ):
            form.fields = [(n, v) for n, v in form.fields if n != self._select] + [(self._select, at.get("value", ""))]
        elif tag == "textarea" and name:
            form.names.add(name)
            form.fields.append((name, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._skip -= 1
        if tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if not self._skip and data.strip():
            self.text.append(" ".join(data.split()))


class Browser:
    """One person's browser."""

    def __init__(self, *, language: str = "en", timeout: float = 30.0) -> None:
        self._http = httpx.Client(
            timeout=timeout, trust_env=False, follow_redirects=True, headers={"Accept-Language": language}
        )
        self.url = ""
        self.status = 0
        self.html = ""
        self._page = _Forms()

    def close(self) -> None:
        """Close it, with its cookies."""
        self._http.close()

    @property
    def text(self) -> str:
        """What the page says, without its markup and the navigation above."""
        return " ".join(self._page.text[self._page.main_from or 0 :])

    def open(self, url: str) -> None:
        """Go to an address."""
        self._show(self._http.get(urljoin(self.url, url) if self.url else url))

    def links(self, beginning: str) -> list[str]:
        """Return the addresses on the page that begin with a text."""
        return [link for link in self._page.links if link.startswith(beginning)]

    def form(self, *having: str) -> Form:
        """Return the first form with all these fields.

        Raises
        ------
        PageError
            The page has none.
        """
        for form in self._page.forms:
            if set(having) <= form.all_names:
                return form
        raise PageError(
            f"no form with {', '.join(having)} at {self.url.split('?')[0]} ({self.status}): {self.text[:300]}"
        )

    def form_to(self, ending: str) -> Form:
        """Return the first form whose address ends with a text.

        Raises
        ------
        PageError
            The page has none.
        """
        for form in self._page.forms:
            if form.action.endswith(ending):
                return form
        raise PageError(f"no form to …{ending} at {self.url.split('?')[0]} ({self.status}): {self.text[:300]}")

    def submit(self, form: Form, *, press: tuple[str, str] | None = None, **values: str | list[str]) -> None:
        """Fill in and send a form; a list gives a repeated field, an empty list unticks it."""
        fields = [(n, v) for n, v in form.fields if n not in values]
        for name, value in values.items():
            fields += [(name, v) for v in ([value] if isinstance(value, str) else value)]
        if press:
            fields.append(press)
        target = urljoin(self.url, form.action or self.url)
        # The Origin and Referer of a real browser: pages check them.
        headers = {"Origin": f"{httpx.URL(target).scheme}://{httpx.URL(target).netloc.decode()}", "Referer": self.url}
        data: dict[str, list[str]] = {}
        for name, value in fields:
            data.setdefault(name, []).append(value)
        if form.method == "post":
            self._show(self._http.post(target, data=data, headers=headers))
        else:
            self._show(self._http.get(target, params=data, headers=headers))

    def _show(self, response: httpx.Response) -> None:
        self.url, self.status, self.html = str(response.url), response.status_code, response.text
        self._page = _Forms()
        self._page.feed(self.html)
