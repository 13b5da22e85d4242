"""Fluid service, computed by hand: phases, stalls, handovers, shares (docs/model.md 10 to 13).

Users stand still in a world without shadowing and fading, so every rate is constant between two
decisions. One user GPU does 1 TFLOP/s at 100 W, one server GPU 2 TFLOP/s at 400 W; a round is
4e12 FLOP and 8 Mbit, half of it the user's: 2 s LOCAL and 1 s SERVER.
"""

import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.system.allocation import Allocation
from mecsim.world.world import World

BITS = 4e6  # of each half
LATENCY_S, BACKHAUL_BPS = 0.25, 4e6


class Script:
    """Grants from a list, one entry an epoch: (server, phi, share of everything) for every user, or None."""

    def __init__(self, *epochs):
        self.epochs, self.seen = epochs, []

    def allocate(self, observation):
        self.seen.append(observation)
        entry = self.epochs[min(observation.epoch, len(self.epochs) - 1)]
        if entry is None:
            return None
        server, phi, share = (np.array(column) for column in zip(*entry, strict=True))
        users, servers = observation.instance.users, observation.instance.servers
        return Allocation(
            server=server,
            local_fraction=phi,
            bandwidth_hz=share * servers.bandwidth_hz[server],
            user_power_w=np.where(share > 0, users.max_power_w, 0.0),
            server_power_w=share * servers.max_power_w[server],
            user_gpu_flops=np.where(share > 0, users.max_gpu_flops, 0.0),
            server_gpu_flops=share * servers.max_gpu_flops[server],
        )


@pytest.fixture
def play(make_scenario):
    """Return a function from a script to the scenario's world, the script and its rounds table."""

    def run(*epochs, users=1, period_s=3.0, **changes):
        scenario = make_scenario({
            "duration_s": 60,
            "servers.bandwidth_mhz": [0.1, 0.2],
            "servers.gpu": {"peak_tflops": 2, "board_power_w": 400},
            "servers.gpu_count": 1, "servers.gpu_utilisation": 1,
            "users.count": users, "users.positions_m": [[150, 150], [200, 250], [300, 180]][:users],
            "users.gpu": {"peak_tflops": 1, "board_power_w": 100},
            "users.gpu_count": 1, "users.gpu_utilisation": 1,
            "workload.rounds": {"mode": "continuous", "think_s": 1000},
            "workload.adapter_params": 1e6, "workload.token_bits": 4e6,
            "workload.bits_per_token_id": 1, "workload.flops_per_param_and_token": 1,
            "workload.bits_per_param": 8,
            "channel.shadowing.sigma_db": 0, "channel.fading": {"model": "none"},
            "handover": {"latency_s": LATENCY_S, "backhaul_gbps": BACKHAUL_BPS / 1e9},
            "reallocation.period_s": period_s,
        } | {key.replace("__", "."): value for key, value in changes.items()})  # fmt: skip
        script = Script(*epochs)
        record = Simulation(scenario, script, 1).run()
        return World(scenario, 1), script, record

    return run


def rate(world, user, server, direction, share=1.0):
    """Return b log2(1 + h p / (N0 b)) of a link."""
    gain = world.all_gains(0.0, fading=False)[user, server]
    bandwidth_hz = share * world.servers.bandwidth_hz[server]
    power_w = 0.2 if direction == "up" else share * world.servers.max_power_w[server]
    return bandwidth_hz * math.log2(1 + gain * power_w / (world.noise_w_per_hz * bandwidth_hz))


def row(record, user=0):
    (index,) = np.flatnonzero((record.rounds["user"] == user) & (record.rounds["round"] == 0))
    return {name: column[index].item() for name, column in record.rounds.items()}


def score(world, server, share):
    return 1000 / math.log(2) * math.log(1 + share)  # all three shares are the same, a third of each counts


def assert_row(record, user=0, **expected):
    got = row(record, user)
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_a_round_without_changes(play):
    world, _, record = play([(0, 0.5, 1.0)])
    uplink_s, downlink_s = BITS / rate(world, 0, 0, "up"), BITS / rate(world, 0, 0, "down")
    assert uplink_s > 1
    assert_row(
        record, local_s=2, uplink_s=uplink_s, server_s=1, downlink_s=downlink_s, stall_s=0, interruption_s=0,
        local_j=200, uplink_j=0.2 * uplink_s, server_j=400, downlink_j=10 * downlink_s,
        delay_s=3 + uplink_s + downlink_s, energy_j=600 + 0.2 * uplink_s + 10 * downlink_s,
        score=score(world, 0, 1.0), handovers=0, moved_bits=0, wait_s=0, start_s=0,
    )  # fmt: skip
    assert row(record)["outcome"] == "finished"


@pytest.mark.parametrize(
    ("phi", "none"),
    [
        (0.0, ["local_s", "uplink_s", "local_j", "uplink_j"]),
        (1.0, ["server_s", "downlink_s", "server_j", "downlink_j"]),
    ],
)
def test_a_phase_without_work_takes_no_time_and_no_energy(play, phi, none):
    _, _, record = play([(0, phi, 1.0)])
    assert_row(record, **dict.fromkeys(none, 0.0))
    assert row(record)["outcome"] == "finished"


