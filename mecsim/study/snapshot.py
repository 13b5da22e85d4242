"""One decision on the world at time 0, and the measures of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mecsim.engine.policy_caller import PolicyCaller
from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.rng import Purpose, stream
from mecsim.world.population import energy_budgets_w
from mecsim.world.world import World

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario
    from mecsim.system.allocation import Allocation
    from mecsim.system.instance import Instance

USES = ("bandwidth", "server_power", "server_gpu", "user_power", "user_gpu")
DECISION_MEASURES = {*USES, "use", "delay_s", "energy_j", "score", "scr"}
"""Names of what :func:`measures` returns."""


def decide(policy: Policy, label: str, scenario: Scenario, seed: int) -> tuple[Instance, Allocation]:
    """Return the snapshot of the world at time 0, and the policy's decision for it.

    Raises
    ------
    PolicyFailed, InvalidAllocation
        If the policy raises or decides nothing, or breaks a constraint.
    """
    world = World(scenario, seed)
    caller = PolicyCaller(policy, label)
    info = ScenarioInfo(
        scenario.name,
        world.user_count,
        world.server_count,
        scenario.duration_s,
        scenario.reallocation.period_s,
        energy_budgets_w(scenario, world.population.kind),
    )
    try:
        caller.reset(info, stream(seed, Purpose.POLICY))
        instance = world.instance(0.0)
        answer = caller.ask(Observation.of(instance))
    finally:
        caller.put_back_generators()
    if answer.allocation is None and not answer.problem:
        raise PolicyFailed(f"policy '{label}' decided nothing for {scenario.name}, seed {seed}")
    problem: object = answer.problem
    if answer.allocation is not None:
        problem = next(iter(answer.allocation.violations(instance)), "")
        if not problem:
            return instance, answer.allocation
    raise InvalidAllocation(f"policy '{label}' on {scenario.name}, seed {seed}: {problem}") from answer.cause


def measures(instance: Instance, allocation: Allocation) -> dict[str, float]:
    """Return the share granted of each kind of resource, their mean, delay, energy, score, SCR.

    The share of a server's resource is what all servers grant over what all have; of a user's
    power or GPU speed, the mean over users of what is set over the most allowed. Delay and energy are those
    that the objective counts.
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
        "delay_s": instance.total_delay(costs.delay_s.sum(axis=1)),
        "energy_j": instance.total_energy(costs.energy_j),
        "score": float(instance.score(allocation).sum()),
        "scr": instance.scr(allocation),
    }
