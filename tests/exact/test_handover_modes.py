"""Handovers that set a round back, and users who must not be handed over (docs/model.md 12), by hand.

Users stand still in a world without shadowing and fading. A user's GPU does 1 TFLOP/s at 100 W, a
server's 2 TFLOP/s at 400 W; a round is 4e12 FLOP and 8 Mbit, half of it the user's: 2 s LOCAL and
1 s SERVER.
"""

import math

import numpy as np
import pytest

from mecsim.engine.handover import without_handovers_of
from mecsim.engine.simulation import Simulation
from mecsim.errors import InvalidAllocation
from mecsim.policy import Phase
from mecsim.registry import list_policies, make_policy
from mecsim.system.allocation import Allocation
from mecsim.world.world import World

BITS, LATENCY_S = 4e6, 0.25
NAMES = [entry.name for entry in list_policies() if not entry.error]


class Script:
    """Grants from a list, one entry an epoch: (server, phi) for every user, all of the server's, or None."""

    def __init__(self, *epochs):
        self.epochs, self.seen = epochs, []

    def allocate(self, observation):
        self.seen.append(observation)
        entry = self.epochs[min(observation.epoch, len(self.epochs) - 1)]
        if entry is None:
            return None
        server, phi = (np.array(column) for column in zip(*entry, strict=True))
        users, servers = observation.instance.users, observation.instance.servers
        share = 1.0 / np.bincount(server, minlength=2)[server]
        return Allocation(
            server, phi, share * servers.bandwidth_hz[server], users.max_power_w,
            share * servers.max_power_w[server], users.max_gpu_flops, share * servers.max_gpu_flops[server],
        )  # fmt: skip


@pytest.fixture
def play(make_scenario):
    """Return a function from a script to the world, the script and the record of a run."""

    def run(*epochs, users=1, period_s=3.0, mode="restart", **changes):
        scenario = make_scenario({
            "duration_s": 60, "servers.bandwidth_mhz": [0.1, 0.2],
            "servers.gpu": {"peak_tflops": 2, "board_power_w": 400},
            "servers.gpu_count": 1, "servers.gpu_utilisation": 1, "servers.epochs": [1, 2],
            "users.count": users, "users.positions_m": [[150, 150], [200, 250]][:users],
            "users.gpu": {"peak_tflops": 1, "board_power_w": 100},
            "users.gpu_count": 1, "users.gpu_utilisation": 1,
            "workload.rounds": {"mode": "continuous", "think_s": 1000},
            "workload.adapter_params": 1e6, "workload.token_bits": 4e6,
            "workload.bits_per_token_id": 1, "workload.flops_per_param_and_token": 1,
            "workload.bits_per_param": 8,
            "channel.shadowing.sigma_db": 0, "channel.fading": {"model": "none"},
            "handover": {"mode": mode, "latency_s": LATENCY_S, "backhaul_gbps": 4e-3},
            "reallocation.period_s": period_s,
        } | {key.replace("__", "."): value for key, value in changes.items()})  # fmt: skip
        script = Script(*epochs)
        return World(scenario, 1), script, Simulation(scenario, script, 1).run()

    return run


def rate(world, server, direction):
    gain = world.all_gains(0.0, fading=False)[0, server]
    bandwidth_hz = world.servers.bandwidth_hz[server]
    power_w = 0.2 if direction == "up" else world.servers.max_power_w[server]
    return bandwidth_hz * math.log2(1 + gain * power_w / (world.noise_w_per_hz * bandwidth_hz))


def assert_row(record, **expected):
    (index,) = np.flatnonzero((record.rounds["user"] == 0) & (record.rounds["round"] == 0))
    for name, value in expected.items():
        assert record.rounds[name][index].item() == pytest.approx(value, rel=1e-12, abs=1e-12), name


def check_books(record):
    """K1, K2 with rounds set back: what was started was served, is left, or was dropped."""
    ledger = record.ledger
    kept = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    np.testing.assert_allclose(kept, ledger["work_started"], rtol=1e-9)
    total_j = math.fsum(ledger["user_meter_j"]) + math.fsum(ledger["server_meter_j"])
    assert math.fsum(record.rounds["energy_j"]) == pytest.approx(total_j, rel=1e-9)
    parts = ("local_s", "uplink_s", "server_s", "downlink_s", "stall_s", "interruption_s")
    np.testing.assert_allclose(sum(record.rounds[p] for p in parts), record.rounds["delay_s"], rtol=1e-12)


