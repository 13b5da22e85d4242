"""What every registered policy keeps to, whoever wrote it.

A policy returns feasible finite numbers for any feasible snapshot, leaves pinned users where they
are, gives one answer to one question, changes nothing that it is shown, and draws random numbers
from its own generator only. Permuting users or servers permutes its answer (VERIFICATION.md M6,
M13), except where MODEL.md section 4 says otherwise: ORDER_MATTERS.
"""

import dataclasses
import random

import numpy as np
import pytest

from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.registry import list_policies, make_policy
from mecsim.system.allocation import Allocation

NAMES = [entry.name for entry in list_policies() if not entry.error]
ORDER_MATTERS = {
    "users": {"rucaa", "gucaa", "gucro"},  # a draw by index; users take their turn in index order
    "servers": {"rucaa"},
}
# Where searches end depends on the last bits of what they compare: permuted to a thousandth of the SCR.
TO_A_THOUSANDTH = {"local_search", "exhaustive", "dashf-reference"}

SYSTEMS = {
    "like the paper": {"users": 10, "servers": 2},
    "one user": {"users": 1, "servers": 3},
    "one server": {"users": 7, "servers": 1},
    "one of each": {"users": 1, "servers": 1},
    "more servers than users": {"users": 3, "servers": 8},
    "many users": {"users": 60, "servers": 5},
    "hopeless channels": {"users": 6, "servers": 3, "gain_decades": (-40, -30)},
    "gains of a laboratory": {"users": 6, "servers": 3, "gain_decades": (-3, 3)},
    "gains of every size": {"users": 6, "servers": 3, "gain_decades": (-30, 0)},
    "tiny budgets": {"users": 6, "servers": 3, "scale": 1e-9},
    "huge budgets": {"users": 6, "servers": 3, "scale": 1e9},
}

# What these refuse, or take minutes for.
SMALL = {"one user", "one of each", "tiny budgets"}
NOT_FOR = dict.fromkeys(["exhaustive", "dashf-reference"], set(SYSTEMS) - SMALL)

every_policy = pytest.mark.parametrize("name", NAMES)
every_policy_and_system = pytest.mark.parametrize(
    ("name", "instance"),
    [(name, system) for name in NAMES for system in SYSTEMS if system not in NOT_FOR.get(name, ())],
    indirect=["instance"],
)


@pytest.fixture
def instance(request, snapshot):
    return snapshot(3, **SYSTEMS[request.param])


def fresh(name, instance, seed=5):
    """Return a policy as a run would have it, reset with a generator of its own."""
    policy = make_policy(name)
    if hasattr(policy, "reset"):
        info = ScenarioInfo("contract", instance.user_count, instance.server_count, 3600.0, 5.0)
        policy.reset(info, np.random.default_rng(seed))
    return policy


