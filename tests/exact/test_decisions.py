"""When policies are asked and when their decisions hold (docs/model.md 11), by hand.

Users stand still in a world without shadowing and fading. A user's GPU does 1 TFLOP/s at 100 W; a
round is 4e12 FLOP and no bits, all the user's own (phi = 1): 4 s at full speed, 8 s at half.
"""

import dataclasses
import math
import time

import numpy as np
import pytest
from mecsim_policies.baselines import equal_split

from mecsim.engine.call_schedule import CallSchedule
from mecsim.engine.clock import EventKind
from mecsim.engine.decisions import Decisions
from mecsim.engine.guard import Guard
from mecsim.engine.prediction import TrueGainPrediction
from mecsim.engine.simulation import Simulation
from mecsim.study.runner import simulate
from mecsim.system.allocation import Allocation
from mecsim.world.world import World

PLAIN = {
    "duration_s": 60, "servers.gpu": {"peak_tflops": 2, "board_power_w": 400},
    "servers.gpu_count": 1, "servers.gpu_utilisation": 1, "users.count": 1,
    "users.gpu": {"peak_tflops": 1, "board_power_w": 100},
    "users.gpu_count": 1, "users.gpu_utilisation": 1,
    "workload.rounds": {"mode": "continuous", "think_s": 0},
    "workload.adapter_params": 1e6, "workload.token_bits": 4e6, "workload.bits_per_token_id": 1,
    "workload.flops_per_param_and_token": 1, "workload.bits_per_param": 0,
    "channel.shadowing.sigma_db": 0, "channel.fading": {"model": "none"}, "reallocation.period_s": 10,
}  # fmt: skip


class Speeds:
    """A policy that gives users, from one decision to the next, these shares of their own speed."""

    def __init__(self, *shares, busy_s=0.0, server=None):
        self.shares, self.busy_s, self.server, self.seen = shares, busy_s, server, []

    def allocate(self, observation):
        self.seen.append(observation)
        began = time.process_time()
        while time.process_time() - began < self.busy_s:
            pass
        share = self.shares[min(observation.epoch, len(self.shares) - 1)]
        n, users = observation.instance.user_count, observation.instance.users
        server = np.zeros(n, dtype=int) if self.server is None else self.server(observation)
        none = np.zeros(n)
        return Allocation(server, none + 1, none, users.max_power_w, none, share * users.max_gpu_flops, none)


@pytest.fixture
def play(make_scenario):
    """Return a function from a policy and changes to the record of a run."""

    def run(policy, **changes):
        scenario = make_scenario(PLAIN | {key.replace("__", "."): value for key, value in changes.items()})
        return Simulation(scenario, policy, 1).run()

    return run


def test_a_decision_that_takes_time_is_in_force_after_it(play):
    """Full speed until 13 s, though the policy halved it at 10 s: rounds end at 4, 8, 12 and 12 + 1 + 6."""
    record = play(Speeds(1.0, 0.5), reallocation__decision_latency=3)
    ends_s = record.rounds["start_s"] + record.rounds["delay_s"]
    assert ends_s[:4].tolist() == pytest.approx([4, 8, 12, 19], rel=1e-12)
    assert record.epochs["time_s"][:3].tolist() == [0, 10, 20]
    assert record.epochs["in_force_s"][:3].tolist() == [0, 13, 23]
    assert set(record.epochs["status"]) == {"new"}


def test_the_first_decision_is_in_force_at_once(play):
    record = play(Speeds(1.0), reallocation__decision_latency=30)
    assert record.rounds["start_s"][0] == 0
    assert record.epochs["in_force_s"][0] == 0


def test_calls_while_a_decision_is_in_the_making_become_one_after_it(play):
    """Decisions take 13 s: asked at 0, 10 (in force at 23), then at 23 for the call of 20, at 36, 49."""
    policy = Speeds(1.0)
    record = play(policy, reallocation__decision_latency=13)
    assert record.epochs["time_s"].tolist() == [0, 10, 23, 36, 49]
    in_force_s = record.epochs["in_force_s"]
    assert in_force_s[:4].tolist() == [0, 23, 36, 49]
    assert math.isnan(in_force_s[4])
    assert [seen.epoch for seen in policy.seen] == [0, 1, 2, 3, 4]


