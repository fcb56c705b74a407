"""Answers about a screened city: to a bank, counts of firms that opted in, in tens; to the operator, who qualifies."""

from __future__ import annotations

from pathlib import Path

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.terms import ProductInvalid, ProductTerms
from creditlink.engine.vocabulary import FEWEST_FIRMS
from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.screening.city.results import Results, ResultsUnusable
from creditlink.screening.qualify import QualifyAnswer, move_rule, qualify


class DiscoveryAnswer(QualifyAnswer):
    """Counts, with the day and the model of the screening."""

    as_of: str
    model_id: str


class OperatorAnswer(DiscoveryAnswer):
    """Exact counts, and a page of the firms that qualify."""

    firms: list[str]
    next_cursor: str | None


def counts_for_bank(folder: Path, product: ProductTerms) -> tuple[DiscoveryAnswer, str]:
    """Return the counts for a product from the screening in `folder`, and the screening's key.

    A bank chooses neither the firms nor how far a rule moves: with free choices, counts could be subtracted from
    one another until they are about one firm.

    Raises
    ------
    NotFound
        There is no finished screening, or it did not store what the product's rules are about.
    """
    try:
        return _count(folder, product), Results(str(folder)).manifest["key"]
    except (ResultsUnusable, ProductInvalid) as error:
        raise NotFound from error


def answer_for_operator(
    folder: Path, product: ProductTerms, *, move: tuple[str, float] | None, limit: int, after: str | None
) -> tuple[OperatorAnswer, str]:
    """Return exact counts over all firms and a page of those that qualify, and the screening's key.

    Parameters
    ----------
    move : a rule's subject and the limit to try instead of the product's own.
    limit, after : how many firms, and the last one of the page before; firms come in ascending order.

    Raises
    ------
    NotFound
        There is no finished screening, or it did not store what the product's rules are about.
    InvalidRequest
        The product has not one number rule on the subject to move.
    """
    try:
        tried = move_rule(product, *move) if move else product
    except ValueError as error:
        raise InvalidRequest(errors=[{"pointer": "/move", "detail": str(error)}]) from error
    try:
        results = Results(str(folder))
        answer = qualify(results, tried, BY_NAME)
    except (ResultsUnusable, ProductInvalid) as error:
        raise NotFound from error
    firms = answer.firms if after is None else answer.firms[answer.firms > int(after)]
    page = [str(firm) for firm in firms[:limit]]
    counts: OperatorAnswer = {
        **answer.to_dict(),
        "as_of": results.manifest["as_of"],
        "model_id": results.manifest["model"],
        "firms": page,
        "next_cursor": page[-1] if len(firms) > limit else None,
    }
    return counts, results.manifest["key"]


def counts_for_draft(folder: Path, product: ProductTerms) -> dict[str, object]:
    """Return the counts for a version that is being prepared, without those of moved rules; or why there are none.

    `available` says which; where there are none `reason` says why, else `screening` is the screening's key.
    """
    try:
        counts, screening = _count(folder, product), Results(str(folder)).manifest["key"]
    except ResultsUnusable:
        return {"available": False, "reason": "no screening has been finished here"}
    except ProductInvalid as error:
        return {"available": False, "reason": str(error)}
    rules = [{name: value for name, value in rule.items() if name != "steps"} for rule in counts["rules"]]
    return {"available": True, **counts, "screening": screening, "rules": rules}


def _count(folder: Path, product: ProductTerms) -> DiscoveryAnswer:
    results = Results(str(folder))
    answer = qualify(results, product, BY_NAME, discoverable_only=True)
    return {
        **answer.to_dict(least=FEWEST_FIRMS),
        "as_of": results.manifest["as_of"],
        "model_id": results.manifest["model"],
    }
