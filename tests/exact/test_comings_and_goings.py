"""One who stays and one who comes and goes, computed by hand (docs/model.md 9 to 11).

A round is 4e12 FLOP at one server of 2 TFLOP/s (400 W), without transfers: 2 s alone, at half the speed while
both are there. The second user comes within a nanosecond after 1 s. Bugs it would catch: a share that is
not given on when its user leaves, or given on where it is reserved; a round that starts before its user
has an allocation; a cohort that waits for one who has gone; a lost round that costs nothing.
"""

import dataclasses
import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy


class Unequal:
    """All work at the server, three quarters of it for user 0 where both are there."""

    def allocate(self, observation):
        allocation = make_policy("edge_only").allocate(observation)
        users = observation.user
        share = np.where(users == 0, 0.75, 0.25) if len(users) == 2 else np.ones(len(users))
        flops = share * observation.instance.servers.max_gpu_flops[0]
        return dataclasses.replace(allocation, server_gpu_flops=flops)


@pytest.fixture
def play(make_scenario):
    """Return a function from a stay and changes to the rounds of either user, and when the second came."""

    def run(stay_s, policy=None, **changes):
        crowd = {"from_s": 1.0, "to_s": 1.0 + 1e-9, "users": 1, "at_m": [200, 200], "stay_s": stay_s}
        scenario = make_scenario({
            "duration_s": 30, "servers.positions_m": [[250, 200]],
            "servers.gpu": {"peak_tflops": 2, "board_power_w": 400},
            "servers.gpu_count": 1, "servers.gpu_utilisation": 1, "users.count": 1,
            "workload.rounds": {"mode": "continuous", "think_s": 1000},
            "workload.adapter_params": 1e6, "workload.token_bits": 4e6,
            "workload.bits_per_token_id": 1, "workload.flops_per_param_and_token": 1,
            "workload.bits_per_param": 0, "calendar.flash_crowds": [crowd],
            "channel.shadowing.sigma_db": 0, "channel.fading": {"model": "none"},
            "reallocation.period_s": 30, "reallocation.events": ["arrival"],
        } | {key.replace("__", "."): value for key, value in changes.items()})  # fmt: skip
        record = Simulation(scenario, policy or make_policy("edge_only"), 1).run()
        rows = [
            {name: column[record.rounds["user"] == n].tolist() for name, column in record.rounds.items()}
            for n in (0, 1)
        ]
        return *rows, float(record.ledger["entered_s"][1])

    return run


def near(*values):
    return pytest.approx(list(values), rel=1e-12)


@pytest.mark.parametrize(
    ("sharing", "events", "speed_after"),
    [
        ("work_conserving", ["arrival"], 1.0),
        ("reserved", ["arrival"], 0.5),
        ("reserved", ["arrival", "departure"], 1.0),
    ],
)
def test_what_one_who_leaves_had_goes_to_the_other(play, sharing, events, speed_after):
    stays, goes, came_s = play(0.5, service__sharing=sharing, reallocation__events=events)
    left = 2.0 - came_s - 0.25
    assert stays["delay_s"] == near(came_s + 0.5 + left / speed_after)
    assert goes["outcome"] == ["dropped"]
    assert goes["server_s"] == goes["delay_s"] == near(0.5)
    assert goes["server_j"] == near(0.5 * 400 / 8)  # the cube of half the speed
    assert goes["wait_s"] == [0.0]


def test_a_newcomer_waits_for_its_allocation(play):
    stays, comes, came_s = play(20.0, reallocation__events=[], reallocation__period_s=1.5)
    assert comes["start_s"] == near(1.5)
    assert comes["wait_s"] == near(1.5 - came_s)
    assert stays["delay_s"] == near(1.5 + 0.5 * 2)
    assert comes["outcome"] == ["finished"]


def test_a_policy_that_keeps_its_decision_gives_a_newcomer_nothing(play):
    class Keeps:
        def allocate(self, observation):
            return None if observation.epoch else make_policy("edge_only").allocate(observation)

    stays, comes, _ = play(20.0, policy=Keeps(), reallocation__period_s=1.5)
    assert stays["delay_s"] == near(2.0)
    assert comes["start_s"] == []


def test_a_newcomer_is_shown_at_its_strongest_server_with_nothing(play):
    seen = []

    class Looks:
        def allocate(self, observation):
            seen.append(observation)
            return make_policy("edge_only").allocate(observation)

    play(20.0, policy=Looks(), servers__positions_m=[[20, 20], [210, 200]])
    assert [look.user.tolist() for look in seen[:2]] == [[0], [0, 1]]
    had = seen[1].allocation
    assert had.server[1] == 1
    assert not any(column[1] for column in had.columns)
    assert had.server_gpu_flops[0] == 2e12


def test_a_common_start_does_not_wait_for_one_who_has_gone(play):
    """Both start at 2 s; user 0 ends after 2 / 0.75 s, user 1 would after 8 s, and leaves after 5 s."""
    rounds = {"mode": "synchronous"}
    changes = {"workload__rounds": rounds, "reallocation__events": [], "reallocation__period_s": 1.0}
    stays, goes, came_s = play(5.0, policy=Unequal(), **changes)
    assert goes["start_s"] == near(2.0)
    assert goes["outcome"] == ["dropped"]
    assert stays["start_s"][:3] == near(0.0, 2.0, came_s + 5.0)
    assert math.isclose(stays["delay_s"][1], 2 / 0.75, rel_tol=1e-12)
