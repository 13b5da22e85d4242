"""Conservation (docs/verification.md K1 to K7) and determinism (D1, D3, D7) with everything switched on.

Users who come and go, of two kinds, with batteries, in a crowd, with room for a few; servers that fail
or have less to give; handovers of each kind; calls of the policy at every event. Bugs it would catch: a
round that goes on when its user has gone, one that starts before its user comes or has an allocation, a
leaver's work, energy or share forgotten or counted twice, a policy that is shown somebody else's row, a
battery that gives more than it holds, an event that depends on the policy's own random numbers.
"""

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

from mecsim.engine.roster import UserStatus
from mecsim.engine.simulation import Simulation
from mecsim.policy import Phase
from mecsim.registry import make_policy
from mecsim.results.derive import all_tables
from mecsim.world.world import World

SEEDS = range(200, 209)
RULES = ("wait", "migrate", "restart")
MODES = ("migrate", "restart", "pin")
RELATIVE = 1e-9


class Careful:
    """A random policy that keeps who is pinned where it is, and notes what it was shown."""

    def __init__(self, policy):
        self.policy, self.seen = policy, []

    def allocate(self, observation):
        self.seen.append(observation)
        answer = self.policy.allocate(observation)
        if answer is None or not observation.pinned.any():
            return answer
        server = np.where(observation.pinned, observation.allocation.server, answer.server)
        load = np.bincount(server, minlength=observation.instance.server_count)[server]
        servers = observation.instance.servers
        return dataclasses.replace(
            answer,
            server=server,
            bandwidth_hz=servers.bandwidth_hz[server] / load,
            server_power_w=servers.max_power_w[server] / load,
            server_gpu_flops=servers.max_gpu_flops[server] / load,
        )


def everything(seed, draw_scenario, **more):
    rng = np.random.default_rng(seed)
    scenario = draw_scenario(seed, moving=True)
    spot = (rng.random(2) * scenario.area.size_m).tolist()
    return scenario.with_changes({
        "users.arrivals": {
            "rate_per_s": 0.3, "stay_s": {"exponential": 15}, "rounds": int(rng.integers(1, 9)),
            "hourly": [1.0],
        },
        "users.max_present": scenario.users.count + 4,
        "users.battery": {"capacity_j": {"uniform": [100, 3000]}, "idle_w": 3.0},
        "users.classes": [
            {"name": "as-all", "share": 2},
            {"name": "other", "share": 1, "gpu_count": 2, "max_power_w": 0.1, "token_bits": 3e7,
             "mobility": {"model": "static"}, "battery": {"capacity_j": 600, "idle_w": 10}},
        ],
        "calendar.flash_crowds": [
            {"from_s": 10, "to_s": 12, "users": 5, "at_m": spot, "stay_s": 9.0, "rounds": 3}
        ],
        "calendar.failures": {"mtbf_s": 25, "mttr_s": 4},
        "calendar.outages": [{"server": 0, "from_s": 20, "to_s": 23}],
        "calendar.brownouts": [{"from_s": 5, "to_s": 25, "bandwidth": 0.6, "gpu": 0.5}],
        "calendar.on_outage": RULES[seed % 3],
        "handover.mode": MODES[seed // 3 % 3],
        "reallocation.events": ["round_start", "arrival", "departure", "outage"],
        "reallocation.min_interval_s": 0.5,
        "reallocation.decision_latency": [0.3, "none"][seed % 2],
    } | more)  # fmt: skip


@pytest.fixture(scope="module")
def run_of(draw_scenario, random_policy):
    """Return a function from a seed to scenario, world, record and the policy of its run."""

    @cache
    def run(seed):
        scenario, policy = everything(seed, draw_scenario), Careful(random_policy(seed))
        record = Simulation(scenario, policy, seed).run()
        return scenario, World(scenario, seed), record, policy

    return run


@pytest.fixture(params=SEEDS)
def run(request, run_of):
    return run_of(request.param)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=RELATIVE)