def test_a_late_decision_changes_nothing_and_is_counted(play):
    late = {"reallocation__decision_latency": 3, "reallocation__decision_deadline_s": 2}
    record = play(Speeds(1.0, 0.5), **late)
    ends_s = record.rounds["start_s"] + record.rounds["delay_s"]
    assert ends_s[:4].tolist() == pytest.approx([4, 8, 12, 16], rel=1e-12)
    assert record.epochs["status"].tolist() == ["new"] + ["late"] * 5
    assert np.isnan(record.epochs["in_force_s"][1:]).all()
    assert record.counts["late"] == 5
    # The promise is of what is in force, not of what came late.
    assert record.epochs["energy_j"].tolist() == pytest.approx([400] * 6, rel=1e-12)
    in_time = play(Speeds(1.0, 0.5), **late | {"reallocation__decision_deadline_s": 3})
    assert set(in_time.epochs["status"]) == {"new"}


def test_a_late_decider_is_free_again_at_the_deadline(play):
    """Calls at 0, 10, 20...; of 25 s each, cut off after 12: the next call is at 22, then 34, 46, 58."""
    record = play(Speeds(1.0), reallocation__decision_latency=25, reallocation__decision_deadline_s=12)
    assert record.epochs["time_s"].tolist() == [0, 10, 22, 34, 46, 58]


def test_measured_time_is_charged_to_the_clock_and_marked(make_scenario):
    """K7, the other way round: here the policy's 50 ms do move the simulated clock, by what they took."""
    changes = {"reallocation.decision_latency": "measured", "duration_s": 31}
    scenario = make_scenario(PLAIN | changes)
    results = simulate(scenario, Speeds(1.0, busy_s=0.05))
    epochs = results.epochs
    took_s = (epochs["in_force_s"] - epochs["time_s"])[1:]
    np.testing.assert_allclose(took_s, epochs["decision_cpu_s"][1:], rtol=1e-9)
    assert (took_s >= 0.05).all()
    assert results.manifest["reproducible"] is False
    other = simulate(scenario.with_changes({"reallocation.decision_latency": "none"}), Speeds(1.0))
    assert other.manifest["reproducible"] is True


def asked_at(record, cause=None):
    epochs = record.epochs
    chosen = slice(None) if cause is None else epochs["cause"] == cause
    return epochs["time_s"][chosen].tolist()


def test_a_call_for_every_start_of_a_round(play):
    """Rounds of 4 s: calls right after they start, besides those of every 10 s; one at 20 s does for both."""
    record = play(Speeds(1.0), reallocation__events=["round_start"], duration_s=22)
    assert asked_at(record, "period") == [0, 10, 20]
    assert asked_at(record, "round_start") == [0, 4, 8, 12, 16]
    assert record.rounds["epoch"].tolist() == [0, 1, 2, 4, 5, 6]
    assert record.counts["epochs"] == 8


def test_starts_at_one_instant_are_one_call(play):
    record = play(Speeds(1.0), reallocation__events=["round_start"], duration_s=9, users__count=3)
    assert asked_at(record, "round_start") == [0, 4, 8]


def test_calls_for_events_keep_their_distance(play):
    """At least 3 s after any call: the start at 0 waits until 3, that at 4 until 6, that at 8 until 9."""
    record = play(
        Speeds(1.0), reallocation__events=["round_start"], reallocation__min_interval_s=3, duration_s=22
    )
    assert asked_at(record) == [0, 3, 6, 9, 10, 13, 16, 20]
    assert asked_at(record, "period") == [0, 10, 20]


def test_a_call_of_the_period_stands_for_an_event_that_waits(play):
    """The start at 8 s waits until 12 s, and the call at 10 s sees it; that at 12 s waits until 15 s."""
    record = play(
        Speeds(1.0), reallocation__events=["round_start"], reallocation__min_interval_s=5, duration_s=16
    )
    assert asked_at(record) == [0, 5, 10, 15]
    assert asked_at(record, "round_start") == [5, 15]


def test_events_that_are_not_asked_for_call_nobody(play):
    record = play(Speeds(1.0), reallocation__events=["outage", "departure"], duration_s=22)
    assert asked_at(record) == asked_at(record, "period") == [0, 10, 20]


def test_calls_for_arrivals_departures_and_outages(play):
    policy = Speeds(1.0)
    record = play(
        policy,
        reallocation__events=["arrival", "departure", "outage"],
        reallocation__period_s=1000,
        calendar__outages=[{"server": 1, "from_s": 21, "to_s": 33.5}],
        calendar__flash_crowds=[
            {"from_s": 5, "to_s": 5.5, "users": 1, "at_m": [250, 200], "rounds": 1},
        ],
    )
    assert len(asked_at(record, "arrival")) == 1
    came_s = asked_at(record, "arrival")[0]
    assert 5 <= came_s <= 5.5
    assert asked_at(record, "departure") == pytest.approx([came_s + 4], rel=1e-12)
    assert asked_at(record, "outage") == [21, 33.5]
    assert [seen.instance.user_count for seen in policy.seen] == [1, 2, 1, 1, 1]
    assert policy.seen[1].user.tolist() == [0, 1]


