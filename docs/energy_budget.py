"""Draw what V trades under the policy `drift_plus_penalty` in the scenario `laptops`.

    python docs/energy_budget.py --write

runs each V in some worlds, prints the table of docs/guides/budgets.md, and with `--write` puts it into the
page and draws `docs/images/energy-budget.png`. It takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from page_tables import written_into

from mecsim import load_scenario, make_policy
from mecsim.analysis.style import policy_style
from mecsim.engine.decisions import Decided
from mecsim.engine.simulation import Simulation
from mecsim.results.blas import one_blas_thread
from mecsim.scenario.schema import Scenario

HERE = Path(__file__).resolve().parent
PAGE, PICTURE = HERE / "guides" / "budgets.md", HERE / "images" / "energy-budget.png"
BEGIN, END = "<!-- Made by docs/energy_budget.py -->\n", "<!-- End of what it made -->\n"
PLAIN = "dashf_plus"
VS = (1e1, 1e2, 1e3, 1e4, 1e5)


class Outcome(NamedTuple):
    """One run: SCR, delay in s, largest mean power in W, and the largest budget + Q(T) / T in W."""

    scr: float
    delay_s: float
    power_w: float
    bound_w: float


def run(scenario: Scenario, policy: str, seed: int) -> Outcome:
    """Return the outcome of a run: rounds after the warm-up, powers and queues of the whole run.

    The SCR is that of the users' mean scores, delays and energies; the delay is the mean over users.
    """
    spent_j, last_s = np.zeros(scenario.users.count), 0.0

    def add(decided: Decided) -> None:
        nonlocal spent_j, last_s
        spent_j, last_s = spent_j + decided.observation.spent_j, decided.observation.time_s

    made = make_policy(policy)
    with one_blas_thread():
        record = Simulation(scenario, made, seed, on_decided=add).run()
    rounds, weights, budget_w = record.rounds, scenario.objective, scenario.users.energy_budget_w
    kept = (rounds["outcome"] == "finished") & (rounds["start_s"] >= scenario.warmup_s)
    score, delay_s, energy_j = (
        np.array([rounds[name][kept & (rounds["user"] == n)].mean() for n in range(scenario.users.count)])
        for name in ("score", "delay_s", "energy_j")
    )
    cost = weights.delay_weight_per_s * delay_s.max() + weights.energy_weight_per_j * energy_j.sum()
    total_j, end_s = record.ledger["user_meter_j"] + record.ledger["idle_j"], scenario.duration_s
    queue_j = getattr(made, "queue_j", np.full(len(total_j), np.nan))
    queue_j = np.maximum(queue_j + total_j - spent_j - budget_w * (end_s - last_s), 0.0)
    return Outcome(
        float(score.sum() / cost), float(delay_s.mean()), float((total_j / end_s).max()),
        float((budget_w + queue_j / end_s).max()),
    )  # fmt: skip


def rows(found: dict[str, list[Outcome]]) -> str:
    """Return the table of means over the worlds."""
    lines = [
        "| policy | SCR | delay (s) | largest mean power (W) | budget + Q(T)/T (W) |",
        "|---|---|---|---|---|",
    ]
    for policy, outcomes in found.items():
        mean = Outcome(*np.mean(outcomes, axis=0))
        bound = "" if np.isnan(mean.bound_w) else f"{mean.bound_w:.1f}"
        lines.append(f"| `{policy}` | {mean.scr:.1f} | {mean.delay_s:.1f} | {mean.power_w:.1f} | {bound} |")
    return "\n".join(lines) + "\n"


def draw(found: dict[str, list[Outcome]], budget_w: float) -> Figure:
    """Return the figure: SCR, and power with its bound, against V; the other policy as a line."""
    figure = Figure(figsize=(7.0, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    table = np.array([found[spec(v)] for v in VS])
    plain, ours = np.mean(found[PLAIN], axis=0), [policy_style(place) for place in range(3)]
    for axis, column, label in ((left, 0, "SCR"), (right, 2, "largest mean power (W)")):
        values = table[:, :, column]
        axis.plot(VS, values, ".", color=ours[0].colour, alpha=0.4)
        axis.plot(VS, values.mean(axis=1), color=ours[0].colour, marker="o", label="drift_plus_penalty")
        axis.axhline(plain[column], color=ours[1].colour, ls="--", label=PLAIN)
        axis.set_xscale("log")
        axis.set_xlabel("V (J² for each unit of score)")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(visible=True, alpha=0.3)
    right.plot(
        VS, table[:, :, 3].mean(axis=1), color=ours[2].colour, ls=":", marker="s", label="budget + Q(T)/T"
    )
    right.axhline(budget_w, color="0.3", lw=1.0, label="budget")
    left.legend(frameon=False, fontsize="small", loc="lower right")
    right.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


def spec(v: float) -> str:
    """Return the policy with this V."""
    return f"drift_plus_penalty:v={v:g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--duration-s", type=float, default=3600.0)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args(arguments)
    scenario = load_scenario("laptops").with_changes({"duration_s": given.duration_s})
    policies = (PLAIN, *map(spec, VS))
    found = {policy: [run(scenario, policy, seed) for seed in range(given.seeds)] for policy in policies}
    table = rows(found)
    sys.stdout.write(table)
    if given.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), table, BEGIN, END), "utf-8")
        draw(found, scenario.users.energy_budget_w).savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
