"""Replay of archived decisions: a thousand over two models, from sealed records, without facts and without a database.

python benchmarks/replay.py [--decisions N] [--json]
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import polars as pl

from creditlink.decisions import archive, record
from creditlink.decisions.policy.bundle import BundledPolicy
from creditlink.decisions.policy.loading import load
from creditlink.decisions.policy.source import load_policy
from creditlink.decisions.replay import replay_many
from creditlink.decisions.tables import DecisionRow
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.profile import content
from creditlink.engine.profile.basis import decide
from creditlink.engine.profile.live_model import LiveModel, live_from
from creditlink.engine.profile.snapshot import registration_json
from creditlink.engine.scoring.model import assemble, sha256_of
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.files.seed import load_seed
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city

SECRET = "benchmark-" + "k" * 40
AS_OF = date(2026, 11, 20)


def another(live: LiveModel) -> LiveModel:
    """Return the same trees, calibrated otherwise: a second model with a name of its own."""
    contents = dict(live.model.contents)
    calibration = json.loads(contents["calibration.json"])
    calibration["by_known"]["maps"] = [[a, b + 0.4, *bends] for a, b, *bends in calibration["by_known"]["maps"]]
    contents["calibration.json"] = json.dumps(calibration).encode()
    manifest = json.loads(contents["manifest.json"]) | {"model_id": "another"}
    manifest["files"]["calibration.json"] = sha256_of(contents["calibration.json"])
    contents["manifest.json"] = json.dumps(manifest).encode()
    return live_from(assemble("another", contents, live.rules.scale), live.rules)


def decided(records, firm, live, book, bundle):
    """Return the sealed row of one firm's decision, and the seconds that record and seal took."""
    one = {name: records.frame(name).filter(pl.col("firm") == firm) for name in FRAME_SCHEMAS}
    asked = {
        "categories": ["electricity", "social_security", "tax"], "since": "2023-11-01", "amount_fen": 100_000_000,
        "term_months": 12, "missing": {}, "products": [(p.code, p.version) for p in book.products],
        "approval_model": None,
    }  # fmt: skip
    made, basis = decide(RecordSet(**one), AS_OF, asked, live=live, book=book)
    row = {
        "id": uuid4(), "consent_id": uuid4(), "enterprise_id": uuid4(), "institution_id": uuid4(), "client_id": "bank",
        "as_of": AS_OF, "created_at": datetime(2026, 11, 20, tzinfo=UTC), "model_id": live.model_id,
        "model_sha256": live.sha256, "code_version": "benchmark", "asked": asked, "fact_ids": list(range(300)),
        "registration": registration_json(one["registration"]), "inputs_sha256": "0" * 64, "coverage": {},
        "bundle_sha256": bundle, "content_version": content.VERSION, **vars(made),
    }  # fmt: skip
    row["content_sha256"] = content.content_sha256(row)
    began = time.perf_counter()
    payload = record.record_of(row, basis, purpose="underwriting").payload
    sealed = archive.seal(payload, SECRET)
    took = time.perf_counter() - began
    return DecisionRow(id=row["id"], payload=sealed, payload_sha256=sha256_of(payload)), took, len(payload)


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": SECRET})
    first = load_live(settings)
    _, products = load_seed(ROOT / "config" / "products.toml")
    book = compile_book(products, BY_NAME, matching_settings(ROOT / "config"))
    source = load_policy(settings, first)
    policies: dict[str, BundledPolicy] = {}
    rows, seals, sizes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        write_city(Path(folder) / "city", firms=options.decisions, months=40, seed=5, until=date(2026, 10, 1))
        frames = {n: pl.read_parquet(Path(folder) / "city" / n / "*.parquet") for n in FRAME_SCHEMAS}
        records = RecordSet.of(**frames)
        for place, live in enumerate((first, another(first))):
            bundle = replace(source, live=live).bundle(book, None)
            policies[bundle.sha256] = bundle
            for firm in range(place, options.decisions, 2):
                row, took, size = decided(records, firm, live, book, bundle.sha256)
                rows.append(row)
                seals.append(took)
                sizes.append(size)
    began = time.perf_counter()
    loaded = {sha256: load(policy) for sha256, policy in policies.items()}
    opened = [archive.open_sealed(row, SECRET) for row in rows]
    unsealed = time.perf_counter() - began
    found = replay_many(opened, loaded.__getitem__)
    seconds = time.perf_counter() - began
    results = {
        "decisions": len(found),
        "models": len(policies),
        "same": sum(one.same for one in found),
        "seconds": round(seconds, 2),
        "of_it_loading_and_unsealing": round(unsealed, 2),
        "record_and_seal_ms_median": round(sorted(seals)[len(seals) // 2] * 1e3, 2),
        "payload_bytes_median": sorted(sizes)[len(sizes) // 2],
        "sealed_bytes_median": sorted(len(row.payload) for row in rows)[len(rows) // 2],
    }
    print(json.dumps(results) if options.json else "\n".join(f"{k:32} {v}" for k, v in results.items()))


if __name__ == "__main__":
    main()
