"""The card of a recalibrated model: what it was fitted to and how near it came, then the card of its parent."""

from __future__ import annotations

from creditlink.engine.scoring.manifest import ModelManifest
from creditlink.training.recalibration.adjustment import AdjustmentFigures


def render_recalibration(
    manifest: ModelManifest, before: AdjustmentFigures, after: AdjustmentFigures, parents_card: str
) -> str:
    """Return card.md of a model that was recalibrated."""
    told = manifest["recalibration"]
    firms = "" if told["firms"] is None else f" of {told['firms']} firms"
    window = "" if told["since"] is None else f", {told['since']} to {told['until']}"
    lines = [
        f"# {manifest['model_id']}",
        "",
        f"**The trees of {told['parent']}, byte for byte, with the level of real outcomes**: {told['rows']} rows{firms}"
        f"{window}, of which {told['bads']} went bad (`{told['source']}`, sha256 {told['outcomes_sha256']}).",
        "",
        f"Created {manifest['created_at']}. Manifest of the parent: sha256 {told['parent_manifest_sha256']}.",
        "",
        "## Recalibration",
        "",
        f"Log-odds of the parent, shifts of absence included, times {told['slope']:g} and {told['level']:+.4f} "
        f"(standard error {told['level_error']:.4f}). The interval keeps its shape about the new PD and is wider by "
        "that error. A slope other than 1 is fitted only where a likelihood-ratio test asks for it at 1 %. "
        "*After* is measured on rows that the level was not fitted to, a fifth of the firms at a time.",
        "",
        "| | mean PD | bad rate | ECE | log loss | AUC | z |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, figures) for name, figures in (("before", before), ("after", after))),
        "",
        "Grades after:",
        "",
        "| grade | rows | mean PD | bad rate |",
        "|---|---|---|---|",
        *(f"| {grade} | {rows} | {pd_12m:.4f} | {bad:.4f} |" for grade, rows, pd_12m, bad in after["by_grade"]),
        "",
        "Outcomes are of firms that got a loan. Of those that lenders declined nothing is known, and for them the "
        "level is an extrapolation. The ranking is the parent's: a recalibration changes no order.",
        "",
    ]
    if parents_card:
        lines += ["## The parent's card", "", "Its probabilities are those before the recalibration.", ""]
        lines += [f"##{line}" if line.startswith("#") else line for line in parents_card.splitlines()]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, figures: AdjustmentFigures) -> str:
    rates = " | ".join(f"{figures[k]:.4f}" for k in ("mean_pd", "bad_rate", "ece", "log_loss", "auc"))
    return f"| {name} | {rates} | {figures['z']:+.1f} |"
