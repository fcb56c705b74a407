"""The validation as a page: self-contained, drawn from the same figures as its JSON."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from creditlink.training.validation.document import SegmentFigures, ValidationDocument, held_against

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE = """body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;
  color:#1d2733}
h1{font-size:1.6rem;margin-bottom:.2rem}
h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:2px solid #0b6e6e;padding-bottom:.2rem}
h2 small{color:#5b6b7b;font-weight:normal;margin-left:.5rem}
table{border-collapse:collapse;width:100%;font-size:.88rem}
td,th{padding:.3rem .6rem;border-bottom:1px solid #e3e8ee;text-align:right}
td:first-child,th:first-child{text-align:left}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:.8rem;margin:1rem 0}
.tile{background:#f2f7f7;border-radius:8px;padding:.7rem .9rem}
.tile b{display:block;font-size:1.35rem}
.tile span{color:#5b6b7b;font-size:.8rem}
figure{margin:1rem 0}
figure svg{max-width:100%;height:auto}
.warn{color:#a8320a}
p.note{color:#5b6b7b}"""


LINES = 6
"""Segments drawn of one way of cutting the firms: the largest."""


def render_page(figures: ValidationDocument) -> str:
    """Return the HTML of a validation; headings in Chinese and English.

    Source of the contents: SR 11-7 (2011), validation of models; BCBS working paper 14 (2005).
    """
    o, city = figures["overall"], figures["city"]
    tiles = [("AUC", f"{o['auc']:.4f}"), ("Gini", f"{o['gini']:.4f}"), ("KS", f"{o['ks']:.3f}"),
             ("Brier", f"{o['brier']:.4f}"), ("ECE", f"{o['ece']:.4f}"),
             ("可达上限占比 share of best", f"{o['share_of_best']:.1%}"),
             ("区间覆盖率 interval coverage", _p(o["interval_coverage"]))]  # fmt: skip
    parts = [
        f"<h1>{escape(figures['model_id'])} 模型验证 <small>Model validation</small></h1>",
        f"<p class=note>合成城市 synthetic city: {city['firms']} firms, {city['months']} months, seed {city['seed']}. "
        f"跨期检验日 judged out of time on {figures['as_of']}: {o['firms']} firms, {o['bads']} bads.</p>",
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{v}</b><span>{k}</span></div>' for k, v in tiles)
        + "</div>",
        _h2("校准", "Reliability"),
        _reliability(figures["reliability"]),
        _h2("增益", "Gains"),
        _gains(figures["gains"]),
        _h2("部分授权与单一来源", "Partial consent, single sources"),
        "<p class=note>shift: mean PD less that of the same firms with everything granted; neutral is 0.</p>",
        _table(
            ["", "AUC", "KS", "ECE", "expected AUC", "share of best", "shift", "interval coverage"],
            [
                [
                    case,
                    _n(m["auc"]),
                    _n(m["ks"]),
                    _n(m["ece"]),
                    _n(m["expected_auc"]),
                    _p(m["share_of_best"]),
                    f"{m['shift']:+.5f}",
                    _p(m["interval_coverage"]),
                ]
                for case, m in figures["cases"].items()
            ],
        ),
        _h2("分群表现与公平", "Segments and parity"),
        "<p class=note>z: observed minus predicted, in standard errors of chance; beyond ±3 is marked. Coverage "
        f"is marked when more than two points from {_p(figures['interval_level'])}.</p>",
        _table(
            ["", "firms", "bads", "AUC", "mean PD", "bad rate", "z", "interval coverage"],
            [
                [
                    f"{s['by']}: {s['segment']}",
                    s["firms"],
                    s["bads"],
                    _n(s["auc"]),
                    _p(s["mean_pd"]),
                    _p(s["bad_rate"]),
                    _mark(f"{s['z']:+.1f}", abs(s["z"]) > 3),
                    _mark(_p(s["interval_coverage"]), _off(s["interval_coverage"], figures["interval_level"])),
                ]
                for s in figures["segments"]
            ],
        ),
        _h2("分群校准", "Reliability by segment"),
        _reliability_by_segment(figures["segments"]),
        _h2("稳定性", "Stability: PSI and CSI"),
        f"<p class=note>{held_against(figures['stability'])}; below 0.10 stable, above 0.25 shifted</p>",
        _table(["day", "PSI"], [[d, _mark(f"{v:.4f}", v > 0.1)] for d, v in figures["stability"]["psi"]]),
        _table(
            ["CSI", *(day for day, _ in figures["stability"]["psi"])],
            [[n, *(_mark(f"{v:.4f}", v > 0.1) for v in course)] for n, course in figures["stability"]["csi"]],
        ),
        _h2("敏感性", "Sensitivity: half a spread more"),
        _table(
            ["indicator", "mean change of log-odds", "mean size"],
            [[s["indicator"], f"{s['mean']:+.4f}", f"{s['mean_abs']:.4f}"] for s in figures["sensitivity"]],
        ),
        _h2("单调性", "Monotonicity on a grid"),
        f"<p>{figures['monotonicity']['directions']} directions walked, "
        + _mark(f"{len(figures['monotonicity']['broken'])} broken", bool(figures["monotonicity"]["broken"]))
        + f" {escape(', '.join(figures['monotonicity']['broken']))}</p>",
        _h2("交叉核验", "Cross-checks: injected firms found"),
        _table(
            ["check", "alarm rate", "shells found", "manipulators found"],
            [[c["check"], _p(c["alarm_rate"]), _p(c["shell"]), _p(c["manipulator"])] for c in figures["cross_checks"]],
        ),
        _h2("挑战者", "Challenger: WOE scorecard; best possible"),
        _rivals(figures),
    ]
    body = "\n".join(parts)
    title = escape(f"{figures['model_id']}: validation")
    return (
        f'<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _rivals(figures: ValidationDocument) -> str:
    o, c = figures["overall"], figures["challenger"]
    rows = [["model", _n(o["auc"]), _n(o["ks"]), _n(o["ece"]), _n(o["expected_auc"])]]
    if c is not None:
        rows.append(["scorecard", _n(c["auc"]), _n(c["ks"]), _n(c["ece"]), _n(c["expected_auc"])])
    rows.append(["true hazard", "", "", "", _n(o["best_expected_auc"])])
    return _table(["", "AUC", "KS", "ECE", "expected AUC"], rows)


def _h2(zh: str, en: str) -> str:
    return f"<h2>{zh}<small>{en}</small></h2>"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(
        "<tr>" + "".join(f"<td>{c if str(c).startswith('<span') else escape(str(c))}</td>" for c in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>{cells}</table>"


def _mark(text: str, wrong: bool) -> str:
    return f'<span class="warn">{escape(text)}</span>' if wrong else text


def _n(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _reliability(rows: Sequence[Sequence[float]]) -> str:
    figure, axes = _axes()
    axes.plot([r[1] for r in rows], [r[2] for r in rows], "o-", color="#0b6e6e")
    top = max(max(r[1], r[2]) for r in rows) * 1.05
    axes.plot([0, top], [0, top], "--", color="#9aa7b4", linewidth=1)
    axes.set(xlabel="mean PD", ylabel="observed bad rate")
    return _svg(figure)


def _reliability_by_segment(rows: Sequence[SegmentFigures]) -> str:
    from matplotlib.figure import Figure

    ways = list(dict.fromkeys(s["by"] for s in rows if s["by"] != "grade"))
    figure = Figure(figsize=(10, 2.9 * -(-len(ways) // 3)), layout="constrained")
    for place, by in enumerate(ways, 1):
        axes = figure.add_subplot(-(-len(ways) // 3), 3, place)
        for s in sorted((s for s in rows if s["by"] == by), key=lambda s: -s["firms"])[:LINES]:
            axes.plot(
                [g[1] for g in s["reliability"]], [g[2] for g in s["reliability"]], "o-", ms=3, label=s["segment"]
            )
        top = max(max(g[1], g[2]) for s in rows if s["by"] == by for g in s["reliability"]) * 1.05
        axes.plot([0, top], [0, top], "--", color="#9aa7b4", linewidth=1)
        axes.set_title(by, fontsize=10)
        axes.legend(fontsize=7, frameon=False)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def _off(coverage: float | None, level: float | None) -> bool:
    return coverage is not None and level is not None and abs(coverage - level) > 0.02


def _gains(rows: Sequence[Sequence[float]]) -> str:
    figure, axes = _axes()
    axes.plot([0, *(r[0] for r in rows)], [0, *(r[1] for r in rows)], color="#0b6e6e")
    axes.plot([0, 1], [0, 1], "--", color="#9aa7b4", linewidth=1)
    axes.set(xlabel="share of firms, riskiest first", ylabel="share of bads found")
    return _svg(figure)


def _axes() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e8ee")
    return figure, axes


def _svg(figure: Figure) -> str:
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "creditlink"}):  # the same figures give the same bytes
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return f"<figure>{text[text.index('<svg') :]}</figure>"
