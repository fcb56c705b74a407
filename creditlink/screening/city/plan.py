"""Everything that a screening's result depends on besides the records, and its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from creditlink import __version__
from creditlink.engine.facts.relief_policies import ReliefPolicy
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import ProductBook, compile_book
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.matching.settings import MatchingSettings
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.settings import ScoreSettings
from creditlink.kit.processes import runtime
from creditlink.kit.processes.runtime import Memory
from creditlink.profiles.serving.live import live_model

BEST = 5
"""Products stored for each firm."""


@dataclass(frozen=True, eq=False)
class ScreeningPlan:
    """One screening, the same in every process that takes part."""

    city: str
    out: str
    as_of: date
    model: Path
    model_sha256: str
    rules: ScoreSettings
    products: tuple[ProductTerms, ...]
    matching: MatchingSettings
    stated: Mapping[str, str]  # file -> sha256 that the city's manifest states
    discoverable: frozenset[str] | None = None  # USCCs of firms that may be counted for banks; None: no firm
    relief: tuple[ReliefPolicy, ...] = ()  # policies in force on the day

    @cached_property
    def key(self) -> str:
        """Identify what results depend on: the same key and the same records give the same results."""
        parts = {
            "code": __version__,
            "as_of": self.as_of.isoformat(),
            "model": self.model_sha256,
            "rules": asdict(self.rules),
            "products": [terms.to_dict() for terms in self.products],
            "matching": asdict(self.matching),
            "discoverable": sorted(self.discoverable or ()),
            "relief": [policy.to_dict() for policy in self.relief],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()

    def __getstate__(self) -> dict[str, object]:
        """Leave the key behind: a machine of a cluster may have other code, and then has another key."""
        return {name: value for name, value in self.__dict__.items() if name != "key"}


@dataclass(frozen=True, eq=False)
class Tools:
    """A plan's model and products, loaded."""

    live: LiveModel
    book: ProductBook


class PlannedBooks(Memory[str, ProductBook]):
    """The products of the plan that this process works on, by its key."""

    most = 1


class PlannedModels(Memory[tuple[str, str], LiveModel]):
    """The model of the plan that this process works on, by its folder and rules."""

    most = 1


def tools(plan: ScreeningPlan) -> Tools:
    """Return the plan's model and products, loaded once per process.

    Raises
    ------
    SettingError
        The model folder is absent or damaged.
    ValueError
        It is another model than the plan's: a machine of the cluster has other files.
    """
    live = _live(plan)
    if live.sha256 != plan.model_sha256:
        raise ValueError(f"model {plan.model.name}: sha256 here is {live.sha256}, the plan says {plan.model_sha256}")
    books = runtime.process().get_or_make(PlannedBooks, PlannedBooks)
    return Tools(live, books.get(plan.key, lambda: compile_book(plan.products, BY_NAME, plan.matching, on=plan.as_of)))


def keep_model(plan: ScreeningPlan, live: LiveModel) -> None:
    """Keep the loaded model of a plan for this process, which else would load it again."""
    _planned(plan, lambda: live)


def _live(plan: ScreeningPlan) -> LiveModel:
    return _planned(plan, lambda: live_model(plan.model, plan.rules))


def _planned(plan: ScreeningPlan, make: Callable[[], LiveModel]) -> LiveModel:
    models = runtime.process().get_or_make(PlannedModels, PlannedModels)
    return models.get((str(plan.model), repr(plan.rules)), make)
