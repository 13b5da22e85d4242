"""Measure how the CPU time of the paper's loops grows with the numbers of users and servers.

    python docs/paper_complexity.py --write

prints the table, and with --write puts it into docs/paper.md. It takes some minutes of one core, most of them
for the letter; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from page_tables import written_into

from mecsim import load_scenario, make_policy
from mecsim.analysis.stats import t_interval
from mecsim.study.snapshot import decide

PAGE = Path(__file__).resolve().parent / "paper.md"
BEGIN, END = "<!-- Made by docs/paper_complexity.py -->\n", "<!-- End of docs/paper_complexity.py -->\n"
WORLDS = range(3)
# (users, servers) of each series; the letter's relaxation has one dense matrix, so it stays small.
SERIES: Mapping[str, tuple[str, Sequence[tuple[int, int]]]] = {
    "`dashf`, users": ("dashf", [(n, 2) for n in (10, 20, 40, 80, 160)]),
    "`dashf`, servers": ("dashf", [(40, m) for m in (2, 4, 8, 16)]),
    "the letter, users": ("dashf_reference", [(n, 2) for n in (5, 10, 20)]),
    "the letter, servers": ("dashf_reference", [(10, m) for m in (1, 2, 4)]),
}


def system(users: int, servers: int) -> dict[str, Any]:
    """Return the changes of `paper` to so many users and servers, the servers on a circle."""
    angles = 2.0 * np.pi * np.arange(servers) / servers
    places = [[500.0 + 250.0 * float(np.cos(a)), 500.0 + 250.0 * float(np.sin(a))] for a in angles]
    return {"users.count": users, "servers.positions_m": places}


def cpu_of_a_round(policy: str, users: int, servers: int, seed: int) -> float:
    """Return the CPU time in s of the first round of part 1 and part 2, of one step of y."""
    scenario = load_scenario("paper").with_changes(system(users, servers))
    made = make_policy(policy, max_iterations=1)
    decide(made, policy, scenario, seed)  # warms caches: patterns and compiled problems
    decide(made, policy, scenario, seed)
    return float(sum(row.cpu_s for row in made.trace[:2]))


def order_of(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the exponent of a power law through the points, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def row_of(name: str, sizes: Sequence[tuple[int, int]], seconds: Sequence[Sequence[float]]) -> str:
    """Return a row: the median time at each size, and the exponent of the larger half with its interval."""
    varied = [n if sizes[0][0] != sizes[-1][0] else m for n, m in sizes]
    times = ", ".join(
        f"({n}, {m}) {1e3 * float(np.median(own)):.3g} ms" for (n, m), own in zip(sizes, seconds, strict=True)
    )
    half = len(sizes) // 2
    exponent = t_interval(
        [order_of(varied[half - 1 :], world[half - 1 :]) for world in np.transpose(seconds)]
    )
    return f"| {name} | {times} | {exponent.mean:.2g} ({exponent.low:.2g} to {exponent.high:.2g}) |\n"


def table() -> str:
    """Return the table of all series."""
    rows = [
        row_of(name, sizes, [[cpu_of_a_round(policy, n, m, seed) for seed in WORLDS] for n, m in sizes])
        for name, (policy, sizes) in SERIES.items()
    ]
    return (
        "| | (N, M) and median CPU time of a first round | exponent of the larger sizes, 95 % |\n"
        "|---|---|---|\n" + "".join(rows)
    )


def main() -> None:
    """Print the table; write it into the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made = table()
    sys.stdout.write(made)
    if given.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), made, BEGIN, END), "utf-8")


if __name__ == "__main__":
    main()
