"""What is told of a screened city: to a bank counts of firms that opted in, in tens; to the operator who qualifies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.terms import ProductInvalid, ProductTerms
from creditlink.engine.vocabulary import FEWEST_FIRMS
from creditlink.kit.errors import InvalidRequest, NotFound
from creditlink.screening.city.results import Results, ResultsUnusable
from creditlink.screening.qualify import moved, qualify


def told_to(folder: Path, product: ProductTerms) -> tuple[dict[str, Any], str]:
    """Return the counts for a product from the screening in `folder`, and the screening's key.

    A bank chooses neither the firms nor how far a rule moves: with free choices, counts could be subtracted from
    one another until they speak of one firm.

    Raises
    ------
    NotFound
        There is no finished screening, or it did not keep what the product's rules are about.
    """
    try:
        return _counted(folder, product), str(Results(str(folder)).manifest["key"])
    except (ResultsUnusable, ProductInvalid) as error:
        raise NotFound from error


def told_to_operator(
    folder: Path, product: ProductTerms, *, move: tuple[str, float] | None, limit: int, after: str | None
) -> tuple[dict[str, Any], str]:
    """Return exact counts over all firms and a page of those that qualify, and the screening's key.

    Parameters
    ----------
    move : a rule's subject and the limit to try instead of the product's own.
    limit, after : how many firms, and the last one of the page before; firms come in ascending order.

    Raises
    ------
    NotFound
        There is no finished screening, or it did not keep what the product's rules are about.
    InvalidRequest
        The product has not one number rule on the subject to move.
    """
    try:
        asked = moved(product, *move) if move else product
    except ValueError as error:
        raise InvalidRequest(errors=[{"pointer": "/move", "detail": str(error)}]) from error
    try:
        results = Results(str(folder))
        answer = qualify(results, asked, BY_NAME)
    except (ResultsUnusable, ProductInvalid) as error:
        raise NotFound from error
    firms = answer.firms if after is None else answer.firms[answer.firms > int(after)]
    page = [str(firm) for firm in firms[:limit]]
    told = answer.to_dict() | {
        "as_of": results.manifest["as_of"],
        "model_id": results.manifest["model"],
        "firms": page,
        "next_cursor": page[-1] if len(firms) > limit else None,
    }
    return told, str(results.manifest["key"])


def told_before_publishing(folder: Path, product: ProductTerms) -> dict[str, Any]:
    """Return the counts for a version that is being prepared, without those of moved rules; or why there are none.

    `available` tells the two apart; of the second, `reason` says why. Of the first, `screening` is the screening's key.
    """
    try:
        told = _counted(folder, product) | {"screening": str(Results(str(folder)).manifest["key"])}
    except ResultsUnusable:
        return {"available": False, "reason": "no screening has been finished here"}
    except ProductInvalid as error:
        return {"available": False, "reason": str(error)}
    rules = [{name: value for name, value in rule.items() if name != "steps"} for rule in told["rules"]]
    return {"available": True, **told, "rules": rules}


def _counted(folder: Path, product: ProductTerms) -> dict[str, Any]:
    results = Results(str(folder))
    answer = qualify(results, product, BY_NAME, discoverable_only=True)
    return answer.to_dict(least=FEWEST_FIRMS) | {
        "as_of": results.manifest["as_of"],
        "model_id": results.manifest["model"],
    }