def test_work_is_served_left_or_dropped(run):
    _, _, record, _ = run
    ledger = record.ledger
    close(ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"], ledger["work_started"])


def test_energy_is_that_of_the_rounds(run):
    _, world, record, _ = run
    ledger, rounds = record.ledger, record.rounds
    own = np.bincount(rounds["user"], rounds["local_j"] + rounds["uplink_j"], minlength=world.user_count)
    close(own, ledger["user_meter_j"])
    close(math.fsum(rounds["server_j"] + rounds["downlink_j"]), math.fsum(ledger["server_meter_j"]))
    close(math.fsum(record.epochs["realised_energy_j"]), math.fsum(rounds["energy_j"]))


def test_no_battery_gives_more_than_it_holds(run):
    _, world, record, _ = run
    drained_j = record.ledger["user_meter_j"] + record.ledger["idle_j"]
    capacity_j = world.population.capacity_j
    assert (drained_j <= capacity_j * (1 + RELATIVE)).all()
    empty = record.ledger["status"] == UserStatus.OUT_OF_ENERGY
    close(drained_j[empty], capacity_j[empty])


def test_users_act_only_while_they_are_there(run):
    scenario, world, record, _ = run
    rounds, ledger = record.rounds, record.ledger
    end_s = rounds["start_s"] + rounds["delay_s"]
    entered_s, left_s = ledger["entered_s"][rounds["user"]], ledger["left_s"][rounds["user"]]
    assert (rounds["start_s"] - rounds["wait_s"] >= entered_s - RELATIVE).all()
    assert (rounds["wait_s"] >= 0).all()
    assert (rounds["server_first"] >= 0).all()
    assert (end_s <= np.minimum(left_s, scenario.duration_s) * (1 + RELATIVE)).all()
    cut_off = np.isin(rounds["outcome"], ["dropped", "out_of_energy"])
    close(end_s[cut_off], left_s[cut_off])
    close(end_s[rounds["outcome"] == "unfinished"], scenario.duration_s)
    assert (ledger["left_s"] <= world.population.leaves_s * (1 + RELATIVE))[
        ledger["status"] == UserStatus.LEFT
    ].all()


def test_rounds_follow_one_another_and_all_but_the_last_are_finished(run):
    scenario, world, record, _ = run
    rounds = record.rounds
    limit = world.population.round_limit
    for n in np.unique(rounds["user"]):
        rows = np.flatnonzero(rounds["user"] == n)
        rows = rows[np.argsort(rounds["round"][rows])]
        assert (rounds["round"][rows] == np.arange(len(rows))).all()
        assert (rounds["outcome"][rows[:-1]] == "finished").all()
        assert len(rows) <= limit[n]
        ends_s = (rounds["start_s"] + rounds["delay_s"])[rows]
        assert (rounds["start_s"][rows[1:]] >= ends_s[:-1] * (1 - RELATIVE)).all()
        if scenario.workload.rounds.mode == "continuous":
            wait_s = rounds["start_s"][rows[0]] - record.ledger["entered_s"][n]
            close(rounds["wait_s"][rows[0]], wait_s)
    done = record.ledger["status"] == UserStatus.DONE
    finished = np.bincount(rounds["user"][rounds["outcome"] == "finished"], minlength=world.user_count)
    assert (finished[done] == limit[done]).all()


def test_the_policy_sees_those_who_are_there(run):
    scenario, world, record, policy = run
    fading = scenario.reallocation.csi == "instantaneous"
    entered_s, left_s = record.ledger["entered_s"], record.ledger["left_s"]
    for seen in policy.seen:
        there = (entered_s <= seen.time_s) & (left_s > seen.time_s)
        assert seen.user.tolist() == np.flatnonzero(there).tolist()
        users = seen.instance.users
        assert users.max_power_w.tolist() == world.workload.devices["max_power_w"][seen.user].tolist()
        if seen.allocation is not None:
            assert not seen.allocation.violations(seen.instance)
        up = np.array([condition.up for condition in world.conditions.at(seen.time_s)])
        gain = world.all_gains(seen.time_s, fading=fading)[seen.user]
        assert seen.instance.gain[:, up].tolist() == gain[:, up].tolist()
        assert (seen.instance.gain[~seen.pinned][:, ~up] == 0).all()


def test_counts_agree_with_the_records(run):
    _, world, record, _ = run
    status, counts = record.ledger["status"], record.counts
    assert counts["refused"] == (status == UserStatus.REFUSED).sum()
    assert counts["arrived"] == ((status != UserStatus.NOT_YET) & (world.population.enters_s > 0)).sum()
    assert (record.rounds["outcome"] == "finished").sum() == counts["rounds"]


def test_it_was_not_a_quiet_day(run_of):
    """All that the checks above are about does happen in these runs."""
    seen = set()
    for seed in SEEDS:
        _, _, record, _ = run_of(seed)
        seen |= set(record.rounds["outcome"]) | {name for name, count in record.counts.items() if count}
        seen |= {"restarted"} if record.rounds["restarts"].any() else set()
        seen |= {"stalled"} if record.rounds["stall_s"].any() else set()
    assert seen >= {
        "dropped",
        "out_of_energy",
        "refused",
        "done",
        "left",
        "restarted",
        "stalled",
        "handovers",
    }


def test_the_same_bits_twice_and_no_policy_changes_the_world(draw_scenario, random_policy, digest):
    scenario = everything(201, draw_scenario)
    untouched = World(scenario, 7).digest()
    for policy in (Careful(random_policy(1)), make_policy("rucaa"), make_policy("local_only")):
        runs = [Simulation(scenario, policy, 7) for _ in range(2)]
        assert digest(runs[0].run()) == digest(runs[1].run())
        assert runs[0].world.digest() == untouched
    longer = scenario.with_changes({"users.arrivals.stay_s": {"exponential": 15.1}})
    assert World(longer, 7).digest() != untouched
    more = scenario.with_changes({"users.arrivals.rate_per_s": 0.31})
    assert World(more, 7).digest() != untouched
    assert World(scenario.with_changes({"calendar.failures.mttr_s": 4.1}), 7).digest() != untouched


def test_a_run_cut_short_is_the_start_of_a_longer_one(draw_scenario, random_policy):
    records = []
    for duration_s in (30.0, 60.0):
        scenario = everything(203, draw_scenario, duration_s=duration_s)
        records.append(Simulation(scenario, Careful(random_policy(1)), 7).run().rounds)
    short, long = records
    ended = short["outcome"] == "finished"
    assert ended.sum() > 5
    first = np.flatnonzero(long["outcome"] == "finished")[: ended.sum()]
    for name in short:
        np.testing.assert_array_equal(short[name][ended], long[name][first], err_msg=name)


def test_phases_of_an_absent_user_are_not_shown(draw_scenario, random_policy):
    policy = Careful(random_policy(1))
    Simulation(everything(204, draw_scenario), policy, 7).run()
    phases = {int(phase) for seen in policy.seen for phase in seen.phase}
    assert phases >= {int(phase) for phase in Phase}


def test_a_run_in_which_nobody_comes_is_empty(make_scenario):
    scenario = make_scenario({"users.count": 0, "users.arrivals": {"rate_per_s": 1e-9}, "duration_s": 20})
    record = Simulation(scenario, make_policy("nearest"), 1).run()
    assert set(record.epochs["status"]) == {"empty"}
    tables = all_tables(record, World(scenario, 1))
    assert not any(len(column) for name in ("rounds", "positions") for column in tables[name].values())


def test_positions_are_of_those_who_are_there(run):
    scenario, world, record, _ = run
    entered_s, left_s = record.ledger["entered_s"], record.ledger["left_s"]
    table = all_tables(record, world)["positions"]
    step_s = scenario.record.positions_s
    times_s = np.arange(math.ceil(scenario.duration_s / step_s)) * step_s
    expected = [(t, n) for t in times_s for n in range(world.user_count) if entered_s[n] <= t < left_s[n]]
    assert list(zip(table["time_s"].tolist(), table["user"].tolist(), strict=True)) == expected


def test_generations_are_of_those_who_live_there(run):
    scenario, world, record, _ = run
    rounds, made = record.rounds, all_tables(record, world)["generations"]
    home = world.population.residents[rounds["user"]] & (rounds["outcome"] == "finished")
    for k, users, energy_j in zip(made["round"], made["users"], made["energy_j"], strict=True):
        rows = home & (rounds["round"] == k)
        assert users == rows.sum() == scenario.users.count
        close(energy_j, rounds["energy_j"][rows].sum())


def test_the_realised_scr_is_of_those_who_are_there(run):
    scenario, world, record, _ = run
    rounds, ledger, weights = record.rounds, record.ledger, scenario.objective
    realised_scr = all_tables(record, world)["epochs"]["realised_scr"]
    ends_s = rounds["start_s"] + rounds["delay_s"]
    epoch_ends_s = [*record.epochs["time_s"][1:], math.inf]
    for end_s, found in zip(epoch_ends_s, realised_scr, strict=True):
        last = {}
        for row in np.flatnonzero((rounds["outcome"] == "finished") & (ends_s <= end_s)):
            n = rounds["user"][row]
            if ledger["entered_s"][n] < end_s <= ledger["left_s"][n]:
                last[n] = row if n not in last or rounds["round"][row] > rounds["round"][last[n]] else last[n]
        rows = list(last.values())
        if not rows:
            assert math.isnan(found)
            continue
        cost = weights.delay_weight_per_s * rounds["delay_s"][rows].max()
        cost += weights.energy_weight_per_j * rounds["energy_j"][rows].sum()
        close(found, rounds["score"][rows].sum() / cost)
