"""A kept bundle as what computes: model, rules, products and odds, from artefacts and nothing on disk. Pure."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from creditlink.decisions.policy.bundle import BundledPolicy, PolicyDamaged
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import ProductBook, compile_book
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.matching.products.terms import ProductTerms, terms_from_checked
from creditlink.engine.profile.live_model import LiveModel, live_from
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.model import MANIFEST, ModelFolderError, assemble
from creditlink.kit.files.textfile import decode, json_of
from creditlink.products.files.settings import settings_from


@dataclass(frozen=True, eq=False)
class LoadedPolicy:
    """What computed the decisions of one bundle, ready to compute again."""

    bundle: BundledPolicy
    live: LiveModel
    book: ProductBook
    approval: ApprovalModel | None

    def has_products(self, versions: Sequence[Sequence[object]]) -> bool:
        """Return whether these (code, version) pairs are the bundle's, in its order."""
        return [tuple(one) for one in versions] == [(terms.code, terms.version) for terms in self.book.products]


def load(bundle: BundledPolicy) -> LoadedPolicy:
    """Load the model, rules and products of a bundle, whichever are in use today.

    Raises
    ------
    PolicyDamaged
        An artefact is absent or cannot be read by this code; the message says which and why.
    """
    document = bundle.document
    try:
        texts = {name: decode(bundle.artefact(sha256, name)).whole() for name, sha256 in document["settings"].items()}
        rules = score_settings.parse(tomllib.loads(texts["score.toml"]))
        curve = decode(bundle.artefact(document["settings"]["price_response.csv"], "price_response.csv"))
        matching = settings_from(texts["matching.toml"], curve)
        model = document["model"]
        contents = {name: bundle.artefact(sha256, name) for name, sha256 in model["files"].items()}
        contents[MANIFEST] = bundle.artefact(model["sha256"], MANIFEST)
        live = live_from(assemble(model["model_id"], contents, rules.scale), rules)
        products = [_terms(bundle, code, sha256) for code, _, sha256 in document["products"]]
        book = compile_book(products, BY_NAME, matching)
        approval = document["approval_model"]
        odds = (
            None if approval is None else ApprovalModel.from_dict(json_of(bundle.artefact(approval, "approval odds")))
        )
    except PolicyDamaged:
        raise
    except (ModelFolderError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyDamaged(f"bundle {bundle.sha256[:16]}…: this code cannot load it: {error!r}") from error
    return LoadedPolicy(bundle, live, book, odds)


def _terms(bundle: BundledPolicy, code: str, sha256: str) -> ProductTerms:
    return terms_from_checked(json.loads(bundle.artefact(sha256, f"product {code}")))
