"""Outages, brown-outs and empty batteries in the middle of a round, computed by hand (model 10 to 12).

A round is 4e12 FLOP without transfers: 2 s at a server's full speed of 2 TFLOP/s (400 W), 4 s at the
user's 1 TFLOP/s (100 W). Bugs it would catch: a server that goes on working while it is down, work that
is lost or kept against the rule, a round that is moved when it must wait, a stall that no column holds,
grants shrunk twice in a brown-out, energy at the usual speed, a battery that the idle draw does not empty.
"""

import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.errors import InvalidAllocation
from mecsim.policy import Phase
from mecsim.system.allocation import Allocation

LATENCY_S = 0.25


class Script:
    """Grants from a list, one entry an epoch: for every user (server, phi, share of everything)."""

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
            user_power_w=users.max_power_w,
            server_power_w=share * servers.max_power_w[server],
            user_gpu_flops=users.max_gpu_flops,
            server_gpu_flops=share * servers.max_gpu_flops[server],
        )


@pytest.fixture
def play(make_scenario):
    """Return a function from a script and changes to the first round of every user, and the script."""

    def run(*epochs, **changes):
        scenario = make_scenario({
            "duration_s": 30,
            "servers.gpu": {"peak_tflops": 2, "board_power_w": 400},
            "servers.gpu_count": 1, "servers.gpu_utilisation": 1,
            "users.count": len(epochs[0]), "users.gpu": {"peak_tflops": 1, "board_power_w": 100},
            "users.gpu_count": 1, "users.gpu_utilisation": 1,
            "workload.rounds": {"mode": "continuous", "think_s": 1000},
            "workload.adapter_params": 1e6, "workload.token_bits": 4e6,
            "workload.bits_per_token_id": 1, "workload.flops_per_param_and_token": 1,
            "workload.bits_per_param": 0,
            "channel.shadowing.sigma_db": 0, "channel.fading": {"model": "none"},
            "handover": {"latency_s": LATENCY_S}, "reallocation.period_s": 3,
        } | {key.replace("__", "."): value for key, value in changes.items()})  # fmt: skip
        script = Script(*epochs)
        record = Simulation(scenario, script, 1).run()
        order = np.argsort(record.rounds["user"])
        return {name: column[order].tolist() for name, column in record.rounds.items()}, script, record

    return run


def down(server, from_s, to_s):
    return [{"server": server, "from_s": from_s, "to_s": to_s}]


def near(*values):
    return pytest.approx(list(values), rel=1e-12, abs=1e-12)


EDGE = (0, 0.0, 1.0)  # all work at server 0, which is the user's alone
MOVED = (1, 0.0, 1.0)


@pytest.mark.parametrize("rule", ["wait", "migrate"])
def test_a_round_stalls_while_its_server_is_down(play, rule):
    rounds, _, _ = play([EDGE], calendar__outages=down(0, 0.5, 3.5), calendar__on_outage=rule)
    assert rounds["delay_s"] == near(5.0)
    assert rounds["server_s"] == near(2.0)
    assert rounds["stall_s"] == near(3.0)
    assert rounds["server_j"] == near(800.0)
    assert rounds["restarts"] == [0]


def test_two_jobs_that_share_a_server_stall_together(play):
    half = (0, 0.0, 0.5)
    rounds, _, _ = play([half, half], calendar__outages=down(0, 1.0, 2.5))
    assert rounds["delay_s"] == near(5.5, 5.5)
    assert rounds["stall_s"] == near(1.5, 1.5)


def test_two_jobs_that_share_what_is_free_go_on_where_they_were(play):
    """Without the outage: the second has 3/4 of the speed and ends at 8/3 s, the first at 4 s."""
    grants = [(0, 0.0, 0.25), (0, 0.0, 0.75)]
    rounds, _, _ = play(grants, calendar__outages=down(0, 1.0, 2.0), service__sharing="work_conserving")
    assert rounds["delay_s"] == near(5.0, 8.0 / 3.0 + 1.0)
    assert rounds["stall_s"] == near(1.0, 1.0)
    assert not np.allclose(rounds["delay_s"], [4.0, 8.0 / 3.0])  # mutant: a server that goes on


def test_another_server_takes_the_round_over(play):
    rounds, _, _ = play([EDGE], [MOVED], calendar__outages=down(0, 0.5, 20), calendar__on_outage="migrate")
    assert rounds["delay_s"] == near(3.0 + LATENCY_S + 1.5)
    assert rounds["stall_s"] == near(2.5)
    assert rounds["interruption_s"] == near(LATENCY_S)
    assert rounds["handovers"] == [1]
    assert rounds["server_last"] == [1]


