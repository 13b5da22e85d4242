"""How far from the optimum, proved, and in how much CPU time: ``python tests/bench/bounds.py --write``.

The time is that of one core; that of the allocations to compare with is not in it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from decisions import snapshot
from mecsim_policies.bound.tree import branch_and_bound
from mecsim_policies.bound.upper import upper_bound
from mecsim_policies.optim.descents import search
from mecsim_policies.optim.joint import polish
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.price import Price

from mecsim.analysis.style import STYLE, WIDTH_IN, policy_styles
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.instance import Instance
from mecsim.system.round_work import RoundWork

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.append(str(DOCS))

from page_tables import written_into  # noqa: E402  # the folder of pages is no package

PAGE = DOCS / "bound.md"
BEGIN, END = "<!-- Made by tests/bench/bounds.py -->\n", "<!-- End of tests/bench/bounds.py -->\n"
DASHF = ("dashf", "dashf_plus")
HEAD = (
    "| Instances | Gap, mean (mark) | 90 %, largest | `dashf` | `dashf_plus` | CPU s (mark) | Warm, ms "
    "| Warm looser |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


class Row(NamedTuple):
    """Instances of one kind: how they are drawn, how many, the incumbent's policy, and the marks."""

    name: str
    users: int
    servers: int
    unlike: bool
    count: int
    policy: str
    most_gap: float
    most_cpu_s: float

    @property
    def title(self) -> str:
        """Return the kind and the size."""
        return f"{self.name} ({self.users}, {self.servers})"


ROWS = (
    Row("like", 10, 2, False, 50, "local_search", 0.015, 0.6),
    Row("unlike", 10, 2, True, 50, "local_search", 0.015, 0.6),
    Row("like", 20, 3, False, 20, "local_search", 0.017, 1.0),
    Row("like", 50, 5, False, 20, "local_search", 0.014, 1.5),
    Row("like", 100, 5, False, 20, "local_search", 0.012, 2.0),
    Row("peft", 10, 2, False, 20, "local_search", np.inf, 2.4),
    Row("split", 10, 2, False, 20, "local_search", np.inf, 2.4),
    Row("like", 200, 10, False, 5, "dashf_plus", 0.03, 6.0),
    Row("like", 500, 20, False, 2, "dashf_plus", 0.03, 30.0),
)


class Closing(NamedTuple):
    """Instances for branch and bound: the gap to reach, how many must be closed, in how much CPU time."""

    name: str
    users: int
    servers: int
    unlike: bool
    count: int
    within: float
    mark: str
    most_cpu_s: float

    @property
    def title(self) -> str:
        """Return the kind and the size."""
        return f"{self.name} ({self.users}, {self.servers})"


CLOSING = (
    Closing("like", 10, 2, False, 25, 1e-3, "48 of 50, median 5 s", 60.0),
    Closing("unlike", 10, 2, True, 25, 1e-3, "48 of 50, median 5 s", 60.0),
    Closing("like", 6, 2, False, 10, 1e-2, "9 of 10 in 30 s", 30.0),
    Closing("like", 8, 2, False, 10, 1e-2, "9 of 10 in 30 s", 30.0),
    Closing("like", 6, 3, False, 10, 1e-2, "9 of 10 in 30 s", 30.0),
    Closing("like", 8, 3, False, 10, 1e-2, "9 of 10 in 30 s", 30.0),
    Closing("unlike", 8, 3, True, 10, 1e-2, "9 of 10 in 30 s", 30.0),
)
CLOSING_HEAD = (
    "| Branch and bound | Gap asked for | Closed (mark) | CPU s, median | 90 %, largest | Nodes, median |\n"
    "|---|---|---|---|---|---|\n"
)


def with_links(instance: Instance, kind: str) -> Instance:
    """Return an instance in which data go up while adapters come down, and not everything fits a user."""
    users = instance.users
    flop, bits = users.adapter_params * users.flops_per_param, users.adapter_params * instance.bits_per_param
    none, data = 0.0 * flop, 0.7 * bits
    work = {
        "peft": RoundWork(flop, 3.0 * flop, 2.5 * flop, 1.5 * flop, bits, data, data, bits, none),
        "split": RoundWork(4.0 * flop, none, 4.0 * flop, none, bits, 3.0 * bits, data, bits, 3.0 * bits),
    }[kind]
    most = np.resize([0.8, 1.0], len(flop))
    return replace(instance, work=work, users=replace(users, local_fraction_max=most))


def drawn(row: Row, seed: int) -> Instance:
    """Return an instance of a row."""
    instance = snapshot(seed, row.users, row.servers, unlike=row.unlike)
    return with_links(instance, row.name) if row.name in ("peft", "split") else instance


def moved(instance: Instance, seed: int) -> Instance:
    """Return an instance a little later: its gains times log-normal factors."""
    factor = np.exp(np.random.default_rng(seed).normal(0.0, 0.2, instance.gain.shape))
    return replace(instance, gain=instance.gain * factor)


def timed(**given: Any) -> tuple[Any, float]:
    """Return a bound and its CPU time in s."""
    began = time.process_time()
    bound = upper_bound(**given)
    return bound, time.process_time() - began


