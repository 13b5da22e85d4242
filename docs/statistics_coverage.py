"""Simulate what the statistics of comparisons promise: coverage, false stars, false warnings.

    python docs/statistics_coverage.py --write

prints the tables of docs/statistics.md and, with --write, puts them into the page: some minutes. Run it again
when a rule of mecsim.analysis changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from page_tables import written_into

from mecsim.analysis.hypotheses import holm, t_test, wilcoxon_exact
from mecsim.analysis.sequential import Claim, judge, judge_together, look_sizes
from mecsim.analysis.stats import median_interval, t_interval
from mecsim.analysis.tails import tail_of

PAGE = Path(__file__).resolve().parent / "statistics.md"
BEGIN, END = "<!-- Made by docs/statistics_coverage.py -->\n", "<!-- End of docs/statistics_coverage.py -->\n"
Floats = NDArray[np.float64]
Law = Callable[[np.random.Generator, tuple[int, ...]], Floats]
LAWS: dict[str, Law] = {
    "normal, deviation 0.3 of the mean": lambda rng, size: np.abs(rng.normal(1.0, 0.3, size)),
    "lognormal, sigma 0.5": lambda rng, size: rng.lognormal(0.0, 0.5, size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "Pareto, index 1.5": lambda rng, size: rng.pareto(1.5, size) + 1.0,
    "1/X, X exponential": lambda rng, size: 1.0 / rng.exponential(size=size),
}
SAMPLES, TABLES, STUDIES = 4_000, 500, 300


def coverage() -> str:
    """Return how often intervals from 1/X hold the median of the law, and the mean of 400 runs."""
    rows = ""
    for n in (4, 6, 10, 20, 40):
        rng = np.random.default_rng(n)
        values = 1.0 / rng.exponential(size=(SAMPLES, n))
        medians = [median_interval(row) for row in values]
        held = np.mean([one.low <= 1 / np.log(2) <= one.high for one in medians])
        level = medians[0].level
        t, of_400 = t_interval(values.T), (1.0 / rng.exponential(size=(SAMPLES, 400))).mean(axis=1)
        mean = np.mean((t.low <= of_400) & (of_400 <= t.high))
        median = f"{held:.3f} ({level:.3f})" if n >= 6 else "no interval"
        rows += f"| {n} | {median} | {mean:.2f} |\n"
    return (
        "| Runs | the median's interval holds it (its level) | the t interval holds that of 400 others |\n"
        "|---|---|---|\n" + rows
    )


def false_stars() -> str:
    """Return how often a table has a star although all its policies are alike."""
    rows = ""
    for name in ("normal, deviation 0.3 of the mean", "1/X, X exponential"):
        for n in (4, 10, 20):
            plain, corrected = np.array([_null_table(LAWS[name], n, seed) for seed in range(TABLES)]).mean(
                axis=0
            )
            rows += f"| {name} | {n} | {100 * plain:.0f} % | {100 * corrected:.1f} % |\n"
    return "| Law | Runs | tables with a star by its own interval | after Holm |\n|---|---|---|---|\n" + rows


def _null_table(law: Law, n: int, seed: int) -> tuple[bool, bool]:
    """Return whether a table of 6 alike policies and 5 metrics has a star, by intervals and after Holm."""
    rng = np.random.default_rng((seed, n))
    values = law(rng, (6, 5, n)) * law(rng, (5, n))  # what a world does to all policies, and the rest
    own, used = [], []
    for metric in range(5):
        heavy = any(tail_of(values[policy, metric]).why for policy in range(6))
        for policy in range(1, 6):
            pair = values[policy, metric], values[0, metric]
            own.append(t_test(*pair))
            used.append(wilcoxon_exact(*pair) if heavy else own[-1])
    return min(own) <= 0.05, bool((holm(used) <= 0.05).any())


def warnings() -> str:
    """Return how often a metric of each law is called heavy-tailed."""
    sizes = (4, 10, 20, 40, 100)
    rows = ""
    for name, law in LAWS.items():
        rates = []
        for n in sizes:
            values = law(np.random.default_rng(n), (SAMPLES // 5, n))
            rates.append(f"{100 * np.mean([bool(tail_of(row).why) for row in values]):.1f}")
        rows += f"| {name} | {' | '.join(rates)} |\n"
    head = " | ".join(f"{n} runs" for n in sizes)
    return f"| Law | {head} |\n|---|{'---|' * len(sizes)}\n" + rows


def looks() -> str:
    """Return how often a study with --until has a wrong verdict, and how long a plain claim takes."""
    sizes = look_sizes(10, 200)
    claims = [Claim("scr", name, "reference", 1e-6, relative=True) for name in "abc"]
    wrong = {"Holm within looks that share the error": 0, "95 % at every look": 0}
    for seed in range(STUDIES):
        rng = np.random.default_rng(seed)
        reference = rng.normal(100.0, 1.0, 200)
        # a is plainly better, b and c are alike.
        given = {
            c: reference + rng.normal(shift, 1.0, 200) for c, shift in zip(claims, (2.0, 0, 0), strict=True)
        }
        found: dict[Claim, object] = {}
        naive = set()
        for size in sizes:
            pairs = {claim: (given[claim][:size], reference[:size]) for claim in claims}
            found = judge_together(pairs, len(sizes), found)  # type: ignore[arg-type,assignment]
            naive |= {c for c in claims if judge(c, *pairs[c], 0.95).answer != "undecided"}
        wrong["Holm within looks that share the error"] += any(
            found[c].answer != "undecided"
            for c in claims[1:]  # type: ignore[attr-defined]
        )
        wrong["95 % at every look"] += bool(naive - {claims[0]})
    rows = "".join(f"| {name} | {100 * count / (STUDIES):.1f} % |\n" for name, count in wrong.items())
    return "| Rule | studies with a wrong verdict |\n|---|---|\n" + rows


def made() -> str:
    """Return all tables."""
    return "\n".join(
        f"{title}\n\n{table}"
        for title, table in (
            (f"Intervals from values 1/X, X exponential ({SAMPLES:,} samples):", coverage()),
            (f"Tables of 5 metrics and 6 policies that are all alike ({TABLES:,} tables):", false_stars()),
            (f"How often a metric is called heavy-tailed, in % ({SAMPLES // 5:,} samples):", warnings()),
            (f"Three claims, one true, at looks from 10 to 200 replications ({STUDIES} studies):", looks()),
        )
    )


def main() -> None:
    """Print the tables; write them into the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = made()
    sys.stdout.write(text)
    if given.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), text, BEGIN, END), "utf-8")


if __name__ == "__main__":
    main()
