"""`make protection`: docs/protection.md from config/protection.toml, control by control."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "config" / "protection.toml"
PAGE = ROOT / "docs" / "protection.md"
STATES = {"done": "已实现 · done", "partly": "部分实现 · partly", "operator": "由运营方落实 · the operator's"}


def controls() -> list[dict]:
    """Return the controls in the order of the standard."""
    return tomllib.loads(SOURCE.read_text())["control"]


def page() -> str:
    """Return the whole page."""
    listed = controls()
    numbers = {state: sum(one["state"] == state for one in listed) for state in STATES}
    counts = ", ".join(f"{STATES[state].split(' · ')[1]} {number}" for state, number in numbers.items())
    lines = [
        "# 等级保护三级对照表 · Protection matrix, level 3",
        "",
        "Made from `config/protection.toml` by `make protection`; do not edit. GB/T 22239-2019, chapter 8.1, level 3:",
        "each control, what implements it, and the tests that show it. Tests are below `tests/` and run in `make test`",
        "(those of `tests/gameday/` in `make gameday`). What is the operator's is nothing that software could do.",
        "",
        f"Controls: {len(listed)} ({counts}).",
        "",
        "| 条款 | 控制点 · control | 状态 · state | 实现 · by | 测试 · tests |",
        "|---|---|---|---|---|",
    ]
    for one in listed:
        by = "<br>".join(f"`{file}`" for file in one.get("by", ()))
        tests = "<br>".join(f"`{test}`" for test in one.get("tests", ()))
        note = f"<br>{one['note_zh']} {one['note_en']}" if "note_zh" in one else ""
        lines.append(f"| {one['no']} | {one['zh']} · {one['en']} | {STATES[one['state']]}{note} | {by} | {tests} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")
