"""The menu of a firm's people: few groups, the pages of the current group below them.

A page belongs to the entry whose address, or one of whose `also`, is the longest beginning of its own; so a page of a
row needs no line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import flask
from flask_babel import gettext


@dataclass(frozen=True)
class Link:
    """One link of a menu: where to, what it says, and whether it is this page or leads to what this page is part of."""

    address: str
    label: str
    current: str = ""  # as for aria-current: `page`, `true`, or empty for neither


@dataclass(frozen=True)
class _Entry:
    path: str  # below the pages' own
    label: str
    also: tuple[str, ...] = field(default=())
    fragment: str = ""

    def length(self, path: str) -> int:
        """Return how much of an address is this entry's, 0 for nothing."""
        own = [one for one in (self.path, *self.also) if path == one or path.startswith(one + "/")]
        return 0 if self.fragment else max(map(len, own), default=0)


@dataclass(frozen=True)
class _Group:
    label: str
    entries: Sequence[_Entry]


def _groups() -> list[_Group]:
    return [
        _Group(
            gettext("Banks"),
            [
                _Entry("/", gettext("My consents"), ("/consents", "/counted")),
                _Entry("/inbox", gettext("Requests")),
                _Entry("/accesses", gettext("Who saw what"), ("/objections",)),
            ],
        ),
        _Group(
            gettext("Credit"),
            [
                _Entry("/profile", gettext("Credit profile"), ("/group",)),
                _Entry("/profile", gettext("How to improve"), fragment="better"),
                _Entry("/reports", gettext("Reports")),
                _Entry("/card", gettext("Credit card"), ("/cards",)),
                _Entry("/notices", gettext("Adverse decisions")),
            ],
        ),
        _Group(
            gettext("Our data"),
            [
                _Entry("/own", gettext("Data from offices")),
                _Entry("/uploads", gettext("Uploaded files")),
                _Entry("/disputes", gettext("Disputes")),
            ],
        ),
        _Group(gettext("Financing"), [_Entry("/financing", gettext("Financing"))]),
        _Group(
            gettext("Account"),
            [
                _Entry("/messages", gettext("Messages")),
                _Entry("/representatives", gettext("Who may act")),
                _Entry("/security", gettext("Security")),
            ],
        ),
    ]


def firm_menu(root: str) -> tuple[list[Link], str, list[Link]]:
    """Return the groups, the current group's name, and its pages: none where it has one page, or none is current.

    `root` is the address of the first page, without a slash at its end.
    """
    here = flask.request.path.removeprefix(root)
    groups = _groups()
    entry = max((one for group in groups for one in group.entries), key=lambda one: one.length(here))
    entry_is_current = entry.length(here) > 0
    links, name, pages = [], "", []
    for group in groups:
        current = entry_is_current and entry in group.entries
        is_page = current and here == group.entries[0].path
        links.append(Link(root + group.entries[0].path, group.label, "page" if is_page else "true" if current else ""))
        if current and len(group.entries) > 1:
            name, pages = group.label, [_link(root, one, here, one == entry) for one in group.entries]
    return links, name, pages


def _link(root: str, entry: _Entry, here: str, is_current: bool) -> Link:
    address = root + entry.path + (f"#{entry.fragment}" if entry.fragment else "")
    return Link(address, entry.label, "" if not is_current else "page" if here == entry.path else "true")
