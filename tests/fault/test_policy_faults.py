"""Policies that fail in a run, and what the run makes of it (docs/verification.md F1, F3, F5).

Never a wrong number without a mark: what a policy returns is used as it is, refused, or held and counted.
"""

import dataclasses

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.registry import make_policy
from mecsim.system.allocation import Allocation


class Failing:
    """Does what ``nearest`` does until some epoch, and then something else."""

    def __init__(self, fault, epoch=2):
        self.fault, self.epoch = fault, epoch

    def allocate(self, observation):
        answer = make_policy("nearest").allocate(observation)
        return answer if observation.epoch < self.epoch else self.fault(observation, answer)


def run(make_scenario, policy, changes=None, seed=1):
    scenario = make_scenario(
        {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 15]}} | (changes or {})
    )
    return Simulation(scenario, policy, seed, label="my-policy").run()


def value(field, user, number):
    def fault(observation, answer):
        column = getattr(answer, field).copy()
        column[user] = number
        return dataclasses.replace(answer, **{field: column})

    return fault


def column(field, change):
    return lambda observation, answer: dataclasses.replace(answer, **{field: change(getattr(answer, field))})


def unlike(*args):
    raise AssertionError(args)


INVALID = {
    "NaN": (value("bandwidth_hz", 1, np.nan), "bandwidth_hz of user 1 = nan: must be a finite number"),
    "infinite": (
        value("server_gpu_flops", 0, np.inf),
        "server_gpu_flops of user 0 = inf: must be a finite number",
    ),
    "negative": (value("user_power_w", 2, -0.1), "user_power_w of user 2 = -0.1: must be >= 0"),
    "over the user's bound": (
        value("local_fraction", 0, 1.5),
        "local_fraction of user 0 = 1.5: must be <= 1",
    ),
    "over budget": (column("server_power_w", lambda c: c * 2), "the sum over its users must be <= 10"),
    "unknown server": (value("server", 1, 7), "server of user 1 = 7: must be a server, 0 to 1"),
    "unknown user": (
        column("bandwidth_hz", lambda c: np.append(c, 0)),
        r"array of shape (4,): the shape must be (3,)",
    ),
    "matrix": (column("bandwidth_hz", lambda c: c[:, None]), "array of shape (3, 1)"),
    "texts": (
        column("bandwidth_hz", lambda c: ["much"] * 3),
        "bandwidth_hz = ['much', 'much', 'much']: must be an array of numbers",
    ),
    "half a server": (column("server", lambda c: c + 0.5), "must be an array of whole numbers"),
    "a dict": (
        lambda observation, answer: {"server": answer.server},
        "returned dict, must be an Allocation or None",
    ),
    "a tuple": (lambda observation, answer: (answer,), "returned tuple, must be an Allocation or None"),
    "the observation": (lambda observation, answer: observation, "returned Observation, must be"),
}


@pytest.mark.parametrize("fault", INVALID)
def test_an_invalid_allocation_stops_the_run_and_is_named(make_scenario, fault):
    break_it, message = INVALID[fault]
    with pytest.raises(InvalidAllocation) as caught:
        run(make_scenario, Failing(break_it))
    assert message in str(caught.value)
    assert "policy 'my-policy' at t = 10 s (epoch 2): " in str(caught.value)


@pytest.mark.parametrize("fault", INVALID)
def test_an_invalid_allocation_is_held_and_counted_if_the_scenario_says_so(make_scenario, fault):
    break_it, _ = INVALID[fault]
    record = run(make_scenario, Failing(break_it), {"reallocation.on_invalid": "hold"})
    kept = run(make_scenario, Failing(lambda observation, answer: None))
    assert record.counts["holds"] == 10
    assert record.epochs["status"].tolist() == ["new"] * 2 + ["held"] * 10
    assert kept.epochs["status"].tolist() == ["new"] * 2 + ["kept"] * 10
    assert kept.counts["holds"] == 0
    for name, held in record.rounds.items():
        assert held.tobytes() == kept.rounds[name].tobytes(), name


def test_nothing_is_clipped(make_scenario):
    """An allocation within the tolerance is used as it is; only a count of holds would be a repair."""
    slightly = 1 + 0.9e-6
    record = run(make_scenario, Failing(column("bandwidth_hz", lambda c: c * slightly), epoch=0))
    exactly = run(make_scenario, Failing(lambda observation, answer: answer))
    assert record.counts["holds"] == 0
    assert (record.rounds["uplink_s"][:3] < exactly.rounds["uplink_s"][:3]).all()


