"""Card and data sheet of a model of outcomes: figures from `outcomes.json`, facts from `manifest.json`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from creditlink.engine.scoring.manifest import ManifestOutcomes, ModelManifest
from creditlink.financing.loans.labels import GAPS, LABELS
from creditlink.training.outcomes.applicants import SYNTHETIC_INDICATORS
from creditlink.training.outcomes.validation import Interval, OutcomeValidation


def render_outcome_card(manifest: ModelManifest, figures: OutcomeValidation) -> str:
    """Return card.md of a model that learned from outcomes alone."""
    told, training = manifest["outcomes"], manifest["training"]
    lines = [
        f"# {manifest['model_id']}",
        "",
        f"**Learned from outcomes of real loans alone**: {figures['rows']} loans of {figures['firms']} firms, "
        f"{figures['bads']} bad{_window(told)}. No synthetic outcome and no true hazard is in it; what its records and "
        "labels are is told in `datasheet.md`.",
        "",
        f"Purposes: {', '.join(manifest['purposes'])}. Event: {manifest['target']}. Created {manifest['created_at']}.",
        "",
        "## Method",
        "",
        f"XGBoost, {training['rounds']} trees, monotone in {sum(f['direction'] != 0 for f in manifest['features'])} of "
        f"{len(manifest['features'])} indicators. Rounds and calibration come from five boosters, each judged on a "
        "fifth of the firms that it did not see. Each loan is seen again with categories refused at random; absence "
        f"is neutral in the mean. Not read: {', '.join(SYNTHETIC_INDICATORS)}, whose table is the city's. The scales "
        f"of the cross-checks (medians per industry) are those of {told['reference_of']}; they hold no outcome.",
        "",
        "## Measured on firms not fitted to",
        "",
        f"| figure | value | {figures['level']:.0%} interval |",
        "|---|---|---|",
        f"| AUC | {_value(figures['auc'])} | {_ends(figures['auc'])} |",
        f"| bad rate | {_value(figures['bad_rate'])} | {_ends(figures['bad_rate'])} |",
        f"| mean PD | {figures['mean_pd']:.4f} | |",
        f"| KS | {figures['ks']:.4f} | |",
        f"| Brier | {figures['brier']:.4f} | one rate for all: {figures['brier_of_the_rate']:.4f} |",
        f"| ECE | {figures['ece']:.4f} | |",
        f"| slope of calibration | {figures['calibration_slope']:.3f} | level {figures['calibration_level']:+.3f} |",
        "",
        "## What outcomes say about the level",
        "",
        "Tenths by PD. *Venn–Abers*: the PD if the firm is taken to be good, and if it is taken to be bad, from the "
        f"other firms; the mean distance is {figures['venn_abers_width']:.4f}. It is no interval of a firm's own "
        "probability, which outcomes of 0 and 1 do not show: profiles of this model state none.",
        "",
        "| loans | mean PD | bad rate | its interval | Venn–Abers |",
        "|---|---|---|---|---|",
        *(
            f"| {one['rows']} | {one['mean_pd']:.4f} | {_value(one['bad_rate'])} | {_ends(one['bad_rate'])} "
            f"| {one['venn_abers_low']:.4f} to {one['venn_abers_high']:.4f} |"
            for one in figures["tenths"]
        ),
        "",
        "## Segments",
        "",
        "| segment | loans | bads | AUC | mean PD | bad rate | z |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {one['by']} {one['segment']} | {one['rows']} | {one['bads']} | {_or(one['auc'])} "
            f"| {one['mean_pd']:.4f} | {one['bad_rate']:.4f} | {one['z']:+.1f} |"
            for one in figures["segments"]
        ),
        "",
        "## By quarter of application",
        "",
        "| quarter | loans | bads | AUC | mean PD | bad rate |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one['quarter']} | {one['rows']} | {one['bads']} | {_or(one['auc'])} | {one['mean_pd']:.4f} "
            f"| {one['bad_rate']:.4f} |"
            for one in figures["quarters"]
        ),
        "",
        "## Limits",
        "",
        "- It learned from firms that a lender approved. What it says of firms that would have been declined is an "
        "extrapolation: see `creditlink train selection`.",
        "- Outcomes are a year old when they are known; the economy may have moved since.",
        "- Not for any purpose but those named above.",
        "",
    ]
    return "\n".join(lines)


def render_datasheet(manifest: ModelManifest, figures: OutcomeValidation) -> str:
    """Return datasheet.md: where the rows come from, what they are labelled by, and who is missing.

    Source: Gebru et al. (2021), Datasheets for datasets.
    """
    told = manifest["outcomes"]
    lines = [
        f"# Data sheet of {manifest['model_id']}",
        "",
        "## What a row is",
        "",
        "A loan: the indicators in the sealed record of the decision, as they were known on its day, and what became "
        "of the loan. No name, code or address of a firm is in it.",
        "",
        f"- Source: {told['source']}, sha256 {told['sha256']}.",
        f"- {figures['rows']} rows of {figures['firms']} firms{_window(told)}.",
        "",
        "## The label",
        "",
        f"- bad: {LABELS['bad']}. Good: {LABELS['good']}.",
        f"- Horizon: {told['horizon_months']} months after the day of the indicators.",
        f"- Lag: {_cut(told)}a loan is a row once its horizon is over, the bad ones too; what was reported or "
        "corrected later does not count.",
        "",
        "## Who is missing",
        "",
        "Answered applications by what they count as; only good and bad ones teach.",
        "",
        "| outcome | applications | what it is |",
        "|---|---|---|",
        *(f"| {name} | {count} | {_meaning(name)} |" for name, count in figures["counts"].items()),
        "",
        "Firms that were declined, took no loan or did not ask are not seen at all, and those that withdrew their "
        "consent or asked for deletion no longer.",
        "",
        "## Use and end",
        "",
        "- Opening a record for this is in its firm's log, with who and why (`model_training`).",
        "- A table that was written for it holds firms' numbers: delete it when the model is trained. The model stays "
        "replayable without it.",
        "- A record ends five years after its decision; a model that learned from it stays, a new one goes without it.",
        "",
    ]
    return "\n".join(lines)


def _window(told: ManifestOutcomes) -> str:
    return "" if told["since"] is None else f", {told['since']} to {told['until']}"


def _cut(told: ManifestOutcomes) -> str:
    return "" if told["cut"] is None else f"known by {told['cut']}; "


def _meaning(name: str) -> str:
    meanings: Mapping[str, str] = {**LABELS, **GAPS}
    return meanings.get(name, "as the file names it")


def _value(one: Interval) -> str:
    return f"{one['value']:.4f}"


def _ends(one: Interval) -> str:
    return f"{one['low']:.4f} to {one['high']:.4f}"


def _or(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
