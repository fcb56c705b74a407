"""Profiles with their archived decisions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from creditlink.decisions.archive import Archive
from creditlink.decisions.looks.readers import Reader
from creditlink.engine.profile.live_model import LiveModel, live_from
from creditlink.engine.scoring.model import assemble, sha256_of
from creditlink.kit.processes import runtime
from tests.oauth.conftest import approve, make_bank
from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = [
    "approve", "authorized", "bank", "city", "created", "delivered", "firm", "http", "make_bank", "products",
    "rich_firm",
]  # fmt: skip

READER = Reader("staff:wang", "risk", "replay")


@pytest.fixture
def kept(app) -> Archive:
    return runtime.of_app(app).of(Archive)


@pytest.fixture
def another_model(app, kept):
    """Put another model in use: the same trees, calibrated otherwise."""

    def change():
        live = runtime.of_app(app).of(LiveModel)
        contents = dict(live.model.contents)
        calibration = json.loads(contents["calibration.json"])
        calibration["by_known"]["maps"] = [[a, b + 0.4, *bends] for a, b, *bends in calibration["by_known"]["maps"]]
        contents["calibration.json"] = json.dumps(calibration).encode()
        manifest = json.loads(contents["manifest.json"]) | {"model_id": "another"}
        manifest["files"]["calibration.json"] = sha256_of(contents["calibration.json"])
        contents["manifest.json"] = json.dumps(manifest).encode()
        other = live_from(assemble("another", contents, live.rules.scale), live.rules)
        runtime.of_app(app).put(other)
        runtime.of_app(app).put(replace(kept, policy=replace(kept.policy, live=other)))

    return change
