"""Screening a city: seconds in all and by stage, peak memory, and how cost grows with the number of firms.

    python benchmarks/screening.py                                   # small, as in `make bench`
    python benchmarks/screening.py --firms 250000 1000000 2230000    # full size; the city takes 6 GB and minutes

Every size is screened by the command itself, `creditlink screen city`, in a process of its own, starting of
processes and loading of the model included. All sizes are the beginning of one city. The clock of the wall
counts; memory is that of all processes together, sampled ten times a second.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

UNTIL, AS_OF = date(2026, 10, 1), "2026-11-20"


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--firms", type=int, nargs="+", default=[10_000, 20_000, 40_000], help="sizes to screen")
    parser.add_argument("--months", type=int, default=36, help="months of records (default 36)")
    parser.add_argument("--partition-firms", type=int, help="firms per file (default: 50000, fewer in a small city)")
    parser.add_argument("--city", type=Path, help="a city already there, of at least the largest size")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--turns", type=int, default=1, help="turns, of which the best counts (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser.parse_args()


def memory_of(pid):
    """Return the resident bytes of a process and all below it (Linux; 0 elsewhere)."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return total


def beginning_of(city, firms, per_part, folder):
    """Make a city of the first `firms` firms by links to the partitions of a larger one; return the firms in it."""
    import polars as pl

    parts = sorted(p.name for p in (city / "registration").iterdir())[: -(-firms // per_part)]
    for frame in city.iterdir():
        if frame.is_dir():
            (folder / frame.name).mkdir(parents=True)
            for part in parts:
                (folder / frame.name / part).symlink_to((frame / part).resolve())
    shutil.copy(city / "manifest.json", folder)
    return sum(pl.scan_parquet(city / "registration" / part).select(pl.len()).collect().item() for part in parts)


def measure(city, workers, out):
    """Screen a city in a process of its own; return its figures."""
    command = [sys.executable, "-m", "creditlink", "screen", "city", str(city), "--as-of", AS_OF]
    command += ["--out", str(out), "--workers", str(workers)]
    environment = {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40} | os.environ
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as running:
        while running.poll() is None:
            peak = max(peak, memory_of(running.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        if running.returncode:
            raise SystemExit(running.stderr.read().decode())
    manifest = json.loads((out / "manifest.json").read_text())
    return {
        "firms": manifest["firms"],
        "rows": manifest["rows"],
        "workers": workers,
        "seconds": round(seconds, 2),
        "firms_per_second": round(manifest["firms"] / seconds),
        "peak_memory_gb": round(peak / 1e9, 2),
        "stage_seconds_of_all_workers": {
            name.removesuffix("_of_all_workers"): seconds
            for name, seconds in manifest["seconds"].items()
            if name.endswith("_of_all_workers")
        },
    }


def exponent(results, seconds):
    """Return the slope of log seconds over log firms, by least squares; None for one size.

    `seconds` tells those of one result.
    """
    points = [(math.log(r["firms"]), math.log(seconds(r))) for r in results]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return round(sum((x - mean_x) * (y - mean_y) for x, y in points) / spread, 3) if spread else None


def main():
    """Measure each size and print the comparison."""
    options = arguments()
    from creditlink.sandbox.city import write_city

    results = []
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        per_part = options.partition_firms or max(2000, min(50_000, max(options.firms) // 20))
        city = options.city
        if city is None:
            city = room / "city"
            write_city(
                city, firms=max(options.firms), months=options.months, seed=5, until=UNTIL, partition_firms=per_part
            )
        else:
            per_part = json.loads((city / "manifest.json").read_text())["partition_firms"]
        for firms in options.firms:
            beginning_of(city, firms, per_part, room / f"city-{firms}")
            turns = []
            for turn in range(options.turns):
                turns.append(measure(room / f"city-{firms}", options.workers, room / f"out-{firms}-{turn}"))
                shutil.rmtree(room / f"out-{firms}-{turn}")
            results.append(min(turns, key=lambda r: r["seconds"]))
    # Starting of processes is a constant of the wall clock, which flatters it; the workers' own seconds have none.
    told = {
        "results": results,
        "scaling_exponent": exponent(results, lambda r: r["seconds"]),
        "scaling_exponent_of_worker_seconds": exponent(
            results, lambda r: sum(r["stage_seconds_of_all_workers"].values())
        ),
    }
    if options.json:
        print(json.dumps(told, indent=2))
        return
    for r in results:
        stages = "  ".join(f"{name} {seconds:.1f}" for name, seconds in r["stage_seconds_of_all_workers"].items())
        told_rate = f"{r['seconds']:>7.1f} s  {r['firms_per_second']:>7,} firms/s"
        print(f"{r['firms']:>10,} firms  {r['rows']:>12,} rows  {told_rate}")
        print(f"  {r['peak_memory_gb']:.1f} GB; seconds of all {r['workers']} workers: {stages}")
    print(
        f"scaling exponent {told['scaling_exponent']} of the wall clock, "
        f"{told['scaling_exponent_of_worker_seconds']} of worker seconds"
    )


if __name__ == "__main__":
    main()
