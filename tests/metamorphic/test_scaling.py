"""Scenarios scaled otherwise (docs/verification.md M2 to M4).

Bugs they would catch: a unit converted twice or not at all, a constant with a dimension hidden in
the code.
"""

import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation

TIMES = (
    "start_s",
    "local_s",
    "uplink_s",
    "server_s",
    "downlink_s",
    "stall_s",
    "interruption_s",
    "wait_s",
    "delay_s",
)
ENERGIES = ("local_j", "uplink_j", "server_j", "downlink_j", "energy_j")
GPU_ENERGIES, RADIO_ENERGIES = ("local_j", "server_j"), ("uplink_j", "downlink_j")
RELATIVE = 1e-7  # dB in files round what they scale to 1e-15; a moving user's fading magnifies that
SEEDS = range(38, 46)

RATES = ["shannon", "nr-256qam", {"gap_db": 3, "cap_bps_hz": 3}]
MODES = [
    {"mode": "continuous", "think_s": 0.5},
    {"mode": "synchronous", "think_s": 0.0},
    {"mode": "poisson", "rate_per_s": 0.2},
    {"mode": "periodic", "period_s": 8.0, "staggered": True},
]


def scaled_mode(rounds, k):
    """Return a mode of rounds with all its times k times as long."""
    changed = {"think_s": k, "rate_per_s": 1 / k, "period_s": k}
    return {key: value * changed.get(key, 1) if key in changed else value for key, value in rounds.items()}


@pytest.fixture(scope="module")
def draw(draw_scenario):
    def moving(seed):
        changes = {
            "workload.rounds": MODES[seed % 4],
            "channel.rate": RATES[seed % 3],
            "handover.latency_s": 0.3,
            "duration_s": 40,
            "warmup_s": 4,
        }
        if seed % 2:
            changes["users.mobility"] = {"model": "random_waypoint", "speed_mps": [10, 20], "pause_s": [1, 3]}
        else:
            changes["users.mobility"] = {"model": "static"}
        return draw_scenario(seed, moving=True, users=5, changes=changes)

    return moving


def rounds_of(scenario, random_policy, seed):
    rounds = Simulation(scenario, random_policy(seed), seed).run().rounds
    order = np.lexsort((rounds["round"], rounds["user"]))
    return {name: column[order] for name, column in rounds.items()}


def assert_scaled(before, after, factors):
    """Every column is what it was, times its factor (1 if it has none)."""
    assert len(before["user"]) >= 5
    assert len(before["user"]) == len(after["user"])
    for name, column in before.items():
        if column.dtype.kind != "f":
            assert (after[name] == column).all(), name
            continue
        want = column * factors.get(name, 1.0)
        np.testing.assert_allclose(
            after[name], want, rtol=RELATIVE, atol=1e-9 * np.abs(want).max(), err_msg=name
        )


def times(names, factor):
    return dict.fromkeys(names, factor)


def column(scenario, group, name, factor):
    return [value * factor for value in getattr(scenario, group).column(name)]


def gpus(scenario, group, speed, power):
    """Return the cards of servers or users with other speeds and powers."""
    return [
        {"peak_tflops": card.peak_tflops * speed, "board_power_w": card.board_power_w * power}
        for card in getattr(scenario, group).gpu_cards()
    ]


def both_gpus(scenario, speed, power):
    return {f"{group}.gpu": gpus(scenario, group, speed, power) for group in ("servers", "users")}


def noise(scenario, factor):
    return scenario.channel.noise_dbm_per_hz + 10 * math.log10(factor)


def slower_world(scenario, k):
    """M2: every time k times as long, every rate and speed k times as small, SNRs as they were."""
    mobility = scenario.users.mobility.model_dump()
    for key, factor in (("speed_mps", 1 / k), ("pause_s", k)):
        if key in mobility:
            mobility[key] = [value * factor for value in mobility[key]]
    return scenario.with_changes({
        "duration_s": scenario.duration_s * k,
        "warmup_s": scenario.warmup_s * k,
        "users.mobility": mobility,
        "workload.rounds": scaled_mode(scenario.workload.rounds.model_dump(), k),
        "channel.fading.block_s": scenario.channel.fading.block_s * k,
        "channel.noise_dbm_per_hz": noise(scenario, k),
        "servers.bandwidth_mhz": column(scenario, "servers", "bandwidth_mhz", 1 / k),
        "handover.latency_s": scenario.handover.latency_s * k,
        "handover.backhaul_gbps": scenario.handover.backhaul_gbps / k,
        "reallocation.period_s": scenario.reallocation.period_s * k,
        "record.positions_s": scenario.record.positions_s * k,
    } | both_gpus(scenario, 1 / k, 1))  # fmt: skip


