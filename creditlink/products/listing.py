"""The public catalogue: which products a query finds, and how each is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from creditlink.engine.matching.products.phrases import rule_texts
from creditlink.engine.matching.products.rules import texts_of
from creditlink.engine.matching.products.subjects import Subject
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.vocabulary import PRODUCT_KINDS


@dataclass(frozen=True, kw_only=True)
class ProductQuery:
    """Filters of the catalogue and a place in it; None lets everything through."""

    q: str = ""  # words in the names of product or institution
    kind: str | None = None
    institution: str | None = None
    institution_kind: str | None = None
    tag: str | None = None
    region: str | None = None
    industry: str | None = None
    amount_fen: int | None = None
    term_months: int | None = None
    rate_bps_at_most: int | None = None
    limit: int = 50
    cursor: str = ""


@dataclass(frozen=True)
class ChangesQuery:
    """Which changes to list: those after a revision, at most so many."""

    since: int
    limit: int


def find(
    products: Iterable[ProductTerms], names: Mapping[str, tuple[str, str]], query: ProductQuery
) -> list[ProductTerms]:
    """Return the products that every filter of `query` lets through, in their order.

    Parameters
    ----------
    names : institution code -> its name in zh and en.
    """
    words = [word.casefold() for word in query.q.split()]
    return [
        terms for terms in products if _fits(terms, query) and _has_words(terms, names[terms.institution_code], words)
    ]


def _has_words(terms: ProductTerms, institution: tuple[str, str], words: list[str]) -> bool:
    text = " ".join((terms.name_zh, terms.name_en, *institution)).casefold()
    return all(word in text for word in words)


def _fits(terms: ProductTerms, query: ProductQuery) -> bool:
    amount, term, rate = query.amount_fen, query.term_months, query.rate_bps_at_most
    return (
        query.kind in (None, terms.kind)
        and query.institution in (None, terms.institution_code)
        and query.institution_kind in (None, terms.institution_kind)
        and (query.tag is None or query.tag in terms.tags)
        and (amount is None or terms.amount_min_fen <= amount <= terms.amount_max_fen)
        and (term is None or terms.term_months_min <= term <= terms.term_months_max)
        and (rate is None or terms.rate_bps_min <= rate)
        and _covers(terms, "registration.region", query.region)
        and _covers(terms, "registration.industry", query.industry)
    )


def _covers(terms: ProductTerms, subject: str, code: str | None) -> bool:
    """Return whether the product's rules on a code leave `code`, or a code it begins, a way to pass."""
    if code is None:
        return True
    for rule in terms.rules:
        if rule.subject != subject:
            continue
        if rule.operator == "not_in":
            if any(code.startswith(text) for text in texts_of(rule)):
                return False
        elif not any(code.startswith(text) or text.startswith(code) for text in texts_of(rule)):
            return False
    return True


def as_listed(terms: ProductTerms, institution: tuple[str, str], known: Mapping[str, Subject]) -> dict[str, object]:
    """Return a product as the public sees it: its open form, labels, and every rule in words."""
    rules = []
    for rule in terms.rules:
        zh, en = rule_texts(rule, known[rule.subject])
        rules.append(rule.to_dict() | {"text_zh": zh, "text_en": en})
    kind_zh, kind_en = PRODUCT_KINDS[terms.kind]
    return terms.to_dict() | {
        "yearly_cost_bps_min": terms.net_cost_bps(terms.rate_bps_min, terms.term_months_max),
        "yearly_cost_bps_max": terms.net_cost_bps(terms.rate_bps_max, terms.term_months_min),
        "institution_name_zh": institution[0],
        "institution_name_en": institution[1],
        "kind_zh": kind_zh,
        "kind_en": kind_en,
        "rules": rules,
    }