@pytest.mark.parametrize("on_invalid", ["raise", "hold"])
def test_none_at_the_first_epoch_stops_the_run(make_scenario, on_invalid):
    with pytest.raises(
        InvalidAllocation, match=r"epoch 0.*returned None, but there is no allocation to keep yet"
    ):
        run(
            make_scenario,
            Failing(lambda observation, answer: None, epoch=0),
            {"reallocation.on_invalid": on_invalid},
        )


def scribble(name):
    def fault(observation, answer):
        target = observation
        for part in name.split("."):
            target = getattr(target, part)
        target[0] = 0
        return answer

    return fault


FAILURES = {
    "divides by zero": (lambda observation, answer: 1 / 0, ZeroDivisionError),
    "a key that is not there": (lambda observation, answer: {}["missing"], KeyError),
    "runs out of memory": (
        lambda observation, answer: (_ for _ in ()).throw(MemoryError("no more")),
        MemoryError,
    ),
    "fails an assertion": (unlike, AssertionError),
    "an unknown field": (lambda observation, answer: Allocation(**{"colour": 3}), TypeError),
    "replaces an unknown field": (
        lambda observation, answer: dataclasses.replace(answer, colour=3),
        TypeError,
    ),
    "sets a field of the observation": (
        lambda observation, answer: setattr(observation, "time_s", 0),
        dataclasses.FrozenInstanceError,
    ),
    "writes into its last allocation": (scribble("allocation.bandwidth_hz"), ValueError),
    "writes into the gains": (scribble("instance.gain"), ValueError),
    "writes into the phases": (scribble("phase"), ValueError),
    "writes into the work left": (scribble("remaining"), ValueError),
    "writes into the pins": (scribble("pinned"), ValueError),
    "writes into the fractions": (scribble("local_fraction"), ValueError),
    "writes into the users": (scribble("instance.users.max_power_w"), ValueError),
    "writes into the servers": (scribble("instance.servers.bandwidth_hz"), ValueError),
}


@pytest.mark.parametrize("on_invalid", ["raise", "hold"])
@pytest.mark.parametrize("fault", FAILURES)
def test_a_policy_that_raises_stops_the_run_with_its_cause(make_scenario, fault, on_invalid):
    break_it, kind = FAILURES[fault]
    with pytest.raises(PolicyFailed) as caught:
        run(make_scenario, Failing(break_it), {"reallocation.on_invalid": on_invalid})
    assert type(caught.value.__cause__) is kind
    assert f"policy 'my-policy' at t = 10 s (epoch 2) raised {kind.__name__}" in str(caught.value)


def test_a_policy_that_raises_in_reset_stops_before_the_run(make_scenario):
    class Unready:
        def reset(self, info, rng):
            raise FileNotFoundError("weights.npz")

        def allocate(self, observation):
            raise AssertionError("never asked")

    with pytest.raises(
        PolicyFailed, match=r"policy 'my-policy' raised FileNotFoundError in reset: weights.npz"
    ):
        run(make_scenario, Unready())


def test_a_policys_iterations_that_are_no_number_stop_the_run_as_its_failure(make_scenario):
    class Vague(Failing):
        iterations = None

    with pytest.raises(PolicyFailed, match=r"policy 'my-policy'.*iterations"):
        run(make_scenario, Vague(unlike, epoch=100))


def test_a_failed_run_leaves_the_next_one_as_it_would_have_been(make_scenario, digest):
    before = digest(run(make_scenario, make_policy("nearest")))
    with pytest.raises(PolicyFailed):
        run(make_scenario, Failing(unlike))
    assert digest(run(make_scenario, make_policy("nearest"))) == before


def test_an_error_of_the_engine_surfaces_with_its_own_type(make_scenario, monkeypatch):
    """F5: nothing is swallowed in a process that nobody waits for."""
    from mecsim.engine.round_runner import RoundRunner

    def broken(self, user, phase):
        raise LookupError("inside a process")

    monkeypatch.setattr(RoundRunner, "work_of", broken)
    with pytest.raises(LookupError, match="inside a process"):
        run(make_scenario, make_policy("nearest"))


def test_an_error_of_progress_surfaces(make_scenario):
    with pytest.raises(BrokenPipeError):
        Simulation(
            make_scenario(),
            make_policy("nearest"),
            1,
            on_progress=lambda done_s: (_ for _ in ()).throw(BrokenPipeError()),
        ).run()
