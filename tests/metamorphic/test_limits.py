"""What must make no difference, and what must (docs/verification.md M8, M10, M11, M12, M14).

Bugs they would catch: work of one server that leaks to another, an association that a policy draws from the
world's numbers, a radio quantity in training at the user, another gain downwards than upwards.
"""

from dataclasses import replace

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.system.allocation import Allocation

QUIET = {
    "users.mobility": {"model": "static"},
    "channel.fading": {"model": "none"},
    "channel.shadowing.sigma_db": 0,
    "duration_s": 40,
}
MIDDLE = [250, 200]
RESULTS = ("start_s", "local_s", "uplink_s", "server_s", "downlink_s", "delay_s", "energy_j")


class Split:
    """Every user has one of ``parts`` equal parts of the whole system; users go to servers in blocks."""

    def __init__(self, parts=4):
        self.parts = parts

    def allocate(self, observation):
        system = observation.instance
        users, servers, count, size = system.users, system.servers, system.user_count, system.server_count
        server = np.arange(count) * size // self.parts
        share = np.full(count, size / self.parts)
        return Allocation(
            server=server,
            local_fraction=np.full(count, 0.5),
            bandwidth_hz=share * servers.bandwidth_hz[server],
            user_power_w=users.max_power_w,
            server_power_w=share * servers.max_power_w[server],
            user_gpu_flops=users.max_gpu_flops,
            server_gpu_flops=share * servers.max_gpu_flops[server],
        )


def rounds_of(scenario, policy, seed=3):
    rounds = Simulation(scenario, policy, seed).run().rounds
    order = np.lexsort((rounds["round"], rounds["user"]))
    return {name: column[order] for name, column in rounds.items()}


def site(servers, share, users):
    """Return the changes for some servers at one place, each with a share of a server's budgets."""
    return QUIET | {
        "users.count": users,
        "servers.positions_m": [MIDDLE] * servers,
        "servers.bandwidth_mhz": 20 * share,
        "servers.max_power_w": 20 * share,
        "servers.gpu_utilisation": 0.8 * share,
    }


def assert_same(one, other):
    assert len(one["user"]) == len(other["user"]) >= 4
    for name in RESULTS:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, err_msg=name)


def test_m10_two_halves_are_one_whole_and_two_runs(make_scenario):
    """A server cut in two is the server, and each half with its users is a run of its own."""
    whole = rounds_of(make_scenario(site(1, 1.0, 4)), Split())
    halves = rounds_of(make_scenario(site(2, 0.5, 4)), Split())
    assert set(halves["server_first"]) == {0, 1}
    assert_same(whole, halves)
    first = {name: column[halves["user"] < 2] for name, column in halves.items()}
    alone = rounds_of(make_scenario(site(1, 0.5, 2)), Split(parts=2))
    assert_same(first, alone)


def test_m10_a_server_that_keeps_its_whole_speed_is_noticed(make_scenario):
    whole = rounds_of(make_scenario(site(1, 1.0, 4)), Split())
    faster = rounds_of(make_scenario(site(2, 0.5, 4) | {"servers.gpu_utilisation": 0.8}), Split())
    with pytest.raises(AssertionError):
        assert_same(whole, faster)


class Keeps:
    """Asks another policy, and keeps its answers."""

    def __init__(self, name):
        self.policy, self.answers = make_policy(name), []

    def reset(self, info, rng):
        if hasattr(self.policy, "reset"):
            self.policy.reset(info, rng)

    def allocate(self, observation):
        self.answers.append(self.policy.allocate(observation))
        return self.answers[-1]


def answers_in_two_worlds(make_scenario, name):
    moving = {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 15]}, "users.count": 6}
    told = []
    for changes in (QUIET | {"users.count": 6}, moving | {"duration_s": 40}):
        policy = Keeps(name)
        Simulation(make_scenario(changes), policy, 5).run()
        told.append(policy.answers)
    assert len(told[0]) == len(told[1]) > 3
    return told


