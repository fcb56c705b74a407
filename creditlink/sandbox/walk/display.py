"""What the demo prints about a profile: grade, reasons, coverage, the explanation's sum, the best products."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from creditlink.sandbox.walk.bodies import ExplanationBody, MatchesBody, ProfileBody, RelationsBody


def yuan(fen: int) -> str:
    """Return an amount as the demo prints it: `¥500,000`, with fen only where there are some."""
    return f"¥{fen / 100:,.2f}".removesuffix(".00")


def show_profile(console: Console, profile: ProfileBody) -> None:
    """Print grade and points, what each dimension adds, reasons and strengths, and the coverage of the data."""
    if profile["state"] == "scored":
        review = "   [yellow]human review[/]" if profile["human_review"] else ""
        console.print(
            f"\n  [bold]grade {profile['grade']}[/]   {profile['points']} points   "
            f"PD in 12 months {profile['pd_12m']:.2%}   model {profile['model']['model_id']}{review}"
        )
    else:
        console.print(f"\n  [bold]not scorable[/]: {profile['not_scorable_reason']}")
    if profile["partial"]:
        console.print(f"  [yellow]partial[/]: {profile['partial']['text_en']} {profile['partial']['text_zh']}")
    for fact in profile["knock_outs"]:
        console.print(f"  [red]{fact.get('code')}[/] {fact.get('label_zh')} {fact.get('label_en')}")
    table = Table("dimension", "维度", title="What each dimension adds", title_justify="left")
    table.add_column("points", justify="right")
    for one in profile["dimensions"]:
        table.add_row(one["label_en"], one["label_zh"], f"{one['points_contribution']:+.1f}")
    console.print(table)
    for title, rows in (("Reasons", profile["reasons"]), ("Strengths", profile["strengths"])):
        for reason in rows:
            console.print(f"  [bold]{reason['code']}[/] {reason['points_contribution']:+.1f}  {reason['sentence_en']}")
            console.print(f"        {reason['sentence_zh']}")
        if not rows:
            console.print(f"  {title.lower()}: none")
    table = Table("category", "status", "rows", "months", "kept aside", title="Coverage", title_justify="left")
    rest = [category for category, row in profile["coverage"].items() if row["status"] == "not_granted"]
    for category, row in profile["coverage"].items():
        if category in rest:
            continue
        table.add_row(category, *(str(row.get(k, "")) for k in ("status", "rows", "months", "rejected")))
    console.print(table)
    for way in profile["relations"]["ways_to_revoked"]:
        console.print(f"  [red]way[/] {way['text_en']}")
        console.print(f"      {way['text_zh']}")
    if rest:
        console.print(f"  not_granted, and so not looked at: {', '.join(rest)}")


def group_in_words(body: RelationsBody) -> str:
    """Return the group, and in what circles of guarantees the firm is."""
    group = " · ".join(firm["name"] for firm in body["group"])
    circles = body["guarantees"]["circles"] if body["guarantees"] else []
    rings = ", ".join(f"a circle of {size} firms" for size in circles)
    return f"its group: {group}; guarantees: {rings or 'no circle'}"


def explanation_in_words(body: ExplanationBody) -> str:
    """Return how the contributions add up to the margin and the points."""
    points = body["points_base"] + sum(row["points_contribution"] for row in body["indicators"])
    return (
        f"{len(body['indicators'])} exact contributions: base {body['base_value']:+.4f} + Σ = margin"
        f" {body['margin']:+.4f};"
        f" in points {points:.2f} {body['points_calibration']:+.2f} (calibration) = {body['points_exact']:.2f}"
    )


def show_products(console: Console, matches: MatchesBody) -> None:
    """Print the best products and the nearest misses."""
    table = Table(title="Best products", title_justify="left")
    for name in ("product", "institution", "rate", "limit", "rules"):
        table.add_column(name, justify="right" if name in ("rate", "limit") else "left")
    for row in [p for p in matches["products"] if p["state"] == "eligible"][:5]:
        offer = row["offer"]
        limit_fen = offer.get("limit_fen")
        passed = sum(rule["outcome"] == "pass" for rule in row["rules"])
        table.add_row(
            f"{row['name_zh']} {row['name_en']}", row["institution"], f"{offer['rate_bps'] / 100:.2f} %",
            yuan(limit_fen) if limit_fen else "–",
            f"{passed}/{len(row['rules'])} pass",
        )  # fmt: skip
    console.print(table)
    for miss in matches["near_misses"][:3]:
        console.print(f"  near miss: {miss['name_en']}: {miss['unlock_en']}")