def test_without_bits_there_are_no_transfers(play):
    _, _, record = play([(0, 0.5, 1.0)], workload__bits_per_param=0)
    assert_row(record, local_s=2, server_s=1, uplink_s=0, downlink_s=0, delay_s=3)


def test_a_handover_in_the_uplink_moves_what_has_arrived(play):
    world, _, record = play([(0, 0.5, 1.0)], [(1, 0.5, 1.0)])
    arrived = 1.0 * rate(world, 0, 0, "up")  # LOCAL ends at 2 s, the decision comes at 3 s
    after_s = (BITS - arrived) / rate(world, 0, 1, "up")
    assert_row(
        record, uplink_s=1.0 + after_s, moved_bits=arrived, interruption_s=LATENCY_S + arrived / BACKHAUL_BPS,
        uplink_j=0.2 * (1.0 + after_s), server_s=1, downlink_s=BITS / rate(world, 0, 1, "down"), local_s=2,
        server_first=0, server_last=1, handovers=1, stall_s=0,
    )  # fmt: skip


def test_a_handover_in_training_moves_what_the_user_has_sent(play):
    world, _, record = play([(0, 0.5, 1.0)], [(1, 0.5, 0.5)], period_s=2.5, workload__bits_per_param=0.8)
    uplink_s = 0.1 * BITS / rate(world, 0, 0, "up")
    before_s = 0.5 - uplink_s
    assert 0 < before_s < 0.5
    assert_row(
        record, uplink_s=uplink_s, moved_bits=0.1 * BITS,
        interruption_s=LATENCY_S + 0.1 * BITS / BACKHAUL_BPS,
        server_s=before_s + 2 * (1 - before_s), server_j=400 * before_s + 50 * 2 * (1 - before_s),
        downlink_s=0.1 * BITS / rate(world, 0, 1, "down", 0.5), handovers=1,
    )  # fmt: skip


def test_a_handover_in_the_downlink_moves_what_is_not_yet_sent(play):
    world, script, record = play([(0, 0.0, 0.5)], [(1, 0.0, 1.0)], period_s=5)
    sent = rate(world, 0, 0, "down", 0.5) * 1.0  # 4e12 FLOP at half of 2 TFLOP/s end at 4 s
    left = 2 * BITS - sent
    assert left > 0
    assert script.seen[1].remaining[0] == pytest.approx(left, rel=1e-12)
    after_s = left / rate(world, 0, 1, "down")
    assert_row(
        record, moved_bits=left, interruption_s=LATENCY_S + left / BACKHAUL_BPS, downlink_s=1 + after_s,
        downlink_j=5 * 1 + 10 * after_s, server_s=4, server_j=50 * 4, handovers=1,
    )  # fmt: skip


def test_a_handover_while_the_user_trains_alone_interrupts_nothing(play):
    world, _, record = play([(0, 0.5, 1.0)], [(1, 0.5, 1.0)], period_s=1)
    assert_row(
        record, moved_bits=0, interruption_s=0, local_s=2, uplink_s=BITS / rate(world, 0, 1, "up"),
        handovers=1, server_first=0, server_last=1,
    )  # fmt: skip


def test_a_second_handover_starts_the_interruption_anew(play):
    world, _, record = play(
        [(0, 0.5, 1.0)],
        [(0, 0.5, 1.0)],
        [(1, 0.5, 1.0)],
        [(0, 0.5, 1.0)],
        period_s=1.1,
        handover__latency_s=2.0,
    )
    arrived = 0.2 * rate(world, 0, 0, "up")  # from 2 s to the third decision at 2.2 s
    after_s = (BITS - arrived) / rate(world, 0, 0, "up")
    assert_row(
        record, handovers=2, moved_bits=2 * arrived, interruption_s=1.1 + 2.0 + arrived / BACKHAUL_BPS,
        uplink_s=0.2 + after_s, server_first=0, server_last=0,
    )  # fmt: skip


def test_a_handover_that_costs_nothing_interrupts_nothing(play):
    world, _, record = play([(0, 1.0, 1.0)], [(1, 1.0, 1.0)], period_s=4, handover__latency_s=0.0)
    assert_row(
        record, handovers=1, interruption_s=0, moved_bits=0, uplink_s=2 * BITS / rate(world, 0, 1, "up")
    )


def test_a_grant_of_zero_stalls_and_draws_nothing(play):
    world, script, record = play([(0, 0.5, 1.0)], [(0, 0.5, 0.0)], [(0, 0.5, 0.0)], [(0, 0.5, 1.0)])
    uplink_s = BITS / rate(world, 0, 0, "up")
    assert_row(record, stall_s=6.0, uplink_s=uplink_s, uplink_j=0.2 * uplink_s, local_s=2, interruption_s=0)
    left = BITS - rate(world, 0, 0, "up")
    assert [seen.remaining[0] for seen in script.seen[1:4]] == pytest.approx([left] * 3, rel=1e-12)