def measured(row: Row, most: int) -> pd.DataFrame:
    """Return a line for each instance: gaps of the best found and of DASHF, times, warm against cold."""
    lines = []
    for seed in range(min(row.count, most)):
        instance = drawn(row, seed)
        answers = {
            name: make_policy(name).allocate(Observation.of(instance)) for name in (row.policy, *DASHF)
        }
        best = max(answers.values(), key=instance.scr)
        bound, cpu_s = timed(instance=instance, incumbent=best)
        rounded = bound.rounded.point(instance, Price.at(instance, bound.incumbent_scr))
        best_scr = max(bound.incumbent_scr, polish(instance, rounded).scr)
        later = moved(instance, seed)
        warm, warm_s = timed(instance=later, multipliers=bound.multipliers, incumbent=bound.incumbent_scr)
        lines.append(
            {name: bound.scr_upper / instance.scr(answers[name]) - 1.0 for name in DASHF}
            | {
                "instances": row.title,
                "best": bound.scr_upper / best_scr - 1.0,
                "cpu_s": cpu_s,
                "warm_ms": 1e3 * warm_s,
            }
            | {"looser": warm.scr_upper / upper_bound(later).scr_upper - 1.0}
        )
    return pd.DataFrame(lines)


def line(row: Row, found: pd.DataFrame) -> str:
    """Return a line of the table: marks of gap and CPU time stand in brackets."""
    best = found["best"]
    mark = f" ({row.most_gap:.1%})" if np.isfinite(row.most_gap) else ""
    cells = (
        f"{len(found)} {row.title}",
        f"{best.mean():.2%}{mark}",
        f"{best.quantile(0.9):.2%}, {best.max():.2%}",
        *(f"{found[name].mean():.1%}" for name in DASHF),
        f"{found['cpu_s'].median():.2f} ({row.most_cpu_s:g})",
        f"{found['warm_ms'].median():.0f}",
        f"{found['looser'].mean():.3%}",
    )
    return f"| {' | '.join(cells)} |"


def closed(row: Closing, most: int) -> pd.DataFrame:
    """Return a line for each instance: CPU time of branch and bound, nodes, and whether it closed."""
    lines = []
    for seed in range(min(row.count, most)):
        instance = snapshot(seed, row.users, row.servers, unlike=row.unlike)
        participants = Participants.of(Observation.of(instance))
        assert participants is not None
        point = search(participants, 4, 48).point
        began = time.process_time()
        solved = branch_and_bound(
            instance, point, within=row.within, max_nodes=sys.maxsize, allowed=participants.allowed,
            stop=lambda: time.process_time() - began > row.most_cpu_s,  # noqa: B023  # called at once
        )  # fmt: skip
        spent = {"cpu_s": time.process_time() - began, "nodes": solved.nodes, "closed": solved.within}
        lines.append(spent | {"gap": solved.scr_upper / solved.point.scr - 1.0})
    return pd.DataFrame(lines)


def closing_line(row: Closing, found: pd.DataFrame) -> str:
    """Return a line of the second table: the mark stands in brackets."""
    cells = (
        f"{len(found)} {row.title}",
        f"{row.within:.1%}",
        f"{found['closed'].sum()} ({row.mark})",
        f"{found['cpu_s'].median():.1f}",
        f"{found['cpu_s'].quantile(0.9):.1f}, {found['cpu_s'].max():.1f}",
        f"{found['nodes'].median():.0f}",
    )
    return f"| {' | '.join(cells)} |"


def draw(frame: pd.DataFrame, path: Path) -> None:
    """Draw the gap of every instance by kind: of the best allocation found, and of DASHF."""
    kinds = list(dict.fromkeys(frame["instances"]))
    styles = policy_styles(DASHF)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH_IN, 2.6), layout="constrained")
        for place, kind in enumerate(kinds):
            own = frame[frame["instances"] == kind]
            beside = place + np.linspace(-0.12, 0.12, len(own))
            axis.plot(beside, 100 * own["best"], ".", color="0.25", ms=3, label="" if place else "best found")
            for name, shift in zip(DASHF, (-0.25, 0.25), strict=True):
                label = "" if place else f"{name}, mean"
                mean = 100 * own[name].mean()
                axis.plot([place + shift], [mean], label=label, markersize=5, **styles[name].point)
        axis.set_xticks(range(len(kinds)), [kind.replace(" ", "\n", 1) for kind in kinds])
        axis.set(ylabel="gap to the bound (%)", yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path, dpi=200)
        plt.close(figure)


def main() -> None:
    """Print the table, and with --write put it and the figure into docs/bound.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("most", nargs="?", type=int, default=1000, help="most instances of a row")
    parser.add_argument("--rows", type=int, default=len(ROWS), help="only the first ones")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    print(HEAD, end="", flush=True)
    table, frames = HEAD, []
    for row in ROWS[: given.rows]:
        frames.append(measured(row, given.most))
        table += f"{line(row, frames[-1])}\n"
        print(line(row, frames[-1]), flush=True)
    print(CLOSING_HEAD, end="", flush=True)
    table += f"\n{CLOSING_HEAD}"
    for closing in CLOSING[: given.rows]:
        table += f"{closing_line(closing, closed(closing, given.most))}\n"
        print(table.splitlines()[-1], flush=True)
    if given.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), table, BEGIN, END), "utf-8")
        draw(pd.concat(frames), PAGE.parent / "images" / "bound-gaps.png")


if __name__ == "__main__":
    main()
