"""Rank the paper's policies on `paper` with each effect of docs/physics.md switched on alone.

    python docs/physics_ranking.py --seeds 100 --write

prints the table, and with `--write` puts it into the page. Run it again when `paper` or a law changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from page_tables import written_into

from mecsim import load_scenario
from mecsim.analysis.stats import ratio_interval, t_interval
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.snapshot import decide

PAGE = Path(__file__).resolve().parent / "physics.md"
BEGIN, END = "<!-- Made by docs/physics_ranking.py -->\n", "<!-- End of what it made -->\n"
POLICIES = ("rucaa", "gucaa", "aauco", "gucro", "dashf", "dashf_plus")
OURS = "dashf_plus"
BOARD = {"users.gpu_power": "board", "servers.gpu_power": "board"}
LLAMA = {"workload.base_model": "llama-7b"}
EFFECTS: Mapping[str, Mapping[str, Any]] = {
    "none: the paper's laws": {},
    "`nr-256qam`": {"channel.rate": "nr-256qam"},
    "`lte-36942`": {"channel.rate": "lte-36942"},
    "`board`": BOARD,
    "`shared`": BOARD | {"servers.gpu_power": "shared"},
    "circuits": {"users.circuit_power_w": 0.1, "users.receive_power_w": 0.1},
    "`peft`": {"workload.model": "peft"} | LLAMA,
    "`split`": {"workload.model": "split"} | LLAMA,
}


def scr_of(effect: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, list[float]]:
    """Return the SCR of every policy's decision in each world; static users, so also the realised one."""
    scenario = load_scenario("paper").with_changes(effect)
    found: dict[str, list[float]] = {}
    for choice in map(PolicyChoice.of, POLICIES):
        each = (decide(choice.make(), choice.label, scenario, seed) for seed in seeds)
        found[choice.label] = [instance.scr(allocation) for instance, allocation in each]
    return found


def row_of(name: str, scr: Mapping[str, Sequence[float]]) -> str:
    """Return a row: mean SCR with its interval and rank of each policy, and DASHF's lead over the next."""
    means = {policy: float(np.mean(values)) for policy, values in scr.items()}
    order = sorted(means, key=lambda policy: -means[policy])
    cells = [name]
    for policy in POLICIES:
        found = t_interval(scr[policy])
        half = float(found.high - found.mean)
        cells.append(f"{means[policy]:.3g} ± {half:.2g} ({order.index(policy) + 1})")
    rival = next(policy for policy in order if policy not in ("dashf", OURS))
    lead = ratio_interval(scr["dashf"], scr[rival])
    cells.append(f"{float(lead.mean):.2f} ({float(lead.low):.2f} to {float(lead.high):.2f}), {rival}")
    return "| " + " | ".join(cells) + " |\n"


def table(seeds: Sequence[int]) -> str:
    """Return the table of all effects."""
    heads = ("effect", *(f"`{policy}`" for policy in POLICIES), "`dashf` over the best baseline")
    rule = "|" + "---|" * len(heads) + "\n"
    rows = [row_of(name, scr_of(effect, seeds)) for name, effect in EFFECTS.items()]
    note = (
        f"\nMean SCR of {len(seeds)} worlds ± half of its 95 % t interval, and the rank; the ratio of means "
        "has Fieller's interval over pairs of the same world.\n"
    )
    return "| " + " | ".join(heads) + " |\n" + rule + "".join(rows) + note


def main() -> None:
    """Print the table; write it into the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = table(range(options.seeds))
    sys.stdout.write(made)
    if options.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), made, BEGIN, END), "utf-8")


if __name__ == "__main__":
    main()
