"""A picture of every page, in both languages, on a desktop and on a phone; some dark. `make screenshots` calls it.

    python benchmarks/_screenshots.py [--out var/screenshots] [--only NAME,NAME]

Pages are those of `_visits.PLACES`; one that cannot be reached stops it. `index.html` in the folder shows them all.
"""

import argparse
import shutil
from html import escape
from pathlib import Path

from _visits import PLACES, NotReached, demo
from playwright.sync_api import sync_playwright

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
DARK = {
    "sign-in",
    "home",
    "profile",
    "own-records",
    "dispute",
    "financing",
    "decisions",
    "decision-opened",
    "models",
    "reference",
    "operator-sources",
    "staff-disputes",
}
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


def take(visits, browser, folder, only):
    """Write the pictures; return their names by page."""
    taken = {}
    for place in PLACES:
        address = visits.address(place)
        if only and place.file not in only.split(","):
            continue
        for size, (width, height) in SIZES.items():
            for language in ("zh", "en"):
                for scheme in ("light", "dark") if place.file in DARK and language == "zh" else ("light",):
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme, base_url=visits.issuer,
                        locale="zh-CN" if language == "zh" else "en-GB",
                    )  # fmt: skip
                    jar = visits.clients[place.who].cookies.jar
                    context.add_cookies(
                        [{"name": one.name, "value": one.value, "url": visits.issuer + "/portal/"} for one in jar]
                    )
                    page = context.new_page()
                    page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
                    if place.posts:
                        for name, value in place.posts:
                            field = page.locator(f"[name={name}][value={value}]").first
                            field.check() if field.get_attribute("type") == "radio" else None
                        page.click("main button.primary >> nth=0")
                    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    if wide > 0:
                        raise NotReached(f"{place.file} hangs out {wide} px at the side ({size}, {language})")
                    name = f"{place.file}-{size}-{language}{'' if scheme == 'light' else '-dark'}.png"
                    page.screenshot(path=folder / name, full_page=True)
                    taken.setdefault(place.file, []).append(name)
                    context.close()
    return taken


def index(taken):
    """Return the page that shows all pictures."""
    parts = ["<!doctype html><meta charset=utf-8><title>Pages</title><style>img{max-height:40rem;margin:.5rem;"
             "border:1px solid #ccc;vertical-align:top}</style>"]  # fmt: skip
    for place, names in taken.items():
        parts.append(f"<h2>{escape(place)}</h2>")
        parts += [
            f'<a href="{escape(one)}"><img src="{escape(one)}" alt="{escape(one)}" loading=lazy></a>' for one in names
        ]
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("var/screenshots"))
    parser.add_argument("--only", help="these pages alone, by their names, with commas between")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("Chromium is not installed")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with demo() as visits, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=QUIET)
        taken = take(visits, browser, arguments.out, arguments.only)
        browser.close()
    (arguments.out / "index.html").write_text(index(taken), encoding="utf-8")
    print(f"{sum(map(len, taken.values()))} pictures of {len(taken)} pages: {arguments.out / 'index.html'}")


if __name__ == "__main__":
    main()
