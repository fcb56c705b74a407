"""The model card: what the model is, what it learned from, how well it measured, and its limits.

Every figure is taken from `validation.json`, every fact from `manifest.json`: none is written by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.indicator import DIMENSION_LABELS
from creditlink.engine.scoring.manifest import ManifestTraining, ModelManifest
from creditlink.training.fitting.champion import SCORECARD
from creditlink.training.validation.document import (
    CaseFigures,
    ScorabilityFigures,
    ValidationDocument,
    held_against,
)
from creditlink.training.validation.measure import GRANTED, RANDOM

_SIGN = {1: "more is riskier", -1: "more is safer", 0: "free"}

_COLUMNS = (
    *("case", "firms", "bads", "AUC", "Gini", "KS", "Brier", "ECE", "mean PD", "bad rate"),
    *("expected AUC", "best", "share of best"),
)


def render_card(manifest: ModelManifest, validation: ValidationDocument) -> str:
    """Return card.md from the manifest of a model and the figures of its validation."""
    training, measured = manifest["training"], validation["cases"]
    city, judged = training["city"], validation["city"]
    elsewhere = "" if judged["seed"] == city["seed"] and judged["firms"] == city["firms"] else (
        f" The figures below are of another city: {judged['firms']} firms, seed {judged['seed']}."
    )  # fmt: skip
    lines = [
        f"# {manifest['model_id']}",
        "",
        f"**Trained on the synthetic city, not on real firms** ({city['firms']} firms, {city['months']} months to "
        f"{city['last_period']}, seed {city['seed']}, generator {city['generator_version']}). Its probabilities say "
        f"nothing about real firms until it is calibrated on real outcomes.{elsewhere}",
        "",
        f"Purposes: {', '.join(manifest['purposes'])}. Event: {manifest['target']}. Created {manifest['created_at']}.",
        "",
        "## Method",
        "",
        f"{_fitted(training)}{_apart(training)} monotone in "
        f"{sum(f['direction'] != 0 for f in manifest['features'])} of {len(manifest['features'])} indicators as the "
        "catalogue declares. Every firm is seen on each snapshot day with everything, once more with categories "
        "refused at random, and once more with single sources lacking at random or all but one, so that a partial "
        "consent and a source that is not connected are ordinary. The booster is fitted on the firms of one fold and "
        "stopped by those of another. Calibration is a strictly increasing map, straight between few bends, for each "
        "set of chief categories known (tax, social security, utility), fitted on all firms that the booster was not "
        "fitted on, with a shift where nothing is known of a category, whatever "
        "the reason, that makes its absence neutral in expectation.",
        "",
        f"Snapshots: {', '.join(training['snapshots'])}. Judged out of time on {validation['as_of']}; every "
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
    lines += [f"| {n} | {pd_12m:.4f} | {bad:.4f} |" for n, pd_12m, bad in validation["reliability"]]
    lines += _unscored(validation.get("scorability", []))
    lines += _absence(measured) + _coverage(measured, validation["interval_level"])
    lines += _segments(validation) + _stability(validation) + _checks(validation) + _rivals(validation)
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
        "- A category that was refused, one that is down and one without a record score alike: that there is no record "
        "is not held against a firm, nor for it. The profile tells them apart.",
        "- Sole traders get the same score and the stricter regime: explanation and human review.",
        "- Not for any purpose but those named above.",
        "",
    ]
    return "\n".join(lines)


def _fitted(training: ManifestTraining) -> str:
    rounds = training["rounds"]
    if training.get("method") == SCORECARD:
        return (
            "A WOE scorecard: optimal monotone bins, and a regression on their WOE in which every weight has the sign "
            f"of its bins. It is stored as {rounds} trees of one split that add up to it (scorecard.json is the "
            "table), so that the same code serves, explains and replays it. Its bins are"
        )
    return f"XGBoost, {rounds} trees of depth at most {training['parameters']['max_depth']}"


def _apart(training: ManifestTraining) -> str:
    return "" if training.get("method") == SCORECARD else ","


def _unscored(figures: Sequence[ScorabilityFigures]) -> list[str]:
    if not figures:
        return []
    rows = [
        f"| {f['case']} | {f['scored']} | {_percent(f['scored_bad_rate'])} | {f['not_scored']} "
        f"| {f['not_scored_bads']} | {_percent(f['not_scored_bad_rate'])} |"
        for f in figures
    ]
    return [
        "",
        "## Without a score",
        "",
        "Firms whose record is too short for a score on the day that judges, and how they fared.",
        "",
        "| case | scored | of them bad | not scored | bads | of them bad |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"


def _absence(measured: dict[str, CaseFigures]) -> list[str]:
    lines = [
        "",
        "## Absence",
        "",
        "Mean PD and points of firms of which nothing is known of a category, less those of the same firms with "
        "everything, on firms that the booster was not fitted on. The score does not see whether it was refused, is "
        "down, not connected, or has no record of the firm. Together it is neutral in the PD; goods lose and bads "
        "gain, for what speaks for or against them is not seen. *Implied*: what bads would gain if both PDs were "
        "exact.",
        "",
        "| absent | all | relative | goods | bads | implied | points, goods | points, bads |",
        "|---|---|---|---|---|---|---|---|",
    ]
    mean = measured[GRANTED]["mean_pd"]
    for case, m in measured.items():
        if case == RANDOM or case.startswith("without "):
            parts = [f"{m[k]:+.5f}" for k in ("shift_of_goods", "shift_of_bads", "implied_shift_of_bads")]
            parts += [f"{m[k]:+.1f}" for k in ("points_shift_of_goods", "points_shift_of_bads")]
            first = f"{case.removeprefix('without ')} | {m['shift']:+.5f} | {m['shift'] / mean:+.1%}"
            lines.append(f"| {first} | {' | '.join(parts)} |")
    return lines


def _coverage(measured: dict[str, CaseFigures], level: float | None) -> list[str]:
    if level is None:
        return ["", "## Interval", "", "The model gives none."]
    lines = [
        "",
        "## Interval",
        "",
        f"Nominal coverage {level:.0%} of a firm's true probability, out of time. By grade and segment: below.",
        "",
        "| case | coverage | mean width |",
        "|---|---|---|",
    ]
    return lines + [f"| {c} | {m['interval_coverage']:.3f} | {m['interval_width']:.4f} |" for c, m in measured.items()]


def _segments(validation: ValidationDocument) -> list[str]:
    lines = [
        "",
        "## Segments and parity",
        "",
        "All granted. z: observed less predicted bad rate, in standard errors of chance; beyond ±3 needs a reason. "
        "Hazard: the mean of the true probabilities, and how it compares with the mean PD, free of the chance of "
        "outcomes.",
        "",
        "| segment | firms | bads | AUC | mean PD | bad rate | z | hazard | hazard / PD | interval coverage |",
        "|---" * 10 + "|",
    ]
    for s in validation["segments"]:
        rates = (_or(s["auc"], ".4f"), f"{s['mean_pd']:.4f}", f"{s['bad_rate']:.4f}", f"{s['z']:+.1f}")
        figures = (*rates, f"{s['mean_hazard']:.4f}", f"{s['hazard_over_pd']:.3f}")
        cells = (s["by"] + " " + s["segment"], s["firms"], s["bads"], *figures, _or(s["interval_coverage"], ".3f"))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _stability(validation: ValidationDocument) -> list[str]:
    stability, broken = validation["stability"], validation["monotonicity"]["broken"]
    psi = ", ".join(f"{day} {value:.3f}" for day, value in stability["psi"])
    worst = ", ".join(f"{name} {course[-1]:.3f}" for name, course in stability["csi"][:5])
    return [
        "",
        "## Stability and directions",
        "",
        f"PSI of the score {held_against(stability)}: {psi}. "
        f"Largest CSI on the last day: {worst}. Below 0.10 is stable.",
        "",
        f"{validation['monotonicity']['directions']} declared directions walked on a grid of real values, "
        f"{len(broken)} broken{': ' + ', '.join(broken) if broken else ''}.",
    ]


def _checks(validation: ValidationDocument) -> list[str]:
    if not validation["cross_checks"]:
        return []
    lines = [
        "",
        "## Cross-checks",
        "",
        "Share of injected firms found, ordinary firms alarming at the rate told.",
        "",
    ]
    lines += ["| check | alarm rate | shells | manipulators |", "|---|---|---|---|"]
    return lines + [
        f"| {c['check']} | {c['alarm_rate']:.1%} | {_or(c['shell'], '.1%')} | {_or(c['manipulator'], '.1%')} |"
        for c in validation["cross_checks"]
    ]


def _rivals(validation: ValidationDocument) -> list[str]:
    ours, theirs = validation["overall"], validation["challenger"]
    lines = [
        "",
        "## Challenger",
        "",
        "A WOE scorecard, same firms and day; the true hazard is the best possible.",
    ]
    lines += ["", "| | AUC | KS | ECE | expected AUC | share of best |", "|---|---|---|---|---|---|"]
    for name, m in (("this model", ours), ("scorecard", theirs)):
        if m is None:
            lines.append(f"| {name} | not measured | | | | |")
            continue
        four = " | ".join(f"{m[k]:.4f}" for k in ("auc", "ks", "ece", "expected_auc"))
        lines.append(f"| {name} | {four} | {m['share_of_best']:.3f} |")
    return [*lines, f"| true hazard | {ours['auc_of_true_hazard']:.4f} | | | {ours['best_expected_auc']:.4f} | 1 |"]


def _or(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _cells(m: CaseFigures) -> list[str]:
    quality = (m["auc"], m["gini"], m["ks"], m["brier"], m["ece"], m["mean_pd"], m["bad_rate"])
    reach = (m["expected_auc"], m["best_expected_auc"])
    return [str(m["firms"]), str(m["bads"]), *(f"{x:.4f}" for x in (*quality, *reach)), f"{m['share_of_best']:.3f}"]
