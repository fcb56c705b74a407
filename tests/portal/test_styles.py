"""Colours of the pages: whatever holds text stands out from what is behind it, on light and on dark screens."""

from __future__ import annotations

import re

import pytest

from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure
SHEET = (ROOT / "creditlink" / "portal" / "static" / "portal.css").read_text()
TEXTS = [
    *((ink, ground) for ink in ("ink", "muted", "brand") for ground in ("paper", "ground", "raised")),
    *((tone, ground) for tone in ("ok", "bad", "warn") for ground in ("paper", f"{tone}-soft")),
    *(("bad", "bad-soft"), ("on-fill", "fill"), ("on-fill", "fill-hover"), ("on-soft", "soft"), ("brand", "soft")),
    *(("idle", "idle-soft"), ("ink", "soft")),
]
SHAPES = [(one, "track") for one in ("ok", "bad", "brand")] + [
    ("field", "paper"),
    ("focus", "paper"),
    ("focus", "ground"),
]


def colours(scheme):
    light, dark = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found if scheme == "light" else found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Source: WCAG 2.2, contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXTS, 4.5), (SHAPES, 3)], ids=["texts", "shapes"])
def test_colours_stand_out(scheme, pairs, least):
    known = colours(scheme)
    found = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < least} == {}


def test_every_colour_has_a_name_and_a_dark_value():
    assert colours("light").keys() == dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", SHEET.split(":root {")[2])).keys()
    after = SHEET.split(":root {")[2].partition("}")[2]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", after) == []
    used = set(re.findall(r"var\(--([\w-]+)\)", SHEET))
    assert used <= colours("light").keys() | {"radius", "round"}
