"""What absence of a category does to firms' PD and points, by category and cause, on a fresh city.

    python benchmarks/neutrality.py --firms 4000 --json

Shifts are mean PD and points, less those with everything; see creditlink/sandbox/neutrality.py.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.kit.settings import ROOT, load_settings
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.city import write_city
from creditlink.sandbox.neutrality import shifts
from creditlink.training.city import read_city


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firms", type=int, default=2000)
    parser.add_argument("--months", type=int, default=40)
    parser.add_argument("--seed", type=int, default=11, help="not the champion's own city, which is 7")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    settings = load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40})
    book = compile_book([], BY_NAME, matching_settings(ROOT / "config"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "city"
        write_city(path, firms=asked.firms, months=asked.months, seed=asked.seed, until=date(2026, 10, 1))
        rows = shifts(read_city(path), load_live(settings), book)
    if asked.json:
        print(json.dumps(rows))
        return
    print("category               cause         shift of PD      ± error  relative   points goods   bads")
    for r in rows:
        print(
            f"{r['category']:22} {r['cause']:13} {r['shift']:+.5f}  {r['error']:.5f}  {r['relative']:+8.1%} "
            f"{r['points_goods']:+13.1f} {r['points_bads']:+6.1f}"
        )


if __name__ == "__main__":
    main()
