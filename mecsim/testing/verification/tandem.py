"""Two queues in a row, row Q6: users arrive, train at a server, download the result and leave.

Users share both resources equally, so each is a processor-sharing queue. The GPU has a constant speed. The
speed of the radio depends on its number n of users, because a narrower band has a higher SNR at the same
power: it is ``log2(1 + n x) / log2(1 + x)`` times that of one user. The numbers of users have the product
form of Jackson's networks, whatever the distributions of the work.

References
----------
Baskett, Chandy, Muntz and Palacios (1975), "Open, closed, and mixed networks of queues".
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np

from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.testing.verification.broken_engine import other_scenario
from mecsim.testing.verification.finding import Check, Finding, Setting, per_cycle
from mecsim.testing.verification.mutant import reused
from mecsim.testing.verification.queues import scenario_of
from mecsim.testing.verification.reference_queues import stationary_law
from mecsim.world.world import World

RATE_PER_S, LOAD = 0.4, 0.4
_SNR, _ALONE_S = 15.0, 1.25
_MOST = 200


class Apart:
    """A policy with all training at the only server, equal shares of band and GPU, and equal powers."""

    def __init__(self, power_w: float) -> None:
        self.power_w = power_w

    def allocate(self, observation: Observation) -> Allocation:
        """Return the allocation."""
        instance = observation.instance
        count = instance.user_count
        each, servers = np.ones(count), instance.servers
        return Allocation(
            server=np.zeros(count, dtype=np.int64),
            local_fraction=0.0 * each,
            bandwidth_hz=servers.bandwidth_hz[0] / max(count, 1) * each,
            user_power_w=0.0 * each,
            server_power_w=self.power_w * each,
            user_gpu_flops=0.0 * each,
            server_gpu_flops=servers.max_gpu_flops[0] / max(count, 1) * each,
        )


class Passages(NamedTuple):
    """Users who arrived, trained and left, in the order of their arrival, (J,) each, in s."""

    arrivals_s: Floats
    trained_s: Floats
    ends_s: Floats


@reused
def passages(setting: Setting) -> Passages:
    """Return a run in which both the GPU and the radio are in use for less than half of the time."""
    changes = {
        "duration_s": 6000.0 * setting.size,
        "users.count": 0,
        "users.arrivals": {"rate_per_s": RATE_PER_S, "rounds": 1},
        "workload.token_bits": {"exponential": 1e6},
        "service.sharing": "work_conserving",
        "reallocation.events": ["arrival"],
        # All users are within the shortest distance of the path loss.
        "area.size_m": [1.0, 1.0],
        "servers.positions_m": [[0.5, 0.5]],
    }
    seed = 6 + setting.seed
    world = World(scenario_of(changes), seed)
    gain, noise = float(world.all_gains(0.0, fading=False).max()), world.noise_w_per_hz
    bandwidth_hz = float(world.servers.bandwidth_hz[0])
    power_w = _SNR * noise * bandwidth_hz / gain
    bits = _ALONE_S * float(world.rate_law.rate(bandwidth_hz, power_w, gain))
    scenario = scenario_of(changes | {"workload.bits_per_param": bits / 1e6})
    rounds = Simulation(scenario, Apart(power_w), seed).run().rounds
    done = rounds["outcome"] == "finished"
    order = np.argsort(rounds["start_s"][done])
    start_s, server_s, delay_s = (rounds[name][done][order] for name in ("start_s", "server_s", "delay_s"))
    return Passages(start_s, start_s + server_s, start_s + delay_s)


def numbers() -> tuple[Floats, Floats]:
    """Return the laws of the numbers at the GPU and at the radio."""
    there = np.arange(1, _MOST)
    faster = np.log1p(there * _SNR) / math.log1p(_SNR)
    return stationary_law(LOAD, np.ones(_MOST - 1)), stationary_law(RATE_PER_S * _ALONE_S, faster)


def _cycles(jobs: Passages) -> tuple[Ints, Floats]:
    """Return the first job of each cycle, which finds the system empty, and the end of each cycle."""
    empty_s = np.maximum.accumulate(jobs.ends_s)
    first = np.flatnonzero(np.append(True, jobs.arrivals_s[1:] > empty_s[:-1]))
    return first, empty_s[first[1:] - 1]


def sojourn(setting: Setting) -> Finding:
    """Check Little's law for the sum of both numbers."""
    jobs = passages(setting)
    time_s = jobs.ends_s - jobs.arrivals_s
    first, _ = _cycles(jobs)
    expected_s = sum(float(np.arange(_MOST) @ law) for law in numbers()) / RATE_PER_S
    return per_cycle(np.add.reduceat(time_s, first)[:-1], np.diff(first), expected_s)


def both_empty(setting: Setting) -> Finding:
    """Check that both queues are empty for the product of their idle shares of time."""
    jobs = passages(setting)
    first, empty_s = _cycles(jobs)
    begins_s = jobs.arrivals_s[first]
    gpu, radio = numbers()
    return per_cycle(begins_s[1:] - empty_s, np.diff(begins_s), float(gpu[0] * radio[0]))


NO_RADIO = other_scenario("the radio left out", sys.modules[__name__], {"workload.bits_per_param": 0})

CHECKS = (
    Check("Q6 sojourn", "GPU, then radio, s", sojourn, NO_RADIO),
    Check("Q6 empty", "P(both empty), product form", both_empty, NO_RADIO),
)