def more_bits(scenario, k):
    """M3: k times the bits through k times the bandwidth, noise density over k."""
    return scenario.with_changes({
        "workload.bits_per_param": scenario.workload.bits_per_param * k,
        "servers.bandwidth_mhz": column(scenario, "servers", "bandwidth_mhz", k),
        "channel.noise_dbm_per_hz": noise(scenario, 1 / k),
        "handover.backhaul_gbps": scenario.handover.backhaul_gbps * k,
    })  # fmt: skip


def more_cycles(scenario, k, power):
    """M4: k times the operations on GPUs k times as fast that draw `power` times as much."""
    operations = {"workload.flops_per_param_and_token": scenario.workload.flops_per_param_and_token * k}
    return scenario.with_changes(operations | both_gpus(scenario, k, power))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [2.0, 0.3])
def test_time_scales(draw, random_policy, seed, k):
    scenario = draw(seed)
    before, after = (rounds_of(s, random_policy, seed) for s in (scenario, slower_world(scenario, k)))
    assert_scaled(before, after, times(TIMES + ENERGIES, k))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [4.0, 0.7])
def test_bits_and_bandwidth_scale(draw, random_policy, seed, k):
    scenario = draw(seed)
    before, after = (rounds_of(s, random_policy, seed) for s in (scenario, more_bits(scenario, k)))
    assert_scaled(before, after, {"moved_bits": k})


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("k", "power"), [(3.0, 1.0), (3.0, 27.0), (0.5, 4.0)])
def test_operations_and_gpu_speed_scale(draw, random_policy, seed, k, power):
    """Delays stay; the energy of training goes with the power of the card: kappa k^3 of the same time."""
    scenario = draw(seed)
    before, after = (rounds_of(s, random_policy, seed) for s in (scenario, more_cycles(scenario, k, power)))
    energy_j = before["energy_j"] + (power - 1) * (before["local_j"] + before["server_j"])
    before["energy_j"] = energy_j
    assert_scaled(before, after, times(GPU_ENERGIES, power))


MISTAKES = {
    "the latency of a handover in ms": lambda s: {"handover.latency_s": s.handover.latency_s / 1000},
    "the backhaul in Mbit/s": lambda s: {"handover.backhaul_gbps": s.handover.backhaul_gbps * 1000},
    "bandwidth not scaled": lambda s: {"servers.bandwidth_mhz": column(s, "servers", "bandwidth_mhz", 2.0)},
    "noise not scaled": lambda s: {"channel.noise_dbm_per_hz": noise(s, 0.5)},
    "speeds not scaled": lambda s: {
        "users.mobility": {"model": "random_waypoint", "speed_mps": [10, 20], "pause_s": [2, 6]}
    },
    "pauses not scaled": lambda s: {
        "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 10], "pause_s": [1, 3]}
    },
    "GPUs not scaled": lambda s: both_gpus(s, 2.0, 1),
    "blocks not scaled": lambda s: {"channel.fading.block_s": s.channel.fading.block_s / 2},
    "decisions not scaled": lambda s: {"reallocation.period_s": s.reallocation.period_s / 2},
    "rounds not scaled": lambda s: {"workload.rounds": scaled_mode(s.workload.rounds.model_dump(), 0.5)},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_scale_that_is_left_out_is_noticed(draw, random_policy, mistake):
    scenario = draw(39)
    before = rounds_of(scenario, random_policy, 39)
    slower = slower_world(scenario, 2.0)
    assert_scaled(before, rounds_of(slower, random_policy, 39), times(TIMES + ENERGIES, 2.0))
    wrong = rounds_of(slower.with_changes(MISTAKES[mistake](slower)), random_policy, 39)
    with pytest.raises(AssertionError):
        assert_scaled(before, wrong, times(TIMES + ENERGIES, 2.0))