def test_what_the_server_did_is_lost(play):
    rounds, _, record = play(
        [EDGE], [MOVED], calendar__outages=down(0, 0.5, 20), calendar__on_outage="restart"
    )
    assert rounds["restarts"] == [1]
    assert rounds["delay_s"] == near(3.0 + LATENCY_S + 2.0)
    assert rounds["server_j"] == near(0.5 * 400 + 2.0 * 400)
    started, served, dropped = (record.ledger[f"work_{name}"][0] for name in ("started", "served", "dropped"))
    np.testing.assert_allclose(started, served + dropped, rtol=1e-12)
    assert started[Phase.SERVER] == pytest.approx(8e12)


def test_what_the_server_did_is_lost_even_if_the_round_stays(play):
    rounds, _, _ = play([EDGE], calendar__outages=down(0, 0.5, 1.0), calendar__on_outage="restart")
    assert rounds["delay_s"] == near(1.0 + 2.0)


def test_the_policy_may_be_asked_at_once(play):
    changes = {"calendar__outages": down(0, 0.5, 20), "reallocation__events": ["outage"]}
    rounds, script, _ = play([EDGE], [MOVED], **changes)
    assert [seen.time_s for seen in script.seen[:3]] == [0.0, 0.5, 3.0]
    assert rounds["delay_s"] == near(0.5 + LATENCY_S + 1.5)
    assert rounds["stall_s"] == near(0.0)


def test_a_server_that_is_down_is_seen_with_no_gain(play):
    idle = (1, 0.0, 1.0)
    _, script, _ = play([EDGE, idle], calendar__outages=down(0, 0.5, 5), calendar__on_outage="wait")
    before, during = script.seen[:2]
    assert (before.instance.gain > 0).all()
    # The one who waits for it sees what it will have; the other one is free, and sees nothing.
    assert during.instance.gain[0].tolist() == before.instance.gain[0].tolist()
    assert during.instance.gain[1].tolist() == [0.0, before.instance.gain[1, 1]]
    assert during.pinned.tolist() == [True, False]
    assert during.instance.servers.bandwidth_hz.tolist() == before.instance.servers.bandwidth_hz.tolist()


def test_a_round_that_waits_must_not_be_moved(play):
    with pytest.raises(InvalidAllocation, match="server of user 0 = 1: is pinned to server 0"):
        play([EDGE], [MOVED], calendar__outages=down(0, 0.5, 20), calendar__on_outage="wait")


def test_a_round_whose_server_fails_while_a_decision_is_made_is_not_moved(play):
    """Decided at 3 s, in force at 3.5 s; the server is down from 3.25 s to 5 s, with 0.875 s of work left."""
    changes = {"reallocation__decision_latency": 0.5, "calendar__outages": down(0, 3.25, 5.0)}
    slow, moved = (0, 0.0, 0.25), (1, 0.0, 0.25)
    rounds, _, _ = play([slow], [moved], [slow], calendar__on_outage="wait", **changes)
    assert rounds["handovers"] == [0]
    assert rounds["delay_s"] == near(8.0 + 1.75)
    rounds, _, _ = play([slow], [moved], calendar__on_outage="migrate", **changes)
    assert rounds["handovers"] == [1]


def test_a_round_at_a_dead_server_is_not_pinned_to_it(play):
    changes = {"calendar__outages": down(0, 0.5, 20), "handover__mode": "pin"}
    rounds, _, _ = play([EDGE], [MOVED], **changes)
    assert rounds["server_last"] == [1]


def test_training_at_the_user_goes_on(play):
    for rule in ("wait", "migrate", "restart"):
        rounds, _, _ = play([(0, 1.0, 1.0)], calendar__outages=down(0, 0.5, 20), calendar__on_outage=rule)
        assert rounds["delay_s"] == near(4.0)


def test_a_server_that_is_down_from_the_start(play):
    rounds, _, _ = play([EDGE], calendar__outages=down(0, 0.0, 1.5))
    assert rounds["delay_s"] == near(3.5)


def brownout(**left):
    return [{"from_s": 0.5, "to_s": 1.5, **left}]


def test_a_brown_out_slows_a_round_and_saves_power(play):
    rounds, _, _ = play([EDGE], calendar__brownouts=brownout(gpu=0.5))
    assert rounds["delay_s"] == near(2.5)
    assert rounds["server_j"] == near(400 * 0.5 + 50 * 1.0 + 400 * 1.0)  # the cube of the speed
    other, _, _ = play([EDGE], calendar__brownouts=brownout(gpu=0.5, server=1))
    assert other["delay_s"] == near(2.0)


