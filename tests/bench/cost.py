"""Cost against users, servers and block length, set-up of a large world, and what an install holds.

``make bench`` prints this and draws the figure of docs/performance.md, with other simulators beside mecsim as
``peers/measure.py`` has found them. Nothing here is asserted.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from bench import cpu_s, scenario
from mecsim_policies.baselines import Nearest

from mecsim.analysis.style import STYLE, WIDTH_IN, save_figure
from mecsim.engine.simulation import Simulation

FIGURE = Path("results") / "bench" / "cost.png"
USER_SECONDS, LEAST_S, REPEATS = 6_000, 60.0, 3  # long enough that the set-up does not show
USERS = (5, 10, 30, 100, 300, 1000)
SERVERS = (1, 2, 5, 10, 20)
BLOCKS_S = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
PEERS = Path(__file__).parent / "peers" / "measured.csv"
PEER_NAMES = {"handoverlab": "HandoverLab", "leafsim": "LEAF"}
RULES = ("reserved", "work_conserving")
SET_UP = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from bench import scenario
from cost import places_m
from mecsim.engine.simulation import Simulation
from mecsim_policies.baselines import Nearest
large = scenario(5000, 3600, **{"servers.positions_m": places_m(50)})
began = time.process_time()
Simulation(large, Nearest(), 1)
spent_s, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"[{spent_s}, {peak / 1024}]")
"""


def places_m(count: int) -> list[list[float]]:
    """Return places of servers, the same for the same number."""
    places: list[list[float]] = np.random.default_rng(count).uniform(0, 1000, (count, 2)).tolist()
    return places


def cost_us(users: int, duration_s: float, **changes: Any) -> float:
    """Return the CPU time of a user-second in us, least of some runs."""
    case = scenario(users, duration_s, **changes)
    used_s = cpu_s(lambda: Simulation(case, Nearest(), 1).run(), REPEATS)
    return used_s / (users * duration_s) * 1e6


def measured() -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """Return the costs of each panel by curve, with what they are plotted against."""
    users: dict[str, tuple[list[float], list[float]]] = {}
    for rule in RULES:
        costs = [cost_us(n, max(LEAST_S, USER_SECONDS / n), **{"service.sharing": rule}) for n in USERS]
        users[rule] = list(map(float, USERS)), costs
    servers = [
        cost_us(100, USER_SECONDS / 100, **{"servers.positions_m": places_m(count)}) for count in SERVERS
    ]
    blocks = [cost_us(100, USER_SECONDS / 100, **{"channel.fading.block_s": each}) for each in BLOCKS_S]
    return {
        "users, 5 servers": users,
        "servers, 100 users": {"reserved": (list(map(float, SERVERS)), servers)},
        "block length in s, 100 users": {"reserved": (list(map(float, BLOCKS_S)), blocks)},
    }


def peers_us(blocks: tuple[list[float], list[float]]) -> dict[str, tuple[list[float], list[float]]]:
    """Return steps in s and costs of a user-second in us of each peer by name, from its ratios to mecsim."""
    own, found = dict(zip(*blocks, strict=True)), dict[str, tuple[list[float], list[float]]]()
    with PEERS.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            peer = PEER_NAMES.get(line["peer"], line["peer"])
            steps, costs = found.setdefault(f"{peer} {line['what']}".strip(), ([], []))
            steps.append(float(line["step_s"]))
            costs.append(own[steps[-1]] / float(line["of_mecsim"]))
    del found["mecsim"]
    return found


def draw(panels: dict[str, dict[str, tuple[list[float], list[float]]]]) -> Path:
    """Draw a panel for each thing that the cost depends on."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(WIDTH_IN, 2.5), sharey=True, layout="constrained")
        for axis, (name, curves) in zip(axes, panels.items(), strict=True):
            for marker, (rule, (x, costs)) in zip("os", curves.items(), strict=False):
                axis.plot(x, costs, marker=marker, markersize=3.5, label=rule.replace("_", "-"))
            if "block" in name:
                for marker, (peer, (x, costs)) in zip(
                    "^vDPX", peers_us(curves["reserved"]).items(), strict=False
                ):
                    axis.plot(x, costs, marker, markersize=4, color="0.35", label=peer)
            axis.set(xlabel=name, xscale="log", yscale="log")
            axis.xaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_major_formatter("{x:g}")
        axes[0].set_ylabel("CPU us a user-second")
        axes[0].legend(frameon=False)
        handles, labels = axes[2].get_legend_handles_labels()
        figure.legend(handles[1:], labels[1:], frameon=False, ncols=5, loc="outside lower center")
        png, _ = save_figure(figure, FIGURE)
        plt.close(figure)
    return png


def installed_mb() -> dict[str, float]:
    """Return the size of each package of the install without extras, largest first."""
    waiting, found = ["mecsim"], dict[str, float]()
    while waiting:
        name = re.split(r"[^\w.-]", waiting.pop())[0].lower().replace("_", "-")
        if name in found:
            continue
        own = distribution(name)
        paths = [Path(str(file.locate())) for file in own.files or ()]
        found[name] = sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
        waiting += [line for line in own.requires or () if ";" not in line]
    del found["mecsim"]
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def run() -> None:
    panels = measured()
    print("\nCPU us a user-second (least of 3)")
    for name, curves in panels.items():
        for rule, (x, costs) in curves.items():
            cells = "  ".join(f"{at:g}: {cost:.0f}" for at, cost in zip(x, costs, strict=True))
            print(f"  {name}, {rule}\n    {cells}")
    print(f"figure: {draw(panels)}")
    command = [sys.executable, "-c", SET_UP, str(Path(__file__).parent)]
    spent_s, peak_mb = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    print(f"\nSet-up of 5,000 users and 50 servers: {spent_s:.2f} s of CPU, peak {peak_mb:.0f} MB")
    sizes = installed_mb()
    print(f"\nThe install without extras: {sum(sizes.values()):.0f} MB in {len(sizes)} packages")
    print("  " + ", ".join(f"{name} {size:.0f}" for name, size in sizes.items() if size >= 1))


if __name__ == "__main__":
    began = time.perf_counter()
    run()
    print(f"({time.perf_counter() - began:.0f} s)")
