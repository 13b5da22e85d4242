"""The Pareto front of SCR over CPU time: ``make bench`` prints and draws it for every size and policy.

SCR is divided by the best that any policy here finds on the snapshot: found, not proven.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from decisions import decide, snapshot

from mecsim.analysis.style import STYLE, WIDTH_IN, policy_styles, save_figure

FIGURE = Path("results") / "bench" / "pareto.png"
SIZES = {(10, 2): 20, (20, 3): 10, (50, 5): 4, (100, 5): 3, (200, 10): 2}
"""Users and servers, and how many snapshots."""
POLICIES = ("nearest", "rucaa", "gucaa", "aauco", "gucro", "card", "matching", "water_filling")
POLICIES += ("best_response", "dashf", "dashf_plus", "local_search", "exhaustive", "certified")
POLICIES += ("dashf_reference",)
MOST_USERS = {"exhaustive": 10, "certified": 10, "dashf_reference": 10, "local_search": 100}
"""Who would take minutes a decision for more users."""


def measured() -> pd.DataFrame:
    """Return one row for each size, snapshot and policy."""
    rows = []
    for (users, servers), seeds in SIZES.items():
        names = [name for name in POLICIES if users <= MOST_USERS.get(name, users)]
        for seed in range(seeds):
            instance = snapshot(seed, users, servers, unlike=seed % 2 == 1)
            decided = {name: decide(name, instance) for name in names}
            scr = {name: instance.scr(allocation) for name, (allocation, _) in decided.items()}
            best = max(scr.values())
            size = f"{users} users, {servers} servers, {seeds} snapshots"
            rows += [(size, name, scr[name] / best, 1e3 * decided[name][1]) for name in names]
    return pd.DataFrame(rows, columns=["size", "policy", "of_best", "cpu_ms"])


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return mean SCR over the best found, median CPU time, and who is on the front."""
    grouped = frame.groupby(["size", "policy"], sort=False)
    table = grouped.agg(of_best=("of_best", "mean"), cpu_ms=("cpu_ms", "median")).reset_index()
    table["on_front"] = False
    for _, own in table.groupby("size", sort=False):
        by_time = own.sort_values(["cpu_ms", "of_best"], ascending=[True, False])
        before = by_time["of_best"].cummax().shift(fill_value=0.0)
        table.loc[by_time.index, "on_front"] = by_time["of_best"] > before
    return table


def draw(table: pd.DataFrame) -> Path:
    """Draw a panel for each size, the front as steps."""
    styles = policy_styles(POLICIES)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(2, 3, figsize=(WIDTH_IN, 4.2), sharey=True, layout="constrained")
        *panels, legend = grid.flat
        for axis, (size, own) in zip(panels, table.groupby("size", sort=False), strict=True):
            front = own[own["on_front"]].sort_values("cpu_ms")
            axis.step(front["cpu_ms"], front["of_best"], where="post", color="0.7", linewidth=1, zorder=0)
            for row in own.itertuples():
                axis.plot(row.cpu_ms, row.of_best, label=row.policy, markersize=5, **styles[row.policy].point)
            axis.set(title=str(size).rpartition(",")[0], xscale="log", ylim=(0, 1.05))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.tick_params(axis="x", labelbottom=True)
        for axis in grid[:, 0]:
            axis.set_ylabel("SCR / best found")
        for axis in (*grid[1], panels[2]):
            axis.set_xlabel("CPU ms a decision")
        legend.axis("off")
        legend.legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False, ncols=2)
        png, _ = save_figure(figure, FIGURE)
        plt.close(figure)
    return png


def run() -> None:
    table = summary(measured())
    print("\nMean SCR over the best found, and median CPU ms of a cold decision; * on the Pareto front")
    for size, own in table.groupby("size", sort=False):
        print(f"  {size}")
        for row in own.itertuples():
            print(f"    {row.policy:16s} {row.of_best:7.3f} {row.cpu_ms:11.1f} {'*' if row.on_front else ''}")
    print(f"\nfigure: {draw(table)}")


if __name__ == "__main__":
    for first in POLICIES:
        decide(first, snapshot(0, 4, 2))  # imports and patterns
    run()