def bits(value):
    """Return every bit of an allocation, an observation or an instance."""
    if dataclasses.is_dataclass(value):
        return {field.name: bits(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


def assert_feasible(allocation, instance):
    assert isinstance(allocation, Allocation)
    assert [str(violation) for violation in allocation.violations(instance)] == []
    for field in dataclasses.fields(allocation):
        array = getattr(allocation, field.name)
        assert array.shape == (instance.user_count,), field.name
        assert array.dtype == (np.int64 if field.name == "server" else np.float64), field.name
        assert np.isfinite(array).all(), field.name
        assert (array >= 0).all(), field.name


@every_policy
def test_it_is_a_policy_with_a_summary(name):
    (entry,) = [entry for entry in list_policies() if entry.name == name]
    assert isinstance(make_policy(name), Policy)
    assert entry.summary.endswith(".")


@every_policy_and_system
def test_its_answer_is_feasible(name, instance):
    assert_feasible(fresh(name, instance).allocate(Observation.of(instance)), instance)


@every_policy_and_system
def test_it_answers_without_a_reset(name, instance):
    """A snapshot is solved without a run around it."""
    assert_feasible(make_policy(name).allocate(Observation.of(instance)), instance)


@every_policy
def test_channels_that_carry_nothing(name, snapshot):
    instance = snapshot(3, 5, 2)
    dead = dataclasses.replace(instance, gain=np.zeros_like(instance.gain))
    one_dead_server = dataclasses.replace(instance, gain=instance.gain * [1.0, 0.0])
    one_dead_user = dataclasses.replace(instance, gain=instance.gain * np.eye(5)[2][:, None])
    for system in (dead, one_dead_server, one_dead_user):
        assert_feasible(fresh(name, system).allocate(Observation.of(system)), system)


@every_policy_and_system
def test_an_answer_in_the_middle_of_rounds(name, instance, mid_round):
    policy = fresh(name, instance)
    first = policy.allocate(Observation.of(instance))
    observation = mid_round(instance, first, np.zeros(instance.user_count))
    answer = policy.allocate(observation)
    assert_feasible(first if answer is None else answer, instance)


@every_policy
@pytest.mark.parametrize("seed", range(5))
def test_pinned_users_stay(name, snapshot, mid_round, seed):
    rng = np.random.default_rng(seed)
    count = 5 if name in NOT_FOR else 12
    instance = snapshot(seed, count, 3)
    anywhere = make_policy("nearest").allocate(Observation.of(instance))
    elsewhere = dataclasses.replace(anywhere, server=rng.integers(3, size=count), **nothing_granted(count))
    pinned = rng.random(count) < 0.5
    answer = fresh(name, instance).allocate(mid_round(instance, elsewhere, pinned, seed))
    assert_feasible(answer, instance)
    assert (answer.server == elsewhere.server)[pinned].all()


def nothing_granted(count):
    return {name: np.zeros(count) for name in ("bandwidth_hz", "server_power_w", "server_gpu_flops")}


@every_policy_and_system
def test_one_answer_to_one_question(name, instance, mid_round):
    """M13: asked twice, the same bits; and the observation is as it was."""
    policy = fresh(name, instance)
    observation = mid_round(
        instance, policy.allocate(Observation.of(instance)), np.zeros(instance.user_count)
    )
    before = bits(observation)
    first, second = policy.allocate(observation), policy.allocate(observation)
    assert bits(first) == bits(second)
    assert bits(observation) == before


@every_policy_and_system
def test_the_same_generator_gives_the_same_answer(name, instance):
    answers = [bits(fresh(name, instance).allocate(Observation.of(instance))) for _ in range(2)]
    assert answers[0] == answers[1]


@every_policy_and_system
def test_no_random_numbers_but_its_own(name, instance):
    def states():
        return repr(np.random.get_state(legacy=False)), random.getstate()  # noqa: NPY002 - it is watched

    before = states()
    fresh(name, instance).allocate(Observation.of(instance))
    assert states() == before


def permuted(instance, users, servers):
    def taken(group, order):
        return dataclasses.replace(
            group, **{f.name: getattr(group, f.name)[order] for f in dataclasses.fields(group)}
        )

    return dataclasses.replace(
        instance,
        users=taken(instance.users, users),
        servers=taken(instance.servers, servers),
        gain=instance.gain[np.ix_(users, servers)],
    )


def is_permuted(name, instance, users, servers):
    """Tell whether the answer to the permuted question is the permuted answer."""
    plain = fresh(name, instance).allocate(Observation.of(instance))
    other = permuted(instance, users, servers)
    answer = fresh(name, other).allocate(Observation.of(other))
    if name in TO_A_THOUSANDTH:
        return other.scr(answer) == pytest.approx(instance.scr(plain), rel=1e-3)
    where = np.argsort(servers)
    same_server = (answer.server == where[plain.server[users]]).all()
    columns = zip(answer.columns, plain.columns, strict=True)
    return same_server and all(np.allclose(a, b[users], rtol=1e-9, atol=0) for a, b in columns)


@every_policy
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("of", ["users", "servers"])
def test_a_permutation_permutes_the_answer(name, snapshot, seed, of):
    """M6; a policy that is listed as one whose order matters must show that it is."""
    rng = np.random.default_rng(seed)
    count = 5 if name in NOT_FOR else 9
    instance = snapshot(seed, count, 3)
    order = {"users": np.arange(count), "servers": np.arange(3)}
    if name in ORDER_MATTERS[of]:
        tries = [order | {of: rng.permutation(len(order[of]))} for _ in range(30)]
        assert not all(is_permuted(name, instance, **each) for each in tries)
    else:
        assert is_permuted(name, instance, **(order | {of: rng.permutation(len(order[of]))}))


BAD_POLICIES = """
import dataclasses
import numpy as np
from mecsim.registry import make_policy

def nearest(observation, **changed):
    return dataclasses.replace(make_policy("nearest").allocate(observation), **changed)

class Greedy:
    '''Everyone gets the whole server.'''
    def allocate(self, observation):
        answer = nearest(observation)
        everything = observation.instance.servers.bandwidth_hz[answer.server]
        return dataclasses.replace(answer, bandwidth_hz=everything)

class DividesByTheGain:
    def allocate(self, observation):
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / observation.instance.gain.max(axis=1)
            return nearest(observation, local_fraction=inverse / inverse.max())

class ForgetsWhoIsPinned:
    def allocate(self, observation):
        return nearest(dataclasses.replace(observation, pinned=np.zeros_like(observation.pinned)))

class ChangesItsMind:
    calls = 0
    def allocate(self, observation):
        self.calls += 1
        return nearest(observation, local_fraction=np.full(observation.instance.user_count, 1 / self.calls))

class UnseededDice:
    def allocate(self, observation):
        count = observation.instance.user_count
        return nearest(observation, local_fraction=np.random.default_rng().random(count))

class DrawsFromTheGlobalGenerator:
    def allocate(self, observation):
        return nearest(observation, local_fraction=np.random.random(observation.instance.user_count))

class Scribbles:
    def allocate(self, observation):
        observation.instance.gain.flags.writeable = True
        observation.instance.gain[0] *= 2
        return nearest(observation)

class FirstUserFirst:
    def allocate(self, observation):
        count = observation.instance.user_count
        return nearest(observation, local_fraction=np.arange(count) / count)

class LikesTheFirstServer:
    def allocate(self, observation):
        nothing = np.zeros(observation.instance.user_count)
        zeros = dict.fromkeys(("bandwidth_hz", "server_power_w", "server_gpu_flops"), nothing)
        return nearest(observation, server=nothing.astype(int), **zeros)

class NeedsAReset:
    def reset(self, info, rng):
        self.count = info.user_count
    def allocate(self, observation):
        return nearest(observation, local_fraction=np.zeros(self.count))
"""


@pytest.mark.parametrize(
    ("policy", "promise", "of"),
    [
        ("Greedy", test_its_answer_is_feasible, None),
        ("DividesByTheGain", test_channels_that_carry_nothing, None),
        ("ForgetsWhoIsPinned", test_pinned_users_stay, None),
        ("ChangesItsMind", test_one_answer_to_one_question, None),
        ("UnseededDice", test_the_same_generator_gives_the_same_answer, None),
        ("DrawsFromTheGlobalGenerator", test_no_random_numbers_but_its_own, None),
        ("Scribbles", test_one_answer_to_one_question, None),
        ("FirstUserFirst", test_a_permutation_permutes_the_answer, "users"),
        ("LikesTheFirstServer", test_a_permutation_permutes_the_answer, "servers"),
        ("NeedsAReset", test_it_answers_without_a_reset, None),
        ("Greedy", test_it_is_a_policy_with_a_summary, None),
    ],
)
def test_a_broken_promise_is_noticed(tmp_path, snapshot, mid_round, policy, promise, of):
    (tmp_path / "bad.py").write_text(BAD_POLICIES)
    given = {"name": f"{tmp_path / 'bad.py'}:{policy}", "instance": snapshot(3, 9, 3), "seed": 2, "of": of}
    given |= {"snapshot": snapshot, "mid_round": mid_round}
    wanted = promise.__code__.co_varnames[: promise.__code__.co_argcount]
    with pytest.raises((AssertionError, AttributeError, ValueError)):
        promise(**{key: given[key] for key in wanted})