def test_a_stall_from_the_start_until_the_end_of_the_run(play):
    _, _, record = play([(0, 0.5, 0.0)])
    assert_row(record, stall_s=60, delay_s=60, energy_j=0, score=0)
    assert row(record)["outcome"] == "unfinished"
    assert (
        record.ledger["work_left"][0].tolist() == record.ledger["work_started"][0].tolist() == [2e12, 0, 0, 0]
    )


def test_a_handover_out_of_a_stall_and_into_one(play):
    world, _, record = play([(0, 0.5, 1.0)], [(1, 0.5, 0.0)], [(1, 0.5, 1.0)])
    arrived = rate(world, 0, 0, "up")
    interruption_s = LATENCY_S + arrived / BACKHAUL_BPS
    assert interruption_s < 3
    assert_row(
        record,
        interruption_s=interruption_s,
        stall_s=3 - interruption_s,
        uplink_s=1 + (BITS - arrived) / rate(world, 0, 1, "up"),
    )


def test_the_energy_of_a_gpu_goes_with_the_cube_of_its_speed(play):
    _, _, record = play([(0, 0.0, 1.0)], [(0, 0.0, 0.5)], period_s=1)
    assert_row(record, server_s=1 + 2, server_j=400 * 1 + 400 / 8 * 2)


def test_the_score_is_an_average_over_time(play):
    world, _, record = play([(0, 0.5, 1.0)], [(0, 0.5, 0.5)], period_s=2)
    delay_s = row(record)["delay_s"]
    assert_row(record, score=(2 * score(world, 0, 1.0) + (delay_s - 2) * score(world, 0, 0.5)) / delay_s)


def test_phi_is_that_of_the_start_of_the_round(play):
    _, script, record = play(
        [(0, 0.5, 1.0)],
        [(0, 0.25, 1.0)],
        period_s=1,
        workload__rounds={"mode": "continuous"},
        workload__bits_per_param=0,
    )
    assert record.rounds["local_fraction"][:3].tolist() == [0.5, 0.25, 0.25]
    assert record.rounds["local_s"][:2].tolist() == pytest.approx([2.0, 1.0])
    assert [seen.local_fraction[0] for seen in script.seen[1:3]] == [0.5, 0.5]


def test_a_decision_at_the_instant_of_an_end_counts_for_the_next_phase_only(play):
    """LOCAL ends at 2 s exactly, when the server's grants are halved: the round began the uplink before."""
    _, script, _ = play([(0, 0.5, 1.0)], [(0, 0.5, 0.5)], period_s=2)
    assert script.seen[1].phase[0] == 1
    assert script.seen[1].remaining[0] == BITS


def test_a_share_that_is_not_in_use_goes_to_who_can_use_it(play):
    """User 0 trains alone for 2 s while user 1 has the whole bandwidth, then they share it."""
    world, _, record = play(
        [(0, 1.0, 0.5), (0, 0.0, 0.5)], users=2, service__sharing="work_conserving", period_s=100
    )
    # User 1 trains with the whole server: 4e12 FLOP in 2 s. User 0 trains for 4 s by itself.
    assert_row(record, 1, server_s=2, server_j=800)
    alone, shared = (rate_of_share(world, 1, "down", share) for share in (1.0, 0.5))
    left = 2 * BITS - 2 * alone
    assert left > 0
    assert_row(record, 1, downlink_s=2 + left / shared)
    up_alone, up_shared = (rate_of_share(world, 0, "up", share) for share in (1.0, 0.5))
    still_left = 2 * BITS - left / shared * up_shared
    assert_row(record, 0, local_s=4, uplink_s=left / shared + still_left / up_alone, stall_s=0)


def rate_of_share(world, user, direction, share):
    """Return the rate with a share of the bandwidth, at the power that half of the server's grants give."""
    gain = world.all_gains(0.0, fading=False)[user, 0]
    bandwidth_hz, power_w = share * world.servers.bandwidth_hz[0], 0.2 if direction == "up" else 5.0
    return bandwidth_hz * math.log2(1 + gain * power_w / (world.noise_w_per_hz * bandwidth_hz))


def test_reserved_shares_stay_unused(play):
    world, _, record = play([(0, 1.0, 0.5), (0, 0.0, 0.5)], users=2, period_s=100)
    assert_row(record, 1, server_s=4, downlink_s=2 * BITS / rate(world, 1, 0, "down", 0.5))
    assert_row(record, 0, local_s=4, uplink_s=2 * BITS / rate_of_share(world, 0, "up", 0.5))


def test_a_cohort_starts_together_when_the_last_has_finished(play):
    _, _, record = play(
        [(0, 0.0, 0.25), (0, 0.0, 0.5)],
        users=2,
        workload__rounds={"mode": "synchronous", "think_s": 1.5},
        workload__bits_per_param=0,
    )
    assert row(record, 0)["delay_s"] == pytest.approx(8)
    second = record.rounds["round"] == 1
    assert record.rounds["start_s"][second].tolist() == [9.5, 9.5]
