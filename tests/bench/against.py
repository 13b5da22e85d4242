"""Compare the speed and the results of this checkout with those of an older commit.

``python tests/bench/against.py --against COMMIT`` checks the commit out into a temporary folder and lets
old and new code measure every case in turn, in processes of their own with this interpreter and its
packages. The two sides of a pair measure in turn, five times each, of which the shortest counts; which side
begins changes from pair to pair.
It prints the median of new / old with a distribution-free 95 % interval, and whether the columns that both
commits have are equal bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import quantile_test

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).with_name("side.py")
QUICK_PAIRS = 6  # the fewest whose range is a 95 % interval of the median
REPEATS = 5  # of one measurement, of which the shortest counts: what else the machine does only adds time


def median_and_interval(ratios: list[float]) -> tuple[float, float, float]:
    """Return the median and the ends of its 95 % interval by order statistics, NaN below six ratios."""
    interval = quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return float(np.median(ratios)), float(interval.low), float(interval.high)


def differing(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[list[str], int]:
    """Return which of the columns that both sides have differ, and how many both have."""
    common = old.keys() & new.keys()
    return sorted(name for name in common if old[name] != new[name]), len(common)


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "old"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(place), commit], check=True)
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)


def write_metadata(checkout: Path, folder: Path) -> None:
    """Write the metadata of an installed mecsim with the entry points of a checkout.

    Without it both sides would load policies from where the installed version says that they are.
    """
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    place = folder / f"{project['name']}-{project['version']}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()))
    ]
    (place / "entry_points.txt").write_text("\n".join(lines) + "\n")


class Side:
    """A process that measures with the code of one checkout."""

    def __init__(self, checkout: Path, metadata: Path) -> None:
        path = os.pathsep.join(map(str, (metadata, checkout, checkout / "policies")))
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SIDE)],
            env={**os.environ, **threads, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        found, self.cases = self._answer()
        assert Path(found).is_relative_to(checkout), f"{found} is not below {checkout}"

    def measure(self, case: str) -> tuple[float, dict[str, str]]:
        """Return the CPU time of a case in s and the hashes of its columns."""
        assert self._process.stdin is not None
        self._process.stdin.write(case + "\n")
        self._process.stdin.flush()
        spent_s, hashes = self._answer()
        return spent_s, hashes

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a side ended with code {self._process.wait()}")
        return json.loads(line)


def measure_pairs(
    checkouts: list[Path], folder: Path, pairs: int, part: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return by case the CPU times in s, (pairs, 2), and the hashes of both sides.

    ``part`` is a part of the names of the cases to measure.
    """
    times: dict[str, Any] = defaultdict(lambda: np.empty((pairs, 2)))
    hashes: dict[str, Any] = defaultdict(lambda: [None, None])
    for n, checkout in enumerate(checkouts):
        write_metadata(checkout, folder / str(n))
    for pair in range(pairs):
        with ExitStack() as stack:
            sides = [Side(checkout, folder / str(n)) for n, checkout in enumerate(checkouts)]
            for side in sides:
                stack.callback(side.close)
            for case in (name for name in sides[1].cases if part in name):
                times[case][pair] = np.inf
                for n in ((0, 1) if pair % 2 == 0 else (1, 0)) * REPEATS:
                    spent_s, hashes[case][n] = sides[n].measure(case)
                    times[case][pair, n] = min(times[case][pair, n], spent_s)
        print(f"pair {pair + 1} of {pairs}", file=sys.stderr)
    return times, hashes


def show(times: Mapping[str, Any], hashes: Mapping[str, Any]) -> None:
    """Print a line a case."""
    print(
        f"{'CPU time of each case':32s} {'old s':>7s} {'new s':>7s} {'new/old':>8s}  95 % interval   outcome"
    )
    for case, both in times.items():
        ratio, low, high = median_and_interval((both[:, 1] / both[:, 0]).tolist())
        names, count = differing(*hashes[case])
        verdict = (
            f"{len(names)} of {count} columns differ: {names[:4]}" if names else f"{count} columns equal"
        )
        old_s, new_s = np.median(both, axis=0)
        interval = f"{low:.3f} to {high:.3f}" if low > 0 else f"from {QUICK_PAIRS} pairs"
        print(f"{case:32s} {old_s:7.3f} {new_s:7.3f} {ratio:8.3f}  {interval:14s}  {verdict}")


def main() -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="COMMIT", required=True, help="the older commit")
    parser.add_argument("--pairs", type=int, default=10, help="measurements of each side (default: 10)")
    parser.add_argument("--case", default="", help="measure only cases with this in their names")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, worktree(given.against) as old:
        pairs = QUICK_PAIRS if given.quick else given.pairs
        show(*measure_pairs([old, ROOT], Path(folder), pairs, given.case))


if __name__ == "__main__":
    main()