def test_a_restart_in_the_uplink_sends_everything_again(play):
    world, script, record = play([(0, 0.5)], [(1, 0.5)])
    assert script.seen[1].phase[0] == Phase.UPLINK  # LOCAL ends at 2 s, the decision comes at 3 s
    uplink_s = BITS / rate(world, 1, "up")
    assert_row(
        record, local_s=2, uplink_s=1 + uplink_s, interruption_s=LATENCY_S, moved_bits=0, restarts=1,
        server_s=2, handovers=1, server_last=1, uplink_j=0.2 * (1 + uplink_s),
    )  # fmt: skip
    served = 1.0 * rate(world, 0, "up")
    assert record.ledger["work_dropped"][0] == pytest.approx([0, BITS - served, 0, 0])
    check_books(record)


def test_a_restart_in_training_goes_back_to_the_uplink(play):
    """The uplink of 0.4 Mbit is over soon after 2 s; the server trains when the decision comes at 2.5 s."""
    world, script, record = play([(0, 0.5)], [(1, 0.5)], period_s=2.5, workload__bits_per_param=0.8)
    assert script.seen[1].phase[0] == Phase.SERVER
    first_s, second_s = 0.1 * BITS / rate(world, 0, "up"), 0.1 * BITS / rate(world, 1, "up")
    assert_row(
        record, uplink_s=first_s + second_s, server_s=0.5 - first_s + 2, interruption_s=LATENCY_S,
        downlink_s=0.1 * BITS / rate(world, 1, "down"), restarts=1, server_j=400 * (0.5 - first_s + 2),
    )  # fmt: skip
    check_books(record)


def test_a_restart_without_an_uplink_goes_back_to_training(play):
    _, script, record = play([(0, 0.0)], [(1, 0.0)], period_s=1.5)
    assert script.seen[1].phase[0] == Phase.SERVER
    assert_row(record, server_s=1.5 + 4, interruption_s=LATENCY_S, restarts=1, uplink_s=0)
    check_books(record)


def test_a_restart_while_the_user_trains_alone_loses_nothing(play):
    world, _, record = play([(0, 0.5)], [(1, 0.5)], period_s=1.5)
    assert_row(
        record, local_s=2, uplink_s=BITS / rate(world, 1, "up"), interruption_s=0, restarts=0, handovers=1
    )
    check_books(record)


def test_a_handover_of_a_round_that_waits_to_start_again_loses_nothing_more(play):
    """Decisions 0.1 s apart: the second comes within the interruption, which starts anew."""
    epochs = [[(0, 0.5)]] * 30 + [[(1, 0.5)], [(0, 0.5)]]
    world, script, record = play(*epochs, period_s=0.1)
    assert script.seen[31].phase[0] == Phase.UPLINK
    assert script.seen[31].remaining[0] == BITS
    assert_row(
        record, handovers=2, restarts=1, interruption_s=0.1 + LATENCY_S,
        uplink_s=1 + BITS / rate(world, 0, "up"), server_s=1,
    )  # fmt: skip
    check_books(record)


def test_rounds_set_back_keep_the_books_under_shared_grants(make_scenario, random_policy):
    """K1 to K3 and K6 while users move and share. Mutants: work that is dropped and still counted or lost."""
    changes = {
        "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]}, "users.count": 6,
        "service.sharing": "work_conserving", "handover.mode": "restart", "reallocation.period_s": 1,
        "workload.adapter_params": 3e6,
    }  # fmt: skip
    record = Simulation(make_scenario(changes), random_policy(3), 3).run()
    assert record.rounds["restarts"].sum() > 20
    check_books(record)
    dropped = record.ledger["work_dropped"].copy()
    for mutant in (0.0 * dropped, 2.0 * dropped):
        record.ledger["work_dropped"] = mutant
        with pytest.raises(AssertionError):
            check_books(record)


