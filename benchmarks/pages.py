"""How quickly every page comes, and how much of it the first time, with a demo's data.

    python benchmarks/pages.py [--rounds N] [--json]

Starts the sandbox, walks the demo, signs people in, and opens every page of `_visits.PLACES` again and again, one
request at a time. Bytes are as they are sent, compressed; a first load is the page with what it loads. A busy machine
says little: compare runs side by side.
"""

import argparse
import json
import re
import statistics
import time

from _visits import PLACES, demo

MEDIAN_MS, P95_MS, FIRST_LOAD = 150, 300, 300_000


def sent(client, address):
    """Return how many bytes an answer is as it is sent."""
    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        return sum(len(chunk) for chunk in answer.iter_raw()), answer.status_code


def measured(visits, place, rounds):
    """Return the figures of one page."""
    address, client, times = visits.address(place), visits.clients[place.who], []
    for _ in range(rounds):
        began = time.perf_counter()
        shown = visits.answer(place, address) if place.posts else client.get(address)
        times.append((time.perf_counter() - began) * 1e3 / (2 if place.posts else 1))
    size, _ = sent(client, address)
    loaded = set(re.findall(r'(?:src|href)="(/[^"]*/static/[^"]+)"', shown.text))
    first = size + sum(sent(client, one)[0] for one in loaded)
    return {
        "page": place.file, "median_ms": statistics.median(times),
        "p95_ms": statistics.quantiles(times, n=20)[-1], "page_bytes": size, "first_load_bytes": first,
    }  # fmt: skip


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with demo() as visits:
        rows = [measured(visits, place, arguments.rounds) for place in PLACES]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'page':<24}{'median ms':>10}{'p95 ms':>9}{'page bytes':>12}{'first load':>12}")
    for row in rows:
        beyond = row["median_ms"] > MEDIAN_MS or row["p95_ms"] > P95_MS or row["first_load_bytes"] > FIRST_LOAD
        print(
            f"{row['page']:<24}{row['median_ms']:>10.1f}{row['p95_ms']:>9.1f}{row['page_bytes']:>12,}"
            f"{row['first_load_bytes']:>12,}{'  beyond the budget' if beyond else ''}"
        )


if __name__ == "__main__":
    main()
