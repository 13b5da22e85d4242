"""The allocations table is what the guard let through, of those who are there when it takes effect.

Bugs it would catch: a row for a decision that was kept, held, late or never in force; the policy's answer
instead of what was put in force where that differs; rows of users who have left; columns or users mixed up.
"""

import dataclasses

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.tables import TABLES

COLUMNS = [column.name for column in TABLES["allocations"]]
CHURN = {
    "duration_s": 120,
    "users.arrivals": {"rate_per_s": 0.3, "stay_s": {"exponential": 15}},
    "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]},
    "reallocation.events": ["arrival", "departure"],
    "reallocation.on_invalid": "hold",
}


class Noting:
    """A random policy that notes what it says, and now and then says what is not feasible."""

    def __init__(self, policy):
        self.policy, self.said = policy, {}

    def allocate(self, observation):
        answer = self.policy.allocate(observation)
        if observation.epoch % 7 == 5 and answer is not None:
            return dataclasses.replace(answer, bandwidth_hz=answer.bandwidth_hz + 1e9)
        if answer is not None:
            self.said[observation.epoch] = observation.user, answer
        return answer


def ran(scenario, policy):
    run = Simulation(scenario, policy, 1)
    return run, run.run()


def rows_of(epoch, users, allocation, there):
    """Return the rows of one decision, as the table should have them."""
    return [
        (epoch, user, *(np.float32(getattr(allocation, name)[k]) for name in COLUMNS[2:]))
        for k, user in enumerate(users.tolist())
        if there(user)
    ]


def rows_in(table):
    return list(zip(*(table[name].tolist() for name in COLUMNS), strict=True))


@pytest.mark.parametrize("latency", ["none", 2.0])
def test_the_table_is_what_was_let_through_of_those_who_are_there(make_scenario, random_policy, latency):
    """With a latency, some have left when their grants take effect, and have no row."""
    policy = Noting(random_policy(3))
    scenario = make_scenario(CHURN | {"reallocation.decision_latency": latency})
    run, record = ran(scenario, policy)
    entered_s, left_s = run.roster.stays_s()
    in_force_s = dict(zip(record.epochs["epoch"].tolist(), record.epochs["in_force_s"].tolist(), strict=True))
    expected, gone = [], 0
    for epoch, (users, allocation) in policy.said.items():
        at = in_force_s[epoch]
        if np.isfinite(at):
            rows = rows_of(epoch, users, allocation, lambda n, at=at: entered_s[n] <= at < left_s[n])
            gone += len(users) - len(rows)
            expected += rows
    assert rows_in(record.allocations) == expected
    statuses = record.epochs["status"].tolist()
    assert min(statuses.count(one) for one in ("new", "kept", "held")) >= 2
    assert (gone > 0) == (latency != "none")
    assert len(set(record.allocations["user"].tolist())) > 10
    assert [record.allocations[name].dtype for name in COLUMNS] == [c.dtype for c in TABLES["allocations"]]


def test_who_became_pinned_meanwhile_is_written_down_as_it_stays(make_scenario, random_policy):
    """Mutant: the policy's answer instead of the allocation that was put in force."""
    moving = {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]}}
    scenario = make_scenario(
        moving | {"users.count": 6, "reallocation.decision_latency": 2.0, "handover.mode": "pin"}
    )
    told = []

    class Obedient:
        def __init__(self):
            self.inner, self.said = random_policy(2, keep=0.0, zeros=0.0), {}

        def allocate(self, observation):
            answer = self.inner.allocate(observation)
            if answer is not None and observation.pinned.any():
                answer = dataclasses.replace(
                    answer,
                    server=np.where(observation.pinned, observation.allocation.server, answer.server),
                    bandwidth_hz=answer.bandwidth_hz / 10,
                    server_power_w=answer.server_power_w / 10,
                    server_gpu_flops=answer.server_gpu_flops / 10,
                )
            self.said[observation.epoch] = observation.user, answer
            return answer

    policy = Obedient()
    record = Simulation(scenario, policy, 1, on_decided=told.append).run()
    put = [one for one in told if np.isfinite(one.in_force_s)]
    expected = [
        row
        for one in put
        for row in rows_of(one.observation.epoch, one.observation.user, one.allocation, lambda n: True)
    ]
    assert rows_in(record.allocations) == expected
    answers = [rows_of(e, *policy.said[e], lambda n: True) for e in (o.observation.epoch for o in put)]
    assert [row for rows in answers for row in rows] != expected


def test_switched_off_there_is_no_row_and_nothing_else_changes(make_scenario, random_policy):
    scenario = make_scenario(CHURN)
    _, on = ran(scenario, random_policy(3))
    _, off = ran(scenario.with_changes({"record.allocations": False}), random_policy(3))
    assert all(len(column) == 0 for column in off.allocations.values())
    assert {name: column.dtype for name, column in off.allocations.items()} == {
        name: column.dtype for name, column in on.allocations.items()
    }
    for name in ("rounds", "epochs"):
        for column, values in getattr(on, name).items():
            if column != "decision_cpu_s":
                assert values.tobytes() == getattr(off, name)[column].tobytes(), (name, column)
    assert off.counts == on.counts
