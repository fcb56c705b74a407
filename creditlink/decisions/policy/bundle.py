"""A policy bundle: one canonical JSON that names by hash everything a decision depends on besides the firm. Pure.

Two processes with the same model folder, settings, products and code give the same bytes, and so the same hash. A
bundle is never edited: another product or another line of a setting is another bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from creditlink.engine.matching.book import ProductBook
from creditlink.engine.scoring.model import sha256_of
from creditlink.kit.files.textfile import canonical_json, json_of

FORMAT = 1


class BundleCode(TypedDict):
    """The code that computed."""

    version: str
    commit: str | None  # where it is known
    engine_sha256: str  # over every source file of the engine


class BundleModel(TypedDict):
    """The model's folder: what is in each file is said by its hash."""

    model_id: str
    sha256: str  # of the manifest, which states the others
    files: dict[str, str]


class BundleDocument(TypedDict):
    """What a bundle says; every hash is the SHA-256 of an artefact that is kept beside it."""

    format: int
    code: BundleCode
    libraries: dict[str, str]
    model: BundleModel
    settings: dict[str, str]  # file -> sha256
    products: list[tuple[str, int, str]]  # code, version, sha256 of the terms
    approval_model: str | None  # sha256 of the approval odds


class PolicyDamaged(ValueError):
    """A bundle or an artefact is not what its hash says, or an artefact is absent; the message names it."""


@dataclass(frozen=True)
class BundledPolicy:
    """A bundle with the bytes that it names."""

    sha256: str
    text: str
    document: BundleDocument
    artefacts: Mapping[str, bytes]  # sha256 -> content

    def artefact(self, sha256: str, what: str) -> bytes:
        """Return one artefact.

        Raises
        ------
        PolicyDamaged
            It is absent.
        """
        if sha256 not in self.artefacts:
            raise PolicyDamaged(f"bundle {self.sha256[:16]}…: {what}, sha256 {sha256[:16]}…, is absent")
        return self.artefacts[sha256]


def bundled(document: BundleDocument, artefacts: Mapping[str, bytes]) -> BundledPolicy:
    """Return a document as a bundle with its artefacts."""
    text = canonical_json(document)
    return BundledPolicy(sha256_of(text.encode()), text, document, artefacts)


def opened(sha256: str, text: str, artefacts: Mapping[str, bytes]) -> BundledPolicy:
    """Return a kept bundle, every hash in it checked.

    Raises
    ------
    PolicyDamaged
        The text is not the one of that hash, or an artefact has other bytes than its hash says.
    """
    if (found := sha256_of(text.encode())) != sha256:
        raise PolicyDamaged(f"bundle {sha256[:16]}…: its text has sha256 {found[:16]}…")
    for name, content in artefacts.items():
        if (found := sha256_of(content)) != name:
            raise PolicyDamaged(f"artefact {name[:16]}…: its content has sha256 {found[:16]}…")
    document: BundleDocument = json_of(text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise PolicyDamaged(f"bundle {sha256[:16]}…: format {FORMAT} is expected")
    return BundledPolicy(sha256, text, document, artefacts)


def hashes_in(document: BundleDocument) -> set[str]:
    """Return the hashes of every artefact that a bundle names."""
    model = document["model"]
    named = {*model["files"].values(), model["sha256"], *document["settings"].values()}
    named |= {sha256 for _, _, sha256 in document["products"]}
    return named | ({document["approval_model"]} if document["approval_model"] else set())


def product_artefacts(book: ProductBook) -> tuple[list[tuple[str, int, str]], dict[str, bytes]]:
    """Return the products of a book by code, version and hash, and their terms as the artefacts of these hashes."""
    named, artefacts = [], {}
    for terms in book.products:
        content = canonical_json(terms.to_dict()).encode()
        sha256 = sha256_of(content)
        named.append((terms.code, terms.version, sha256))
        artefacts[sha256] = content
    return named, artefacts


def differences(ours: BundleDocument, theirs: BundleDocument) -> list[str]:
    """Return the places where two bundles differ, as paths: `settings.score.toml`, `products.CLB-TAX`."""
    first, second = dict(_leaves(ours)), dict(_leaves(theirs))
    return sorted(place for place in {*first, *second} if first.get(place) != second.get(place))


def _leaves(document: BundleDocument) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("approval_model", document["approval_model"])]
    found += [(f"code.{name}", value) for name, value in document["code"].items()]
    found += [(f"libraries.{name}", value) for name, value in document["libraries"].items()]
    found += [(f"model.{name}", value) for name, value in document["model"]["files"].items()]
    found += [("model.manifest.json", document["model"]["sha256"])]
    found += [(f"settings.{name}", value) for name, value in document["settings"].items()]
    found += [(f"products.{code}", (version, sha256)) for code, version, sha256 in document["products"]]
    return found
