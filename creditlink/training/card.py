"""The model card: what the model is, what it learned from, how good it measured, and its limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from creditlink.features.catalogue import BY_NAME
from creditlink.features.indicator import DIMENSION_LABELS

_SIGN = {1: "more is riskier", -1: "more is safer", 0: "free"}

_COLUMNS = (
    *("case", "firms", "bads", "AUC", "Gini", "KS", "Brier", "ECE", "mean PD", "bad rate"),
    *("expected AUC", "best", "share of best"),
)


def render_card(manifest: dict[str, Any], measured: dict[str, Any]) -> str:
    """Return card.md from the same figures that the manifest keeps."""
    training, whole = manifest["training"], measured["all granted"]
    city = training["city"]
    lines = [
        f"# {manifest['model_id']}",
        "",
        f"**Trained on the synthetic city, not on real firms** ({city['firms']} firms, {city['months']} months to "
        f"{city['last_period']}, seed {city['seed']}, generator {city['generator_version']}). Its probabilities say "
        "nothing about real firms until it is calibrated on real outcomes.",
        "",
        f"Purpose: {manifest['purpose']}. Event: {manifest['target']}. Created {manifest['created_at']}.",
        "",
        "## Method",
        "",
        f"XGBoost, {training['rounds']} trees of depth at most {training['parameters']['max_depth']}, monotone in "
        f"{sum(f['direction'] != 0 for f in manifest['features'])} of {len(manifest['features'])} indicators as the "
        "catalogue declares. Every firm is seen on each snapshot day with all categories granted and once more with "
        "categories withheld at random, so that a partial consent is ordinary. A firm is in one fold only: fit, early "
        "stopping or calibration. Calibration is a logistic map fitted on firms that the booster has not seen.",
        "",
        f"Snapshots: {', '.join(training['snapshots'])}. Judged out of time on {training['test_snapshot']}; every "
        "training outcome was known by that day. "
        f"Rows: {', '.join(f'{name} {count}' for name, count in training['rows'].items())}; "
        f"base rate {manifest['base_rate']:.2%}; seed {training['seed']}.",
        "",
        "## Measured out of time",
        "",
        "The city gives every firm's true hazard. *Expected AUC* is the AUC to be expected when firms go bad with "
        "that hazard; the best any model could reach is the hazard itself. *Share of best* is measured from 0.5.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|---" * len(_COLUMNS) + "|",
    ]
    lines += ["| " + " | ".join([case, *_cells(figures)]) + " |" for case, figures in measured.items()]
    lines += [
        "",
        "Reliability, all granted, ten groups of equal size:",
        "",
        "| firms | mean PD | observed |",
        "|---|---|---|",
    ]
    lines += [f"| {n} | {pd_12m:.4f} | {bad:.4f} |" for n, pd_12m, bad in whole["reliability"]]
    lines += ["", "## Indicators", ""]
    counts = Counter(BY_NAME[f["name"]].dimension for f in manifest["features"])
    lines += [f"- {DIMENSION_LABELS[d][1]}: {n}" for d, n in counts.items()]
    lines += ["", "| indicator | version | direction |", "|---|---|---|"]
    lines += [f"| {f['name']} | {f['version']} | {_SIGN[f['direction']]} |" for f in manifest["features"]]
    lines += [
        "",
        "## Limits",
        "",
        "- A synthetic economy: its relations between records and default were chosen, not observed.",
        "- A category that was refused and one without records look alike to the model; the profile tells them apart.",
        "- Sole traders get the same score and the stricter regime: explanation and human review.",
        "- Not for any purpose but the one named above.",
        "",
    ]
    return "\n".join(lines)


def _cells(m: dict[str, Any]) -> list[str]:
    four = ("auc", "gini", "ks", "brier", "ece", "mean_pd", "bad_rate", "expected_auc", "best_expected_auc")
    return [str(m["firms"]), str(m["bads"]), *(f"{m[k]:.4f}" for k in four), f"{m['share_of_best']:.3f}"]
