"""Reverse matching: seconds to say which firms of a screening qualify for a product, and what each rule keeps out.

    python benchmarks/reverse_match.py                       # screens a small city first
    python benchmarks/reverse_match.py --results var/out     # a screening already there

Every product of the catalogue is asked about once, reading its columns anew each time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from screening import AS_OF, UNTIL  # the neighbour: one city for both

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.kit.settings import ROOT
from creditlink.products.files.seed import load_seed
from creditlink.sandbox.city import write_city
from creditlink.screening.city.results import Results
from creditlink.screening.qualify import qualify


def main():
    """Ask about every product and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="a finished screening")
    parser.add_argument("--firms", type=int, default=20_000, help="size of the city otherwise (default 20000)")
    parser.add_argument("--products", type=int, default=40, help="how many products to ask about (default 40)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = options.results
        if results is None:
            results = Path(folder) / "out"
            write_city(Path(folder) / "city", firms=options.firms, months=36, seed=5, until=UNTIL)
            command = [sys.executable, "-m", "creditlink", "screen", "city", f"{folder}/city", "--as-of", AS_OF]
            subprocess.run([*command, "--out", str(results)], check=True, capture_output=True)
        opened = Results(str(results))
        seconds = []
        for terms in load_seed(ROOT / "config" / "products.toml")[1][: options.products]:
            began = time.perf_counter()
            answer = qualify(opened, terms, BY_NAME)
            seconds.append(time.perf_counter() - began)
    seconds.sort()
    told = {
        "firms": answer.population,
        "products": len(seconds),
        "median_seconds": round(seconds[len(seconds) // 2], 4),
        "worst_seconds": round(seconds[-1], 4),
    }
    print(json.dumps(told) if options.json else "  ".join(f"{name} {value:,}" for name, value in told.items()))


if __name__ == "__main__":
    main()
