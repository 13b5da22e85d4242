"""Policies on static snapshots: one row for each setting, seed and policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.registry import make_policy
from mecsim.rng import Purpose, stream
from mecsim.scenario.load import load_scenario
from mecsim.world.world import World

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.scenario.schema import Scenario
    from mecsim.system.allocation import Allocation
    from mecsim.system.instance import Instance

SYSTEMS = ("paper", "paper-20")
POLICIES = ("rucaa", "gucaa", "aauco", "gucro", "dashf")
BANDWIDTHS_MHZ = tuple(range(10, 101, 10))
# The paper's own pairs are the third and the last; the others go on along the line through them.
WEIGHTS = ((0.9, 0.001), (0.7, 0.003), (0.5, 0.005), (0.3, 0.007), (0.1, 0.009))
PAPER_WEIGHTS, ENERGY_FIRST = WEIGHTS[2], WEIGHTS[4]
USES = ("bandwidth", "server_power", "server_gpu", "user_power", "user_gpu")

Done = Callable[[], None]


def by_system(seeds: Sequence[int], done: Done) -> pd.DataFrame:
    """Return every policy on every system; ``system`` says which."""
    return _frame([_rows(load_scenario(name), seeds, done, system=name) for name in SYSTEMS])


def by_bandwidth(seeds: Sequence[int], done: Done) -> pd.DataFrame:
    """Return every policy at every bandwidth of a server; column ``bandwidth_mhz``."""
    scenario = load_scenario(SYSTEMS[0])
    return _frame(
        [
            _rows(scenario.with_changes({"servers.bandwidth_mhz": mhz}), seeds, done, bandwidth_mhz=mhz)
            for mhz in BANDWIDTHS_MHZ
        ]
    )


def by_weights(seeds: Sequence[int], done: Done) -> pd.DataFrame:
    """Return every policy under every pair of weights; columns ``delay_per_s`` and ``energy_per_j``."""
    scenario = load_scenario(SYSTEMS[0])
    parts = []
    for delay_per_s, energy_per_j in WEIGHTS:
        changes = {
            "objective.delay_weight_per_s": delay_per_s,
            "objective.energy_weight_per_j": energy_per_j,
        }
        changed = scenario.with_changes(changes)
        parts.append(_rows(changed, seeds, done, delay_per_s=delay_per_s, energy_per_j=energy_per_j))
    return _frame(parts)


def decide(policy: Policy, label: str, scenario: Scenario, seed: int) -> tuple[Instance, Allocation]:
    """Return the snapshot of the world at time 0, and the policy's decision for it.

    Raises
    ------
    PolicyFailed, InvalidAllocation
        If the policy decides nothing, or breaks a constraint.
    """
    world = World(scenario, seed)
    reset = getattr(policy, "reset", None)
    if reset is not None:
        info = ScenarioInfo(
            scenario.name,
            world.user_count,
            world.server_count,
            scenario.duration_s,
            scenario.reallocation.period_s,
        )
        reset(info, stream(seed, Purpose.POLICY))
    instance = world.instance(0.0)
    allocation = policy.allocate(Observation.of(instance))
    if allocation is None:
        raise PolicyFailed(f"policy '{label}' decided nothing for {scenario.name}, seed {seed}")
    violations = allocation.violations(instance)
    if violations:
        raise InvalidAllocation(f"policy '{label}' on {scenario.name}, seed {seed}: {violations[0]}")
    return instance, allocation


def measures(instance: Instance, allocation: Allocation) -> dict[str, float]:
    """Return the share granted of each kind of resource, their mean, largest delay, energy, score, SCR.

    The share of a server's resource is what all servers grant over what all have; of a user's
    power or GPU speed, the mean over users of what is set over the most allowed.
    """
    s, u = instance.servers, instance.users
    use = {
        "bandwidth": allocation.bandwidth_hz.sum() / s.bandwidth_hz.sum(),
        "server_power": allocation.server_power_w.sum() / s.max_power_w.sum(),
        "server_gpu": allocation.server_gpu_flops.sum() / s.max_gpu_flops.sum(),
        "user_power": np.mean(allocation.user_power_w / u.max_power_w),
        "user_gpu": np.mean(allocation.user_gpu_flops / u.max_gpu_flops),
    }
    costs = instance.costs(allocation)
    return {kind: float(use[kind]) for kind in USES} | {
        "use": float(np.mean([use[kind] for kind in USES])),
        "delay_s": float(costs.delay_s.sum(axis=1).max()),
        "energy_j": float(costs.energy_j.sum()),
        "score": float(instance.score(allocation).sum()),
        "scr": instance.scr(allocation),
    }


def _rows(scenario: Scenario, seeds: Sequence[int], done: Done, **setting: Any) -> list[dict[str, Any]]:
    rows = []
    for seed in seeds:
        for policy in POLICIES:
            found = measures(*decide(make_policy(policy), policy, scenario, seed))
            rows.append(setting | {"seed": seed, "policy": policy} | found)
        done()
    return rows


def _frame(parts: Sequence[list[dict[str, Any]]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([row for part in parts for row in part])
