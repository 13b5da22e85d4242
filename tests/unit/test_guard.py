"""The guard: nothing but a feasible allocation comes through, and what does not is named (model 11)."""

import dataclasses
import math
import re
import signal
import sys

import numpy as np
import pytest

from mecsim.engine.guard import Guard
from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.policy import Observation, ScenarioInfo
from mecsim.registry import make_policy
from mecsim.system.allocation import Allocation
from mecsim.world.world import World


class Scripted:
    """A policy that gives prepared answers; an exception is raised instead of returned."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def allocate(self, observation):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="module")
def snapshot(make_scenario):
    """An instance of 4 users and 2 servers."""
    return World(make_scenario({"users.count": 4}), 1).instance(0.0)


@pytest.fixture(scope="module")
def good(snapshot):
    return make_policy("gucaa").allocate(Observation.of(snapshot))


def decide(snapshot, answer, *, on_invalid="raise", before=None, pinned=None):
    observation = Observation.of(snapshot, time_s=35.0, allocation=before)
    if pinned is not None:
        observation = dataclasses.replace(observation, pinned=np.array(pinned))
    return Guard(Scripted(answer), "mine", on_invalid).decide(dataclasses.replace(observation, epoch=7))


def with_value(allocation, field, user, value):
    column = getattr(allocation, field).copy()
    column[user] = value
    return dataclasses.replace(allocation, **{field: column})


def same(allocation, other):
    """Whether two allocations of our own class hold the same bits."""
    names = [field.name for field in dataclasses.fields(Allocation)]
    assert type(allocation) is Allocation
    return all(getattr(allocation, name).tobytes() == getattr(other, name).tobytes() for name in names)


COLUMNS = [field.name for field in dataclasses.fields(Allocation)][1:]
SHARED = ("bandwidth_hz", "server_power_w", "server_gpu_flops")
OWN = {"local_fraction": "1", "user_power_w": "0.2", "user_gpu_flops": "4.88015e+12"}


def test_a_feasible_answer_comes_through(snapshot, good):
    decision = decide(snapshot, good)
    assert same(decision.allocation, good)
    assert decision.allocation is not good
    assert (decision.status, decision.iterations) == ("new", 0)
    assert decision.cpu_s >= 0


@pytest.mark.parametrize("field", COLUMNS)
@pytest.mark.parametrize(
    ("value", "rule"), [(math.nan, "finite"), (math.inf, "finite"), (-math.inf, "finite")]
)
def test_what_is_no_number_is_named(snapshot, good, field, value, rule):
    with pytest.raises(InvalidAllocation) as caught:
        decide(snapshot, with_value(good, field, 2, value))
    for part in ("policy 'mine'", "t = 35 s", "epoch 7", f"{field} of user 2 = {value}", rule):
        assert part in str(caught.value)


@pytest.mark.parametrize("field", COLUMNS)
def test_a_negative_value_is_named(snapshot, good, field):
    value = -getattr(good, field)[2]
    with pytest.raises(InvalidAllocation, match=rf"{field} of user 2 = .*: must be >= 0") as caught:
        decide(snapshot, with_value(good, field, 2, value))
    assert repr(float(value)) in str(caught.value)


@pytest.mark.parametrize("field", OWN)
def test_a_value_over_the_users_own_bound_is_named(snapshot, good, field):
    bound = float(OWN[field])
    with pytest.raises(InvalidAllocation) as caught:
        decide(snapshot, with_value(good, field, 2, 1.01 * bound))
    assert f"{field} of user 2 = " in str(caught.value)
    assert f"must be <= {bound:.9g}" in str(caught.value)


@pytest.mark.parametrize("field", SHARED)
def test_a_budget_that_is_passed_is_named(snapshot, good, field):
    budget = {"bandwidth_hz": 10e6, "server_power_w": 10, "server_gpu_flops": 0.55 * 19.5e12}[field]
    over = dataclasses.replace(good, **{field: getattr(good, field) * 1.001})
    with pytest.raises(InvalidAllocation) as caught:
        decide(snapshot, over)
    for part in (
        f"{field} of server 0 = ",
        "(also server 1)",
        f"the sum over its users must be <= {budget:.9g}",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("field", [*SHARED, "local_fraction", "user_power_w", "user_gpu_flops"])
def test_the_tolerance_is_a_millionth_of_the_bound(snapshot, good, field):
    at_the_bound = dataclasses.replace(good, local_fraction=np.ones(4))
    inside, outside = (
        dataclasses.replace(at_the_bound, **{field: getattr(at_the_bound, field) * (1 + excess)})
        for excess in (0.9e-6, 1.1e-6)
    )
    assert same(decide(snapshot, inside).allocation, inside)
    with pytest.raises(InvalidAllocation, match=field):
        decide(snapshot, outside)


@pytest.mark.parametrize("server", [-1, 2, 10**9])
def test_an_unknown_server_is_named(snapshot, good, server):
    with pytest.raises(InvalidAllocation, match=f"server of user 3 = {server}: must be a server, 0 to 1"):
        decide(snapshot, with_value(good, "server", 3, server))


@pytest.mark.parametrize("users", [3, 5, 0])
@pytest.mark.parametrize("field", ["server", *COLUMNS])
def test_an_unknown_or_missing_user_is_a_wrong_shape(snapshot, good, field, users):
    wrong = dataclasses.replace(good, **{field: np.resize(getattr(good, field), users)})
    with pytest.raises(
        InvalidAllocation, match=rf"{field} of all users = array of shape \({users},\): .* \(4,\)"
    ):
        decide(snapshot, wrong)


def test_a_matrix_is_a_wrong_shape(snapshot, good):
    wrong = dataclasses.replace(good, bandwidth_hz=np.zeros((4, 2)))
    with pytest.raises(InvalidAllocation, match=r"array of shape \(4, 2\)"):
        decide(snapshot, wrong)


def test_many_problems_are_counted(snapshot, good):
    wrong = dataclasses.replace(good, bandwidth_hz=np.full(4, math.nan), user_power_w=np.full(4, -1.0))
    expected = r"user 0 = nan.* \(also user 1, user 2, user 3\); user_power_w"
    with pytest.raises(InvalidAllocation, match=expected):
        decide(snapshot, wrong)


@pytest.mark.parametrize(
    "answer", [{}, 0, "allocation", [1, 2], Allocation, (), object()], ids=lambda a: type(a).__name__
)
def test_something_else_is_named_by_its_type(snapshot, answer):
    with pytest.raises(
        InvalidAllocation, match=f"returned {type(answer).__name__}, must be an Allocation or None"
    ):
        decide(snapshot, answer)


@pytest.mark.parametrize("on_invalid", ["raise", "hold"])
def test_none_at_first_is_refused_in_any_case(snapshot, on_invalid):
    with pytest.raises(InvalidAllocation, match="returned None, but there is no allocation to keep yet"):
        decide(snapshot, None, on_invalid=on_invalid)


def test_none_keeps_the_allocation_in_force(snapshot, good):
    decision = decide(snapshot, None, before=good)
    assert decision.allocation is good
    assert decision.status == "kept"


@pytest.mark.parametrize(
    "values",
    [
        {"bandwidth_hz": ["much"] * 4},
        {"server": [0.5] * 4},
        {"server": [math.nan] * 4},
        {"user_power_w": [[1], [2, 3]]},
    ],
    ids=str,
)
def test_a_field_that_holds_no_numbers_is_refused_when_it_is_made(good, values):
    (field,) = values
    with pytest.raises(InvalidAllocation, match=f"{field} = .*must be an array of"):
        dataclasses.replace(good, **values)


def test_an_answer_that_cannot_be_made_is_invalid_too(snapshot):
    made_wrong = InvalidAllocation("bandwidth_hz = 'much': must be an array of numbers")
    with pytest.raises(
        InvalidAllocation, match=r"policy 'mine' at t = 35 s \(epoch 7\): bandwidth_hz = 'much'"
    ) as caught:
        decide(snapshot, made_wrong)
    assert caught.value.__cause__ is made_wrong


def test_hold_keeps_the_last_one_and_counts(snapshot, good):
    wrong = with_value(good, "bandwidth_hz", 0, math.nan)
    guard = Guard(Scripted(wrong, good, wrong, InvalidAllocation("no"), None, 3), "mine", "hold")
    observation = Observation.of(snapshot, allocation=good)
    decisions = [guard.decide(observation) for _ in range(6)]
    assert [decision.status for decision in decisions] == ["held", "new", "held", "held", "kept", "held"]
    assert all(same(decision.allocation, good) for decision in decisions)
    assert guard.holds == 4


def test_hold_cannot_hold_at_first(snapshot, good):
    guard = Guard(Scripted(with_value(good, "bandwidth_hz", 0, math.nan)), "mine", "hold")
    with pytest.raises(InvalidAllocation, match="bandwidth_hz of user 0 = nan"):
        guard.decide(Observation.of(snapshot))
    assert guard.holds == 0


def test_a_pinned_user_must_stay(snapshot, good):
    moved = dataclasses.replace(good, server=1 - good.server, **{field: np.zeros(4) for field in SHARED})
    pinned = [False, True, False, True]
    with pytest.raises(InvalidAllocation) as caught:
        decide(snapshot, moved, before=good, pinned=pinned)
    for n in (1, 3):
        assert f"server of user {n} = {moved.server[n]}: is pinned to server {good.server[n]}" in str(
            caught.value
        )
    assert "user 0" not in str(caught.value)
    assert decide(snapshot, moved, before=good, pinned=[False] * 4).status == "new"
    held = decide(snapshot, moved, before=good, pinned=pinned, on_invalid="hold")
    assert (held.status, held.allocation) == ("held", good)


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyError("no"), ZeroDivisionError(), MemoryError(), RecursionError("deep")],
    ids=repr,
)
@pytest.mark.parametrize("on_invalid", ["raise", "hold"])
def test_an_exception_in_the_policy_is_chained(snapshot, good, error, on_invalid):
    with pytest.raises(PolicyFailed) as caught:
        decide(snapshot, error, before=good, on_invalid=on_invalid)
    assert caught.value.__cause__ is error
    assert f"policy 'mine' at t = 35 s (epoch 7) raised {type(error).__name__}: {error}" in str(caught.value)


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C raise KeyboardInterrupt, also where a package has put a handler of its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Presses:
    """Presses Ctrl-C in the place of the user, and does something about it."""

    def __init__(self, then):
        self.then = then

    def allocate(self, observation):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return self.then()


@pytest.mark.parametrize("then", [lambda: next(iter(())), lambda: sys.exit(0), lambda: None, lambda: 3])
def test_only_ctrl_c_interrupts_and_nothing_holds_it_up(snapshot, then, ctrl_c):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        Guard(Presses(then), "mine", "raise").decide(Observation.of(snapshot))
    assert re.search(
        r"interrupted in policy 'mine' at t = 0 s \(epoch 0\), .*py:\d+", caught.value.__notes__[0]
    )
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_nobody_asked_for_is_the_policys_failure(snapshot):
    class Interrupts:
        def allocate(self, observation):
            raise KeyboardInterrupt

    with pytest.raises(PolicyFailed, match="raised KeyboardInterrupt"):
        Guard(Interrupts(), "mine", "raise").decide(Observation.of(snapshot))


INFO = ScenarioInfo("test", 4, 2, 60.0, 5.0)


def test_reset_is_optional_and_gets_what_it_is_promised():
    class Resettable(Scripted):
        def reset(self, info, rng):
            self.given = (info, rng)

    rng = np.random.default_rng(1)
    Guard(Scripted(), "mine", "raise").reset(INFO, rng)
    policy = Resettable()
    Guard(policy, "mine", "raise").reset(INFO, rng)
    assert policy.given == (INFO, rng)


@pytest.mark.parametrize("reset", [lambda info: None, lambda info, rng: 1 / 0, 3])
def test_an_exception_in_reset_is_chained(reset):
    policy = Scripted()
    policy.reset = reset
    with pytest.raises(PolicyFailed, match=r"policy 'mine' raised .* in reset") as caught:
        Guard(policy, "mine", "raise").reset(INFO, np.random.default_rng(1))
    assert isinstance(caught.value.__cause__, TypeError | ZeroDivisionError)


@pytest.mark.parametrize(("iterations", "told"), [(3, 3), (np.int64(4), 4)])
def test_what_a_policy_says_of_its_iterations_is_told(snapshot, good, iterations, told):
    policy = Scripted(good)
    policy.iterations = iterations
    assert Guard(policy, "mine", "raise").decide(Observation.of(snapshot)).iterations == told


@pytest.mark.parametrize("iterations", [None, "many", math.nan, 2.5, [1, 2]], ids=str)
def test_iterations_that_are_no_number_are_the_policys_failure(snapshot, good, iterations):
    policy = Scripted(good)
    policy.iterations = iterations
    with pytest.raises(PolicyFailed, match=r"policy 'mine'.*iterations"):
        Guard(policy, "mine", "raise").decide(Observation.of(snapshot))


@pytest.mark.parametrize(
    ("shown", "noted"), [(12.5, 12.5), (np.float64(3), 3.0), (7, 7.0), (math.nan, math.nan)]
)
def test_what_a_policy_predicts_is_noted(snapshot, good, shown, noted):
    policy = Scripted(good)
    policy.predicted_scr = shown
    found = Guard(policy, "mine", "raise").decide(Observation.of(snapshot)).predicted_scr
    np.testing.assert_array_equal(found, noted)


def test_a_policy_that_predicts_nothing_has_nan(snapshot, good):
    assert math.isnan(Guard(Scripted(good), "mine", "raise").decide(Observation.of(snapshot)).predicted_scr)


@pytest.mark.parametrize("shown", [None, "many", [1, 2]], ids=str)
def test_a_prediction_that_is_no_number_is_the_policys_failure(snapshot, good, shown):
    policy = Scripted(good)
    policy.predicted_scr = shown
    with pytest.raises(PolicyFailed, match=r"policy 'mine'.*predicted_scr = .*must be a number"):
        Guard(policy, "mine", "raise").decide(Observation.of(snapshot))


@pytest.mark.parametrize("name", ["iterations", "predicted_scr"])
def test_a_number_that_cannot_be_shown_is_the_policys_failure(snapshot, good, name):
    class Raises(Scripted):
        pass

    setattr(Raises, name, property(lambda self: 1 / 0))
    with pytest.raises(
        PolicyFailed, match=rf"'mine' at t = 0 s \(epoch 0\) raised ZeroDivisionError in {name}"
    ):
        Guard(Raises(good), "mine", "raise").decide(Observation.of(snapshot))
