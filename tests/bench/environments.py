"""What environments cost: steps, the share of the wrapper, and many at once; ``make bench`` prints this.

Nothing here is asserted: times belong to a machine, and tests never look at the clock.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from unittest.mock import patch

import gymnasium
import numpy as np
from mecsim_policies.baselines import Nearest

from mecsim import load_scenario
from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation
from mecsim.rl.env import AllocationEnv
from mecsim.rl.stepped_run import SteppedRun
from mecsim.scenario.schema import Scenario
from mecsim.system.allocation import Allocation

AT_ONCE = 8


def scenario(users: int, duration_s: float) -> Scenario:
    changes = {"users.count": users, "duration_s": duration_s, "warmup_s": 0.0, "reallocation.period_s": 1.0}
    return load_scenario("campus").with_changes(changes)


class Replay:
    """Decides what an environment has decided."""

    def __init__(self, allocations: list[Allocation]) -> None:
        self._allocations = iter(allocations)

    def allocate(self, observation: Observation) -> Allocation:
        return next(self._allocations)


def stepped(case: Scenario) -> tuple[float, float, list[Allocation]]:
    """Return the CPU time of an episode of nearest without its reset and actions, and of the run in it."""
    env, policy, total_s, inner_s = AllocationEnv(case), Nearest(), 0.0, [0.0]
    allocations = []
    step = SteppedRun.step

    def timed(self: SteppedRun, allocation: Any) -> Any:
        began = time.process_time()
        try:
            return step(self, allocation)
        finally:
            inner_s[0] += time.process_time() - began

    env.reset(seed=1)
    over = False
    with patch.object(SteppedRun, "step", timed):
        while not over:
            allocations.append(policy.allocate(env.observation))
            action = env.encode(allocations[-1])
            began = time.process_time()
            over = env.step(action)[3]
            total_s += time.process_time() - began
    return total_s, inner_s[0], allocations


def one_at_a_time() -> None:
    print("\nOne environment, epochs of 1 s, actions of nearest (decisions per CPU second)")
    for users, duration_s in ((10, 400), (100, 60)):
        case = scenario(users, duration_s)
        total_s, inner_s, allocations = stepped(case)
        simulation = Simulation(case, Replay(allocations), 1)
        began = time.process_time()
        simulation.run()
        whole_s = time.process_time() - began
        print(
            f"  {users:4d} users: {duration_s / total_s:8,.0f} steps, the wrapper {1 - inner_s / total_s:.1%}"
            f" of it; {total_s / whole_s:.2f} x the time of simulate with the same decisions"
        )


def vector_steps_per_s(vector: Any, users: int, steps: int) -> float:
    try:
        vector.reset(seed=list(range(AT_ONCE)))
        rng = np.random.default_rng(1)
        actions = rng.integers(2, size=(steps, AT_ONCE, users))
        began = time.perf_counter()
        for action in actions:
            vector.step(action)
        return AT_ONCE * steps / (time.perf_counter() - began)
    finally:
        vector.close()


def many_at_once() -> None:
    print(f"\n{AT_ONCE} environments, random actions (steps per second of wall time)")
    for users, steps in ((10, 60), (100, 15)):
        made = [partial(AllocationEnv, scenario(users, 1000))] * AT_ONCE
        one = vector_steps_per_s(gymnasium.vector.SyncVectorEnv(made), users, steps)
        many = vector_steps_per_s(gymnasium.vector.AsyncVectorEnv(made), users, steps)
        print(
            f"  {users:4d} users: {one:8,.0f} one after the other, {many:8,.0f} at once: {many / one:.2f} x"
        )


if __name__ == "__main__":
    one_at_a_time()
    many_at_once()
