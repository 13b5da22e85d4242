"""What tests of the exactness law share: policies cut to what is allowed, and the law itself."""

import dataclasses

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.results.derive import all_tables

PHASES = ("local", "uplink", "server", "downlink")


def cut_to_allowed(policy):
    """Return a policy whose phi and speeds are cut to what is allowed: random ones know nothing of it."""

    class Cut:
        def allocate(self, observation):
            self.seen, answer = observation.instance, policy.allocate(observation)
            if answer is None:
                return None
            users = self.seen.users
            least = 0.0 if self.seen.power is None else self.seen.power.users.min_gpu_flops
            self.answer = dataclasses.replace(
                answer,
                local_fraction=np.minimum(answer.local_fraction, users.local_fraction_max),
                user_gpu_flops=np.maximum(answer.user_gpu_flops, least),
            )
            return self.answer

    return Cut()


def hold_first_rounds(scenario, policy, seed):
    """Hold what the first rounds of a run took against the static system, at 1e-9."""
    policy = cut_to_allowed(policy)
    simulation = Simulation(scenario, policy, seed)
    tables = all_tables(simulation.run(), simulation.world)
    rounds, costs = tables["rounds"], policy.seen.costs(policy.answer)
    first = rounds["round"] == 0
    order = np.argsort(rounds["user"][first])
    assert (rounds["outcome"][first] == "finished").all()
    for k, phase in enumerate(PHASES):
        for unit, values in (("s", costs.delay_s), ("j", costs.energy_j)):
            got = rounds[f"{phase}_{unit}"][first][order]
            np.testing.assert_allclose(got, values[:, k], rtol=1e-9, atol=0, err_msg=f"{phase}_{unit}")
    scr = policy.seen.scr(policy.answer)
    np.testing.assert_allclose(tables["generations"]["scr"][0], scr, rtol=1e-9)


@pytest.fixture(scope="session")
def allowed():
    """Return the function from a policy to one whose answers are cut to what is allowed."""
    return cut_to_allowed


@pytest.fixture(scope="session")
def assert_law():
    """Return the function that holds a run against the static system."""
    return hold_first_rounds