def test_pinned_are_those_whose_server_has_a_part_in_the_round(play):
    _, script, _ = play([(0, 0.5)], mode="pin", period_s=1.0)
    for seen in script.seen[1:]:
        assert seen.pinned.tolist() == [seen.phase[0] > Phase.LOCAL]
    assert {bool(seen.pinned[0]) for seen in script.seen} == {True, False}


def test_a_decision_that_moves_a_pinned_user_is_refused(play):
    with pytest.raises(InvalidAllocation, match="server of user 0 = 1: is pinned to server 0"):
        play([(0, 0.5)], [(1, 0.5)], mode="pin")
    _, _, record = play([(0, 0.5)], [(1, 0.5)], mode="pin", reallocation__on_invalid="hold")
    assert record.rounds["handovers"].sum() == 0
    assert record.counts["holds"] > 0


def test_nobody_is_pinned_in_the_other_modes(play):
    for mode in ("migrate", "restart"):
        _, script, _ = play([(0, 0.5)], mode=mode, period_s=1.0)
        assert not any(seen.pinned.any() for seen in script.seen)


def test_who_is_pinned_when_a_decision_is_ready_stays(play):
    """Asked at 1.5 s, in LOCAL, to go to server 1; ready at 2.5 s, when the uplink to server 0 has begun."""
    world, _, record = play(
        [(0, 0.5)], [(1, 0.5)], None, mode="pin", period_s=1.5, reallocation__decision_latency=1
    )
    assert_row(record, handovers=0, server_last=0, uplink_s=BITS / rate(world, 0, "up"), interruption_s=0)
    assert record.epochs["status"][1] == "new"


def test_who_stays_shares_what_its_server_has(make_scenario):
    """User 0 keeps all of server 0, which user 1 was given as well: half for each. Server 1 is free."""
    instance = World(make_scenario({"users.count": 2}), 1).instance(0.0)
    bands, powers, speeds = (
        getattr(instance.servers, name)[0] for name in ("bandwidth_hz", "max_power_w", "max_gpu_flops")
    )
    own = instance.users.max_power_w, instance.users.max_gpu_flops

    def given(server, amount):
        share = np.array(amount)
        return Allocation(server, [0.5, 0.5], share * bands, own[0], share * powers, own[1], share * speeds)

    before, decided = given([0, 1], [1.0, 1.0]), given([1, 0], [1.0, 1.0])
    merged = without_handovers_of(np.array([True, False]), decided, before, instance)
    assert merged.server.tolist() == [0, 0]
    assert (merged.bandwidth_hz == bands / 2).all()
    assert (merged.server_power_w == powers / 2).all()
    assert (merged.server_gpu_flops == speeds / 2).all()
    assert merged.violations(instance) == ()
    assert without_handovers_of(np.array([False, False]), decided, before, instance) is decided


# A decision of these takes tenths of a second; in a few of them too, users are pinned and would move.
SLOW_S = {"dashf_reference": 6, "exhaustive": 6, "certified": 4, "local_search": 6}
# The engine delays the decisions of all alike: each of the slow ones is late or not.
LATE, IN_TIME = ("dashf_reference", "exhaustive"), ("certified", "local_search")


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_keeps_those_who_are_pinned(make_scenario, name):
    """Under `pin` no round past its local phase changes its server, whatever the policy, late or not."""
    changes = {
        "users.mobility": {"model": "random_waypoint", "speed_mps": [10, 30]},
        "users.count": 3 if name in SLOW_S else 5,
        "handover.mode": "pin", "reallocation.period_s": 2, "duration_s": SLOW_S.get(name, 30),
        "workload.adapter_params": 3e6,
    }  # fmt: skip
    spec = "certified:max_nodes=2" if name == "certified" else name
    latencies = [*["none"] * (name not in LATE), *[0.7] * (name not in IN_TIME)]
    for latency in latencies:
        record = Simulation(
            make_scenario(changes | {"reallocation.decision_latency": latency}), make_policy(spec), 3
        ).run()
        assert record.rounds["interruption_s"].sum() == 0
        assert record.rounds["moved_bits"].sum() == 0
        assert record.counts["rounds"] > 0
    free = Simulation(make_scenario(changes | {"handover.mode": "migrate"}), make_policy("nearest"), 3).run()
    assert free.rounds["moved_bits"].sum() > 0, "a world in which nobody would be handed over anyway"
