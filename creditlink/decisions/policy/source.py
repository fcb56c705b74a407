"""The policy that a process works by: its model's files, settings, code and libraries, read once at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from creditlink.decisions.policy.bundle import (
    FORMAT,
    BundleCode,
    BundledPolicy,
    bundled,
    product_artefacts,
)
from creditlink.decisions.policy.running import code, libraries
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.model import MANIFEST, sha256_of
from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.processes import runtime
from creditlink.kit.processes.runtime import Memory
from creditlink.kit.settings import SettingError, Settings

SETTINGS_FILES = (
    "score.toml", "matching.toml", "price_response.csv", "capacity.toml", "validity.toml", "relief.toml",
    "purposes.toml",
)  # fmt: skip
"""What decides, file by file: scale, bounds, knock-outs and reasons; matching; capacity; validity; relief; purposes."""


@dataclass(frozen=True, eq=False)
class PolicySource:
    """What this process decides by, apart from the products of the moment; one part of an application's runtime."""

    live: LiveModel
    settings: Mapping[str, bytes]  # file -> content
    code: BundleCode
    libraries: Mapping[str, str]
    rest: str  # one hash over all but the model, so that sources that say the same share what is remembered

    def of(self, live: LiveModel) -> PolicySource:
        """Return the same policy with another model: the register may have put one in use since the start."""
        return self if live is self.live else replace(self, live=live)

    def bundle(self, book: ProductBook, approval: ApprovalModel | None) -> BundledPolicy:
        """Return the bundle of this policy with the products of a book; remembered, since both seldom change."""
        approved = None if approval is None else approval.sha256
        key = (self.live.sha256, self.rest, tuple((terms.code, terms.version) for terms in book.products), approved)
        return runtime.process().get_or_make(Bundles, Bundles).get(key, lambda: self._bundled(book, approval))

    def _bundled(self, book: ProductBook, approval: ApprovalModel | None) -> BundledPolicy:
        products, artefacts = product_artefacts(book)
        contents = self.live.model.contents
        hashes = {name: sha256_of(content) for name, content in contents.items()}
        artefacts |= {hashes[name]: content for name, content in contents.items()}
        artefacts |= {sha256_of(content): content for content in self.settings.values()}
        if approval is not None:
            odds = canonical_json(approval.to_dict()).encode()
            artefacts[sha256_of(odds)] = odds
        return bundled(
            {
                "format": FORMAT,
                "code": self.code,
                "libraries": dict(self.libraries),
                "model": {
                    "model_id": self.live.model_id,
                    "sha256": self.live.sha256,
                    "files": {name: sha256 for name, sha256 in hashes.items() if name != MANIFEST},
                },
                "settings": {name: sha256_of(content) for name, content in self.settings.items()},
                "products": products,
                "approval_model": None if approval is None else sha256_of(odds),
            },
            artefacts,
        )


class Bundles(Memory[tuple[str, str, tuple[tuple[str, int], ...], str | None], BundledPolicy]):
    """Bundles of the last products, by the model, the rest of the source, the products and the approval odds."""


def load_policy(settings: Settings, live: LiveModel) -> PolicySource:
    """Return what the process decides by.

    Raises
    ------
    SettingError
        A file of the settings is absent, or the rules in it are not those that `live` was loaded with.
    """
    contents = {}
    for name in SETTINGS_FILES:
        try:
            contents[name] = (settings.config_dir / name).read_bytes()
        except OSError as error:
            raise SettingError(f"configuration file {name}: {error.strerror}") from None
    if settings.parsed("score.toml", score_settings.parse) != live.rules:
        raise SettingError("configuration file score.toml: it was changed while the process started")
    hashes = {name: sha256_of(content) for name, content in contents.items()}
    rest = sha256_of(canonical_json([hashes, code(), libraries()]).encode())
    return PolicySource(live, contents, code(), libraries(), rest)
