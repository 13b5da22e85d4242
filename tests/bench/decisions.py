"""How good and how fast one decision is: ``make bench`` prints this after the engine.

The best SCR found is that of `exhaustive`, the joint step for every association, or of any policy here
if higher: it is found, not proven.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from mecsim_policies.optim.joint import joint_step

from mecsim import simulate
from mecsim.analysis.style import STYLE, WIDTH_IN, policy_styles, save_figure
from mecsim.errors import PolicyError
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.system.allocation import Allocation
from mecsim.system.instance import Instance
from mecsim.system.power import DevicePower, PowerSpec
from mecsim.system.rate_spec import IDEAL, RATES, RateSpec
from mecsim.system.round_work import RoundWork
from mecsim.world.world import World

SEEDS = 50
LAW_PAIRS = 5
COMPARED = ("rucaa", "gucaa", "aauco", "gucro", "dashf", "dashf_reference", "dashf_plus")
COMPARED += ("local_search", "exhaustive", "water_filling", "best_response", "matching", "card")
POLISHED = ("dashf", "dashf_reference", "dashf_plus")
DASHF = ("dashf", "dashf_plus")
FIGURE = Path("results") / "bench" / "best_found.png"
# Fixed here, so that figures of different commits are of the same snapshots.
TOKEN_BITS = {"uniform": [10e6, 50e6]}


def snapshot(
    seed: int, users: int, servers: int, *, unlike: bool = False, rate: RateSpec = IDEAL
) -> Instance:
    """Return a snapshot of `paper` with 10 to 50 Mbit of tokens, of another size or with unlike devices."""
    rng = np.random.default_rng([seed, users, servers])
    changes: dict[str, Any] = {
        "users.count": users,
        "servers.positions_m": rng.uniform(0, 1000, (servers, 2)).tolist(),
        "workload.token_bits": TOKEN_BITS,
    }
    if unlike:
        changes |= {
            "servers.bandwidth_mhz": rng.choice([5, 10, 20], servers).tolist(),
            "servers.max_power_w": rng.choice([5, 10, 20], servers).tolist(),
            "servers.gpu_count": rng.choice([2, 4, 8], servers).tolist(),
            "users.max_power_w": rng.choice([0.1, 0.2, 0.4], users).tolist(),
            "users.gpu_count": rng.choice([1, 2, 4], users).tolist(),
        }
    return replace(World(load_scenario("paper").with_changes(changes), seed).instance(0.0), rate=rate)


def decide(spec: str, instance: Instance) -> tuple[Allocation, float]:
    """Return a cold decision and its CPU time in s."""
    policy = make_policy(spec)
    began = time.process_time()
    allocation = policy.allocate(Observation.of(instance))
    assert allocation is not None
    return allocation, time.process_time() - began


def quality() -> None:
    rows = []
    for kind in ("like", "unlike"):
        for seed in range(SEEDS):
            instance = snapshot(seed, 10, 2, unlike=kind == "unlike")
            decided = {name: decide(name, instance) for name in COMPARED}
            scr = {name: instance.scr(allocation) for name, (allocation, _) in decided.items()}
            best = max(scr.values())
            for name in POLISHED:  # what of the distance is not the association's
                allocation = joint_step(instance, decided[name][0])
                scr[f"{name} + joint"] = instance.scr(allocation)
            rows += [
                (kind, seed, name, value, value / best, 1e3 * decided[name.partition(" ")[0]][1])
                for name, value in scr.items()
            ]
    frame = pd.DataFrame(rows, columns=["servers", "seed", "policy", "scr", "of_best", "cpu_ms"])
    for kind, part in frame.groupby("servers"):
        print(f"\nSCR against the best found, {SEEDS} snapshots of 10 users and 2 {kind} servers")
        print("  policy                   mean SCR   mean of best   worst   median CPU ms")
        for name, own in part.groupby("policy", sort=False):
            print(
                f"  {name:23s} {own['scr'].mean():9.1f} {own['of_best'].mean():13.4f} "
                f"{own['of_best'].min():8.3f} {own['cpu_ms'].median():12.1f}"
            )
    draw(frame)


def draw(frame: pd.DataFrame) -> None:
    """Draw in how many snapshots each policy comes how near to the best found."""
    shown = [name for name in COMPARED if name != "exhaustive"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(WIDTH_IN, 2.5), sharey=True, layout="constrained")
        for axis, (kind, part) in zip(axes, frame.groupby("servers"), strict=True):
            for name, style in policy_styles(shown).items():
                own, line = (
                    part[part["policy"] == name],
                    {"color": style.colour, "linestyle": style.linestyle},
                )
                sns.ecdfplot(own, x="of_best", label=name, ax=axis, **line)
            axis.set(title=f"{kind} servers", xlabel="SCR / best found", ylabel="share of the snapshots")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
        paths = save_figure(figure, FIGURE)
        plt.close(figure)
    print(f"\nfigure: {paths[0]}")


def sizes() -> None:
    for name in DASHF:
        print(f"\nCPU time of one cold decision of {name} (median of 5 snapshots)")
        for users, servers in ((10, 2), (20, 3), (50, 5), (100, 5), (200, 5), (500, 5)):
            used = np.median([decide(name, snapshot(seed, users, servers))[1] for seed in range(5)])
            print(f"  ({users}, {servers})  {1e3 * used:8.1f} ms   {1e3 * used / users:6.2f} ms a user")


def warm() -> None:
    print("\nCPU time of one warm decision: the epochs of a run, the first left out")
    for users, servers in ((10, 2), (20, 3), (50, 5), (100, 5)):
        changes = {
            "users.count": users,
            "servers.positions_m": [[1000 * (m + 0.5) / servers, 500] for m in range(servers)],
            "duration_s": 300,
            "warmup_s": 0,
        }
        for name in DASHF:
            epochs = simulate(load_scenario("campus").with_changes(changes), policy=name, seed=1).epochs
            cold_ms, *used_ms = 1e3 * epochs["decision_cpu_s"]
            print(
                f"  ({users}, {servers})  {name:10s} mean {np.mean(used_ms):6.1f} ms   "
                f"median {np.median(used_ms):6.1f} ms   the first {cold_ms:6.1f} ms"
            )


def with_all_laws(instance: Instance) -> Instance:
    """Return a snapshot with capped rates, shared GPUs, electronics, charges at the ends of phi, bounds."""
    users, servers, (n, m) = instance.users, instance.servers, instance.gain.shape
    own = DevicePower(0.1 * users.max_gpu_flops, np.full(n, 0.2), np.full(n, 0.1))
    theirs = DevicePower(0.2 * servers.max_gpu_flops, np.full(m, 5.0), np.full(m, 2.0))
    flop, bits = users.adapter_params * users.flops_per_param, users.adapter_params * instance.bits_per_param
    work = RoundWork(flop, flop, 1.5 * flop, 0.5 * flop, bits, 0.5 * bits, 0.5 * bits, bits, 0.0 * bits)
    return replace(
        instance,
        rate=RATES["nr-256qam"],
        power=PowerSpec(own, theirs, np.ones(m, dtype=bool)),
        work=work,
        users=replace(users, local_fraction_max=np.resize([1.0, 0.7], n)),
    )


def laws() -> None:
    print("\nCPU time of one cold decision with all laws on over that by the paper's (target 1.3)")
    for (users, servers, seeds), name in product(((10, 2, 10), (50, 5, 3)), DASHF):
        ratios = []
        for _ in range(LAW_PAIRS):
            spent = [0.0, 0.0]
            for seed in range(seeds):
                instance = snapshot(seed, users, servers)
                for law, each in enumerate((instance, with_all_laws(instance))):
                    spent[law] += decide(name, each)[1]
            ratios.append(spent[1] / spent[0])
        print(f"  ({users}, {servers})  {name:10s} {np.median(ratios):6.3f}, median of {LAW_PAIRS} pairs")


def against_reference() -> None:
    print("\nCPU time of the literal algorithm over that of dashf (median; SCR: mean)")
    for users, servers, seeds, spec in (
        (10, 2, 5, "dashf_reference"),
        (10, 2, 5, "dashf_reference:solver=CLARABEL"),
        (20, 3, 3, "dashf_reference"),
        (50, 5, 1, "dashf_reference"),
    ):
        ratios, scrs = [], []
        for seed in range(seeds):
            instance = snapshot(seed, users, servers)
            try:
                slow, slow_s = decide(spec, instance)
            except PolicyError as error:
                print(f"  ({users}, {servers}) {spec}: {error}")
                break
            fast, fast_s = decide("dashf", instance)
            ratios.append(slow_s / fast_s)
            scrs.append(instance.scr(fast) / instance.scr(slow))
        else:
            print(f"  ({users}, {servers}) {spec:32s} {np.median(ratios):8.1f} x dashf, {seeds} snapshots")
            print(f"{'':10s}whose SCR is {np.mean(scrs):.4f} of the literal one's")


def run(parts: tuple[Callable[[], None], ...] = (quality, sizes, warm, laws, against_reference)) -> None:
    decide("dashf_plus", snapshot(0, 10, 2))  # imports and patterns
    for part in parts:
        part()


if __name__ == "__main__":
    run()
