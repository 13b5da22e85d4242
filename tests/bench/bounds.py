"""How far from the optimum, proved, and in how much CPU time: ``python tests/bench/bounds.py [COUNT]``.

The time is that of one core; that of the incumbent is not in it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from decisions import snapshot
from mecsim_policies.bound.upper import upper_bound

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.instance import Instance
from mecsim.system.round_work import RoundWork


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


ROWS = (
    Row("like", 10, 2, False, 50, "local_search", 0.015, 0.6),
    Row("unlike", 10, 2, True, 50, "local_search", 0.015, 0.6),
    Row("like", 20, 3, False, 20, "local_search", 0.017, 1.0),
    Row("like", 50, 5, False, 20, "local_search", 0.014, 1.5),
    Row("like", 100, 5, False, 20, "dashf_plus", 0.012, 2.0),
    Row("peft", 10, 2, False, 20, "local_search", np.inf, 2.4),
    Row("split", 10, 2, False, 20, "local_search", np.inf, 2.4),
    Row("like", 200, 10, False, 2, "dashf_plus", 0.03, 6.0),
    Row("like", 500, 20, False, 1, "dashf_plus", 0.03, 30.0),
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


def measure(rows: Iterable[Row], most: int) -> None:
    """Print a line for each row: gaps and times at the root, and warm ones."""
    head = "gap mean  median  90 %   max    mark   CPU s  mark   warm ms  looser"
    print(f"{'instances':26s} {head}")
    for row in rows:
        gaps, cpu_s, warm_s, looser = [], [], [], []
        for seed in range(min(row.count, most)):
            instance = drawn(row, seed)
            answer = make_policy(row.policy).allocate(Observation.of(instance))
            bound, spent = timed(instance=instance, incumbent=answer)
            later = moved(instance, seed)
            start = bound.multipliers
            warm, warm_spent = timed(instance=later, multipliers=start, incumbent=bound.incumbent_scr)
            gaps.append(bound.gap)
            cpu_s.append(spent)
            warm_s.append(warm_spent)
            looser.append(warm.scr_upper / upper_bound(later).scr_upper - 1.0)
        quantiles = np.quantile(gaps, [0.5, 0.9, 1.0])
        print(
            f"{len(gaps):3d} ({row.users}, {row.servers}) {row.name:12s} {np.mean(gaps):9.2%}"
            + "".join(f" {value:6.2%}" for value in quantiles)
            + f" {row.most_gap:6.1%} {np.median(cpu_s):6.2f} {row.most_cpu_s:5.1f}"
            + f" {1e3 * np.median(warm_s):8.0f} {np.mean(looser):8.3%}",
            flush=True,
        )


if __name__ == "__main__":
    measure(ROWS, int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
