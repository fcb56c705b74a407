"""Pages of a profile's products, in their order: only those of one page are put into words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from creditlink.engine.matching.match import STATES, FirmMatches
from creditlink.kit.errors import InvalidRequest

A_PAGE = 20
"""Products of a page where the caller does not say."""
MOST = 100
"""Products of one page at most."""


@dataclass(frozen=True)
class MatchQuery:
    """Which products of a profile, and a place among them; None lets everything through."""

    limit: int = A_PAGE
    state: str | None = None
    kind: str | None = None
    institution: str | None = None
    product: str | None = None
    cursor: str | None = None


@dataclass(frozen=True)
class MatchPage:
    """One page of a profile's products."""

    products: tuple[dict[str, object], ...]
    total: int  # that the filters let through, on all pages
    next_cursor: str | None


NOTHING = MatchPage((), 0, None)
"""The page of a firm without a score."""


def page_of(firm: FirmMatches | None, query: MatchQuery) -> MatchPage:
    """Return one page; None stands for a firm that is matched to nothing.

    A cursor is the rank of the last product of the page before: ranks of a stored profile never change.

    Raises
    ------
    InvalidRequest
        The cursor is not one of this list.
    """
    ranks = () if firm is None else _ranks(firm, query)
    begin = _begin(query.cursor, ranks)
    if firm is None:
        return NOTHING
    end = begin + query.limit
    shown = tuple(firm[rank].to_dict() for rank in ranks[begin:end])
    return MatchPage(shown, len(ranks), str(ranks[end - 1] + 1) if end < len(ranks) else None)


def _ranks(firm: FirmMatches, query: MatchQuery) -> Sequence[int]:
    """Return the 0-based ranks of the products that every filter lets through, best first."""
    if (query.state, query.kind, query.institution, query.product) == (None, None, None, None):
        return range(len(firm))
    state = None if query.state is None else STATES.index(query.state)
    found = []
    for rank, position in enumerate(firm.order.tolist()):
        terms = firm.book.products[position]
        if (
            state in (None, firm.states[position])
            and query.kind in (None, terms.kind)
            and query.institution in (None, terms.institution_code)
            and query.product in (None, terms.code)
        ):
            found.append(rank)
    return found


def _begin(cursor: str | None, ranks: Sequence[int]) -> int:
    """Return the place after the rank that a cursor names; the last one's was never given out."""
    if cursor is None:
        return 0
    rank = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= 9 else 0
    if str(rank) != cursor or rank - 1 not in ranks[:-1]:
        raise InvalidRequest(errors=[{"pointer": "/cursor", "detail": "is not a cursor of this list"}])
    return ranks.index(rank - 1) + 1
