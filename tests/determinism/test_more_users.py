"""Users without grants change nothing for the others (docs/verification.md D5)."""

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.system.allocation import Allocation

KEPT = 3


class FirstOnly:
    """Grants to the first KEPT users, by their number and the epoch alone; the rest get nothing."""

    def allocate(self, observation):
        instance = observation.instance
        rng = np.random.default_rng(observation.epoch)
        count, servers = instance.user_count, instance.servers
        first = np.arange(count) < KEPT
        server = np.zeros(count, dtype=int)
        server[:KEPT] = rng.integers(instance.server_count, size=KEPT)
        share = np.zeros(count)
        share[:KEPT] = rng.uniform(0.1, 1 / KEPT, KEPT)
        return Allocation(
            server=server,
            local_fraction=np.where(first, 0.5, 0.9),
            bandwidth_hz=share * servers.bandwidth_hz[server],
            user_power_w=np.where(first, 0.1, 0.0),
            server_power_w=share * servers.max_power_w[server],
            user_gpu_flops=np.where(first, 0.5 * instance.users.max_gpu_flops, 0.0),
            server_gpu_flops=share * servers.max_gpu_flops[server],
        )


def run(make_scenario, users, mode, sharing, seed):
    scenario = make_scenario({
        "users.count": users,
        "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 25]},
        "workload.rounds": mode,
        "workload.token_bits": {"uniform": [1e7, 5e7], "per": "round"},
        "service.sharing": sharing,
        "channel.fading.block_s": 0.02,
    })  # fmt: skip
    return Simulation(scenario, FirstOnly(), seed).run()


def rows_of_the_first(record):
    rounds = record.rounds
    kept = rounds["user"] < KEPT
    order = np.lexsort((rounds["round"][kept], rounds["user"][kept]))
    return {name: column[kept][order] for name, column in rounds.items()}


@pytest.mark.parametrize(
    "mode", [{"mode": "continuous"}, {"mode": "poisson", "rate_per_s": 0.3}], ids=lambda m: m["mode"]
)
@pytest.mark.parametrize("sharing", ["reserved", "work_conserving"])
def test_more_users_change_nothing_for_the_others(make_scenario, mode, sharing):
    few, many = (run(make_scenario, users, mode, sharing, 3) for users in (KEPT, 23))
    alone, among = rows_of_the_first(few), rows_of_the_first(many)
    assert len(alone["user"]) > 20
    for name in alone:
        assert alone[name].tobytes() == among[name].tobytes(), name
    others = many.rounds["user"] >= KEPT
    assert (many.rounds["stall_s"] == many.rounds["delay_s"])[others].all()
    assert (many.rounds["energy_j"][others] == 0).all()


def test_streams_drawn_in_order_would_be_noticed(make_scenario):
    """With another seed for the same users, the rows differ: equality above is no accident."""
    first, other = (run(make_scenario, KEPT, {"mode": "continuous"}, "reserved", seed) for seed in (3, 4))
    assert rows_of_the_first(first)["delay_s"][0] != rows_of_the_first(other)["delay_s"][0]
