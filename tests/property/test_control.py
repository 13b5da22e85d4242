"""Every way to ask, to know and to hand over, in worlds where everything happens: books, bits, bounds.

Each example draws when the policy is asked, what it sees, how long it takes, what a handover does, and
what happens around it: users who come and go, servers that fail.
"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mecsim_policies.hysteresis import Hysteresis

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.study.prediction_gap import CAUSES, split_gap

some = settings(max_examples=12, deadline=None)

PARTS = ("local_s", "uplink_s", "server_s", "downlink_s", "stall_s", "interruption_s")


class Careful:
    """The random policy of all tests, but for users who are pinned."""

    def __init__(self, policy):
        self.policy = policy

    def allocate(self, observation):
        answer, before = self.policy.allocate(observation), observation.allocation
        if answer is None or before is None or not observation.pinned.any():
            return answer
        server = np.where(observation.pinned, before.server, answer.server)
        share = 0.9 / np.bincount(server, minlength=observation.instance.server_count)[server]
        servers = observation.instance.servers
        return dataclasses.replace(
            answer,
            server=server,
            bandwidth_hz=share * servers.bandwidth_hz[server],
            server_power_w=share * servers.max_power_w[server],
            server_gpu_flops=share * servers.max_gpu_flops[server],
        )


seconds = st.floats(0.05, 4.0)
control = st.fixed_dictionaries(
    {
        "reallocation.period_s": st.floats(1.0, 8.0),
        "reallocation.csi": st.sampled_from(["local_mean", "instantaneous", "effective"]),
        "reallocation.csi_delay_s": st.just(0.0) | seconds,
        "reallocation.csi_error_db": st.just(0.0) | st.floats(0.5, 8.0),
        "reallocation.decision_latency": st.just("none") | seconds,
        "reallocation.events": st.lists(
            st.sampled_from(["round_start", "arrival", "departure", "outage"]), max_size=4, unique=True
        ),
        "reallocation.min_interval_s": st.just(0.0) | seconds,
        "handover.mode": st.sampled_from(["migrate", "restart", "pin"]),
        "service.sharing": st.sampled_from(["reserved", "work_conserving"]),
        "workload.rounds.mode": st.sampled_from(["continuous", "synchronous"]),
    },
    optional={
        "reallocation.decision_deadline_s": seconds,
        "users.arrivals": st.just({"rate_per_s": 0.2, "stay_s": {"exponential": 15}}),
        "calendar.failures": st.just({"mtbf_s": 30, "mttr_s": 5}),
        "calendar.on_outage": st.sampled_from(["wait", "migrate", "restart"]),
    },
)
WALK = {
    "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]}, "users.count": 4, "duration_s": 25,
    "workload.adapter_params": 2e6, "channel.fading": {"model": "rayleigh", "block_s": 0.05},
}  # fmt: skip


def policy_of(kind, random_policy, seed):
    if kind == "random":
        return Careful(random_policy(seed))
    return Hysteresis(make_policy("nearest"), 0.1) if kind == "hysteresis" else make_policy(kind)


def close(got, expected):
    scale = np.abs(np.asarray(expected)).max(initial=1.0)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * scale)


def check_books(record):
    ledger, rounds = record.ledger, record.rounds
    close(ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"], ledger["work_started"])
    metered_j = math.fsum(ledger["user_meter_j"]) + math.fsum(ledger["server_meter_j"])
    close(math.fsum(rounds["energy_j"]), metered_j)
    close(math.fsum(record.epochs["realised_energy_j"]), metered_j)
    close(sum(rounds[part] for part in PARTS), rounds["delay_s"])
    assert all((rounds[part] >= 0).all() for part in PARTS)
    finished = (rounds["outcome"] == "finished").sum()
    assert record.counts["rounds"] == finished == record.epochs["rounds_finished"].sum()


def check_decisions(scenario, record):
    """Calls in order and apart, decisions in force in order, nothing late but behind the deadline."""
    epochs, asked = record.epochs, scenario.reallocation
    assert (np.diff(epochs["time_s"]) >= 0).all()
    assert set(epochs["cause"]) <= {"period", *asked.events}
    in_force_s = epochs["in_force_s"]
    latency_s = 0.0 if asked.decision_latency == "none" else asked.decision_latency
    took_s = (in_force_s - epochs["time_s"])[1:]
    np.testing.assert_allclose(took_s[~np.isnan(took_s)], latency_s, rtol=1e-9, atol=1e-9)
    late = asked.decision_deadline_s is not None and latency_s > asked.decision_deadline_s
    assert (epochs["status"] == "late").any() <= late
    assert record.counts["late"] == (epochs["status"] == "late").sum()
    assert np.isnan(in_force_s[epochs["status"] != "new"]).all()
    if asked.events == ("round_start",) and latency_s == 0:
        asked_s = epochs["time_s"][epochs["cause"] == "round_start"]
        assert (np.diff(asked_s) >= asked.min_interval_s * (1 - 1e-9)).all()


@some
@given(changes=control, seed=st.integers(0, 10**6), kind=st.sampled_from(["random", "nearest", "hysteresis"]))
def test_whatever_is_asked_for_the_books_balance(make_scenario, random_policy, digest, changes, seed, kind):
    """K1 to K3, K5, K6 and D1."""
    scenario = make_scenario(WALK | changes)
    record, again = (Simulation(scenario, policy_of(kind, random_policy, seed), seed).run() for _ in range(2))
    check_books(record)
    check_decisions(scenario, record)
    assert digest(again) == digest(record)


@settings(max_examples=6, deadline=None)
@given(changes=control, seed=st.integers(0, 10**6))
def test_the_walk_comes_to_what_happened(make_scenario, random_policy, changes, seed):
    """Where nothing is shared and no server fails, no round leaves anything for `sharing`."""
    calm = {key: value for key, value in changes.items() if not key.startswith("calendar")}
    calm["service.sharing"] = "reserved"
    gap = split_gap(make_scenario(WALK | calm), Careful(random_policy(seed, zeros=0)), seed)
    parts = gap.rounds[["predicted", *CAUSES]].sum(axis=1, skipna=False)
    known = np.isfinite(parts)
    close(parts[known], gap.rounds["realised"][known])
    assert (gap.rounds["sharing"][known].abs() <= 1e-9 * (1 + gap.rounds["realised"][known].abs())).all()


def test_the_checks_reject(make_scenario, random_policy):
    """Mutants: work that vanishes, energy booked twice, a decision in force before it was made."""
    scenario = make_scenario(WALK | {"reallocation.decision_latency": 0.5})
    record = Simulation(scenario, random_policy(1), 1).run()
    check_books(record)
    check_decisions(scenario, record)
    tampered = {
        "ledger": ("work_served", lambda column: column * (1 - 1e-7)),
        "rounds": ("energy_j", lambda column: column * (1 + 1e-7)),
        "epochs": ("in_force_s", lambda column: column - 0.4),
    }
    for table, (name, change) in tampered.items():
        columns = dict(getattr(record, table))
        columns[name] = change(columns[name])
        wrong = dataclasses.replace(record, **{table: columns})
        check = check_decisions if table == "epochs" else lambda _, tampered: check_books(tampered)
        with pytest.raises(AssertionError):
            check(scenario, wrong)
