"""The synthetic city: firm-months a second, by one process and by several, and the memory of the largest process.

    python benchmarks/city.py [--firms N] [--months N] [--processes N] [--json]

The same city is written twice, cut into partitions of a quarter of it, and the bytes are compared. `speed_up` is the
ratio in this one run; the projection to 2.23 million firms x 36 months is by proportion.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from datetime import date
from pathlib import Path

from creditlink.sandbox.city import write_city

POPULATION = 2_230_000 * 36


def main() -> None:
    """Write the same city twice and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firms", type=int, default=40_000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    cells = given.firms * given.months
    seconds, manifests, size = {}, {}, 0
    with tempfile.TemporaryDirectory() as folder:
        # Compiles the kernels, so that neither of the two pays for it.
        write_city(Path(folder) / "warm", firms=100, months=12, seed=5, until=date(2026, 10, 1))
        for processes in (1, given.processes):
            out = Path(folder) / f"by-{processes}-{len(seconds)}"
            began = time.perf_counter()
            manifests[processes] = write_city(
                out,
                firms=given.firms,
                months=given.months,
                seed=5,
                until=date(2026, 10, 1),
                partition_firms=-(-given.firms // 4),
                processes=processes,
            )
            seconds[processes] = time.perf_counter() - began
            size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    fastest = seconds[given.processes]
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    results = {
        "firm_months_per_second_one_process": cells / seconds[1],
        f"firm_months_per_second_{given.processes}_processes": cells / fastest,
        "speed_up": seconds[1] / fastest,
        "same_bytes": manifests[1] == manifests[given.processes],
        "bytes_per_firm_month": size / cells,
        "peak_mb_largest_process": peak / 1024,
        "projected_seconds_2_23_million_x_36": POPULATION / cells * fastest,
    }
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for name, value in results.items():
        print(f"{name:44} {value:>14,.2f}" if isinstance(value, float) else f"{name:44} {value!s:>14}")


if __name__ == "__main__":
    main()
