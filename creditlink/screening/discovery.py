"""What a bank is told of a screened city: counts of firms that opted in, in tens, for a product of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from creditlink.errors import NotFound
from creditlink.features.catalogue import BY_NAME
from creditlink.products.terms import ProductInvalid, ProductTerms
from creditlink.screening.qualify import qualify
from creditlink.screening.results import Results, ResultsUnusable
from creditlink.screening.summary import LEAST


def told_to(folder: Path, product: ProductTerms) -> dict[str, Any]:
    """Return the counts for a product from the screening in `folder`.

    A bank chooses neither the firms nor how far a rule moves: with free choices, counts could be subtracted from
    one another until they speak of one firm.

    Raises
    ------
    NotFound
        There is no finished screening, or it did not keep what the product's rules are about.
    """
    try:
        return _counted(folder, product)
    except (ResultsUnusable, ProductInvalid) as error:
        raise NotFound from error


def told_before_publishing(folder: Path, product: ProductTerms) -> dict[str, Any]:
    """Return the counts for a version that is being prepared, without those of moved rules; or why there are none.

    `available` tells the two apart; of the second, `reason` says why.
    """
    try:
        told = _counted(folder, product)
    except ResultsUnusable:
        return {"available": False, "reason": "no screening has been finished here"}
    except ProductInvalid as error:
        return {"available": False, "reason": str(error)}
    rules = [{name: value for name, value in rule.items() if name != "steps"} for rule in told["rules"]]
    return {"available": True, **told, "rules": rules}


def _counted(folder: Path, product: ProductTerms) -> dict[str, Any]:
    results = Results(str(folder))
    answer = qualify(results, product, BY_NAME, discoverable_only=True)
    return answer.to_dict(least=LEAST) | {"as_of": results.manifest["as_of"], "model_id": results.manifest["model"]}