WALK = {
    "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 15]}, "duration_s": 100,
    "reallocation.period_s": 1,
}  # fmt: skip


@pytest.mark.parametrize("csi", ["local_mean", "effective", "instantaneous"])
def test_the_epochs_table_has_belief_and_truth(make_scenario, random_policy, csi):
    """Section 2 of the same allocation: on the gains that were seen, and on those that were there."""
    changes = {"reallocation.csi": csi, "reallocation.csi_delay_s": 2, "reallocation.csi_error_db": 3}
    decided = []
    simulation = Simulation(
        make_scenario(WALK | changes), random_policy(2, zeros=0), 2, on_decided=decided.append
    )
    epochs = simulation.run().epochs
    assert len(decided) == len(epochs["time_s"]) == 100
    for row, (observation, _, allocation) in enumerate(decided):
        seen = observation.instance
        true = dataclasses.replace(seen, gain=simulation.world.all_gains(observation.time_s, fading=True))
        for prefix, instance in (("", seen), ("true_", true)):
            assert epochs[f"{prefix}delay_s"][row] == instance.delay(allocation).max()
            assert epochs[f"{prefix}energy_j"][row] == pytest.approx(instance.energy(allocation).sum())
            assert epochs[f"{prefix}scr"][row] == pytest.approx(instance.scr(allocation))
    assert (epochs["true_scr"] != epochs["scr"]).all()


def test_perfect_knowledge_is_the_truth(make_scenario, random_policy):
    changes = {"reallocation.csi": "instantaneous"}
    epochs = Simulation(make_scenario(WALK | changes), random_policy(2), 2).run().epochs
    assert epochs["true_scr"].tolist() == epochs["scr"].tolist()


def test_a_server_that_is_down_is_no_better_in_truth(make_scenario):
    """Everybody is at server 0, which is down from 10 s to 20 s: no round would end then."""
    changes = {"calendar.outages": [{"server": 0, "from_s": 10, "to_s": 20}], "calendar.on_outage": "migrate"}

    class AtServerZero:
        def allocate(self, observation):
            return equal_split(
                observation.instance, np.zeros(observation.instance.user_count, dtype=int), 0.5
            )

    epochs = Simulation(make_scenario(WALK | changes | {"duration_s": 30}), AtServerZero(), 2).run().epochs
    down = (epochs["time_s"] >= 10) & (epochs["time_s"] < 20)
    for prefix in ("", "true_"):
        assert np.isinf(epochs[f"{prefix}delay_s"][down]).all()
        assert (epochs[f"{prefix}scr"][down] == 0).all()
        assert np.isfinite(epochs[f"{prefix}delay_s"][~down]).all()


def in_force_at_once(decisions, observation, decision):
    return 0.0, decision


def every_event_for_itself(schedule, event):
    schedule._clock.call_at(schedule._clock.now, EventKind.POLICY_CALL, 0, lambda: schedule._call(event))


@pytest.mark.parametrize(
    ("bug", "where", "name", "patch", "test"),
    [
        ("decisions in force at once", Decisions, "_with_latency", in_force_at_once,
         test_a_decision_that_takes_time_is_in_force_after_it),
        ("calls that nobody waits for", Decisions, "_with_latency", in_force_at_once,
         test_calls_while_a_decision_is_in_the_making_become_one_after_it),
        ("late decisions that count", Guard, "too_late", lambda guard, observation, decision: decision,
         test_a_late_decision_changes_nothing_and_is_counted),
        ("a call for each of the events of an instant", CallSchedule, "notify", every_event_for_itself,
         test_starts_at_one_instant_are_one_call),
        ("events as often as they come", CallSchedule, "notify", every_event_for_itself,
         test_calls_for_events_keep_their_distance),
        ("no call for events", CallSchedule, "notify", lambda schedule, event: None,
         test_a_call_for_every_start_of_a_round),
    ],
)  # fmt: skip
def test_a_bug_is_noticed(play, monkeypatch, bug, where, name, patch, test):
    monkeypatch.setattr(where, name, patch)
    with pytest.raises(AssertionError):
        test(play)


def test_a_truth_without_its_gains_is_noticed(make_scenario, random_policy, monkeypatch):
    """Mutants of the truth: the local mean, and the gains of the next server."""
    kept = World.gain
    for mutant in (World.mean_gain, lambda world, n, m, t: kept(world, n, (m + 1) % 2, t)):
        monkeypatch.setattr(TrueGainPrediction, "_gain", lambda own, *link, m=mutant: m(own._world, *link))
        with pytest.raises(AssertionError):
            test_the_epochs_table_has_belief_and_truth(make_scenario, random_policy, "local_mean")
