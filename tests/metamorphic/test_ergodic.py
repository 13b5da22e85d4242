"""Fading for long is the mean over fading: an ergodic run stands for a Rayleigh one (C5 in the engine).

Thirty users at 20 m/s, 7.5 ms of coherence, transfers of seconds: the rate that a transfer sees is the mean
rate to a few per cent, and over all transfers to a few per mille. Both runs have the same places and work.
"""

import numpy as np
import pytest
from mecsim_policies.baselines import Nearest

from mecsim.engine.simulation import Simulation

MOVING = {
    "duration_s": 120.0,
    "users.count": 30,
    "users.mobility": {"model": "random_waypoint", "speed_mps": [20.0, 20.0]},
    "workload.adapter_params": 2e6,
    "channel.carrier_ghz": 2.0,
    "channel.fading.block_s": 0.005,
}


@pytest.fixture(scope="module")
def transfers(make_scenario):
    """Return a function from a fading model to the transfer times of the rounds that all runs finish."""
    done = {}

    def times(model):
        if model not in done:
            scenario = make_scenario(MOVING | {"channel.fading.model": model})
            table = Simulation(scenario, Nearest(), 4).run().rounds
            columns = (table[name] for name in ("user", "round", "outcome", "uplink_s", "downlink_s"))
            done[model] = {
                (user, k): (up_s, down_s)
                for user, k, outcome, up_s, down_s in zip(*columns, strict=True)
                if outcome == "finished" and k < 3
            }
        return done[model]

    return times


def check_same_mean(one, other):
    common = sorted(set(one) & set(other))
    assert len(common) >= 60
    first, second = (np.array([times[pair] for pair in common]).sum(axis=0) for times in (one, other))
    np.testing.assert_allclose(first, second, rtol=0.01)


def test_an_ergodic_run_has_the_mean_transfer_times(transfers):
    check_same_mean(transfers("rayleigh"), transfers("ergodic"))


def test_rejects_the_rate_of_the_mean_gain(transfers):
    with pytest.raises(AssertionError):
        check_same_mean(transfers("rayleigh"), transfers("none"))