def test_a_brown_out_of_bandwidth_slows_a_transfer(play):
    changes = {"workload__bits_per_param": 8, "workload__token_bits": 1e3}
    whole, _, _ = play([EDGE], **changes)
    dim = [{"from_s": 0.0, "to_s": 30, "bandwidth": 0.25}]
    quarter, script, _ = play([EDGE], calendar__brownouts=dim, **changes)
    instance = script.seen[0].instance
    hz, h, n0 = 1e7, instance.gain[0, 0], instance.noise_w_per_hz
    assert instance.servers.bandwidth_hz[0] == hz / 4
    rates = [b * math.log2(1 + h * 10 / (n0 * b)) for b in (hz, hz / 4)]
    assert whole["downlink_s"] == near(8e6 / rates[0])
    assert quarter["downlink_s"] == near(8e6 / rates[1])


def test_a_transfer_stalls_or_slows_in_the_middle(play):
    """The gain is constant, so a quarter of the bandwidth carries less by one factor, as above."""
    changes = {"workload__bits_per_param": 80, "workload__token_bits": 1e3, "servers__bandwidth_mhz": 1}
    whole, script, _ = play([EDGE], **changes)
    h, n0 = script.seen[0].instance.gain[0, 0], script.seen[0].instance.noise_w_per_hz
    full, quarter = (b * math.log2(1 + h * 10 / (n0 * b)) for b in (1e6, 0.25e6))
    assert whole["downlink_s"] == near(8e7 / full)
    begin_s = 1e9 / 2e12
    assert 8e7 / full > 3
    dead, _, _ = play([EDGE], calendar__outages=down(0, 1.0, 2.5), **changes)
    assert dead["downlink_s"] == near(8e7 / full)
    assert dead["delay_s"] == near(begin_s + 8e7 / full + 1.5)
    dim = [{"from_s": 1.0, "to_s": 2.5, "bandwidth": 0.25}]
    slow, _, _ = play([EDGE], calendar__brownouts=dim, reallocation__period_s=30, **changes)
    assert slow["delay_s"] == near(begin_s + 8e7 / full + 1.5 * (1 - quarter / full))


def test_a_decision_in_a_brown_out_is_for_what_is_left(play):
    """Half a server from 0.5 s on; decided anew at 1 s, so half of it until the next decision at 2 s."""
    rounds, script, _ = play([EDGE], reallocation__period_s=1.0, calendar__brownouts=brownout(gpu=0.5))
    assert rounds["delay_s"] == near(2.0 + (2.0 - 0.5 - 1.5 * 0.5))
    flops = [seen.instance.servers.max_gpu_flops[0] for seen in script.seen[:3]]
    assert flops == [2e12, 1e12, 2e12]
    in_force = [seen.allocation.server_gpu_flops[0] for seen in script.seen[1:3]]
    assert in_force == [1e12, 1e12]


def test_the_allocation_seen_in_a_brown_out_is_within_the_budgets(play):
    dim = brownout(gpu=0.3, bandwidth=0.7)
    _, script, _ = play([EDGE], reallocation__period_s=1.0, calendar__brownouts=dim)
    for seen in script.seen[1:]:
        assert not seen.allocation.violations(seen.instance)


LOCAL = (0, 1.0, 1.0)


@pytest.mark.parametrize(("idle_w", "empty_s"), [(0.0, 2.1), (5.0, 2.0)])
def test_a_user_out_of_energy_stops(play, idle_w, empty_s):
    rounds, _, record = play([LOCAL], users__battery={"capacity_j": 210, "idle_w": idle_w})
    assert rounds["outcome"] == ["out_of_energy"]
    assert rounds["local_s"] == near(empty_s)
    assert record.ledger["left_s"].tolist() == near(empty_s)
    assert record.ledger["user_meter_j"] + record.ledger["idle_j"] == pytest.approx([210.0], rel=1e-12)
    assert record.counts["out_of_energy"] == 1
    assert record.epochs["status"].tolist() == ["new", *["empty"] * 9]


def test_a_battery_lasts_through_phases_that_do_not_draw_on_it(play):
    """2 s LOCAL at 100 W, then 1 s SERVER, 1000 s of rest: 1 W idle empties what is left of it."""
    battery = {"capacity_j": 220, "idle_w": 1.0}
    rounds, _, record = play([(0, 0.5, 1.0)], users__battery=battery)
    assert rounds["outcome"] == ["finished"]
    assert record.ledger["left_s"].tolist() == near(20.0)


def test_nothing_of_it_is_in_the_records_of_a_run_without_it(play):
    _, _, record = play([EDGE])
    assert "left_s" not in record.ledger
    assert "arrived" not in record.counts