def same_bits(one, other):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(one, other, strict=True)
        for name in ("server", "local_fraction", "bandwidth_hz", "server_power_w", "server_gpu_flops")
    )


def test_m11_a_policy_that_does_not_look_answers_alike_in_any_world(make_scenario):
    assert same_bits(*answers_in_two_worlds(make_scenario, "rucaa"))


def test_m11_one_that_looks_is_told_apart(make_scenario):
    assert not same_bits(*answers_in_two_worlds(make_scenario, "nearest"))


RADIO = {
    "bandwidth": {"servers.bandwidth_mhz": 33},
    "server power": {"servers.max_power_w": 7},
    "user power": {"users.max_power_w": 0.05},
    "noise": {"channel.noise_dbm_per_hz": -150},
    "noise figure": {"channel.noise_figure_db": 9},
    "path loss": {"channel.path_loss": "free_space"},
    "shadowing": {"channel.shadowing.sigma_db": 8},
    "fading": {"channel.fading": {"model": "rayleigh", "block_s": 0.05}},
}


@pytest.mark.parametrize("what", RADIO)
def test_m12_who_trains_alone_and_sends_nothing_has_nothing_to_do_with_the_radio(make_scenario, what):
    silent = QUIET | {"workload.bits_per_param": 0}
    one = rounds_of(make_scenario(silent), make_policy("local_only"))
    other = rounds_of(make_scenario(silent | RADIO[what]), make_policy("local_only"))
    assert len(one["user"]) > 10
    for name in ("start_s", "local_s", "delay_s", "local_j", "energy_j"):
        assert one[name].tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("what", RADIO)
def test_m12_who_sends_has(make_scenario, what):
    """Also that each change above is one."""
    one = rounds_of(make_scenario(QUIET), make_policy("local_only"))
    other = rounds_of(make_scenario(QUIET | RADIO[what]), make_policy("edge_only"))
    plain = rounds_of(make_scenario(QUIET), make_policy("edge_only"))
    sent = rounds_of(make_scenario(QUIET | RADIO[what]), make_policy("local_only"))
    up = not np.array_equal(one["uplink_s"][:3], sent["uplink_s"][:3])
    down = not np.array_equal(plain["downlink_s"][:3], other["downlink_s"][:3])
    assert up or down


class AsLoud(Split):
    """Servers send with the powers of the users."""

    def allocate(self, observation):
        answer = super().allocate(observation)
        return replace(answer, server_power_w=answer.user_power_w)


def assert_reciprocal(rounds):
    done = rounds["outcome"] == "finished"
    assert done.sum() > 4
    np.testing.assert_allclose(rounds["uplink_s"][done], rounds["downlink_s"][done], rtol=1e-9)


SHADOWED = QUIET | {"users.count": 4, "channel.shadowing.sigma_db": 8}


def test_m14_a_link_carries_as_much_down_as_up(make_scenario):
    """Half the adapter each way, with one power: the same time."""
    assert_reciprocal(rounds_of(make_scenario(SHADOWED), AsLoud()))


def test_m14_another_gain_downwards_is_noticed(make_scenario):
    simulation = Simulation(make_scenario(SHADOWED), AsLoud(), 3)
    gains = simulation.service._radio._gain
    gains[True] = (1.01 * np.array(gains[True])).tolist()  # downwards
    with pytest.raises(AssertionError):
        assert_reciprocal(simulation.run().rounds)


def delays_of_the_first(make_scenario, users):
    one_server = {"servers.positions_m": [MIDDLE], "users.count": users}
    rounds = rounds_of(make_scenario(QUIET | one_server), make_policy("nearest"))
    return [rounds["delay_s"][(rounds["user"] == n) & (rounds["round"] == 0)] for n in range(2)]


def test_m8_more_load_is_more_delay(make_scenario):
    """The same two users, and more who share their server. Mutant: shares that do not shrink."""
    few, more, most = (delays_of_the_first(make_scenario, users) for users in (2, 4, 8))
    for n in range(2):
        assert few[n] < more[n] < most[n]
