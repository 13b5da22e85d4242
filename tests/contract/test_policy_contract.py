"""Every registered policy passes the contract checks of `mecsim.testing` (docs/verification.md M6, M13).

The exemptions of a policy are listed here, and each must be needed. Policies that violate one check each
are caught, with a message that names the fault.
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from mecsim.errors import PolicyNotFound
from mecsim.policy import Policy
from mecsim.registry import list_policies, make_policy
from mecsim.testing import CONTRACT_CHECKS, Traits, check_policy, examine_policy
from mecsim.testing.contract_checks.subject import SYSTEMS

NAMES = [entry.name for entry in list_policies() if not entry.error]
# docs/model.md section 4: a draw by index; users take their turn in index order.
ALL_ORDERS, USERS = frozenset({"users", "servers"}), frozenset({"users"})
# The joint step ends where the SCR is flat: the shares there answer to rounding, the SCR does not.
FLAT = Traits(permutation_rtol=1e-5)
SMALL = ("one user", "one of each", "tiny budgets")
NOT_LARGE = tuple(name for name in SYSTEMS if name not in ("like the paper", "many users"))
# They take local_search seconds each: in tests/search/test_robustness.py it meets gains of every size.
WILD = ("huge budgets", "gains of a laboratory", "gains of every size")
# Where searches end depends on the last bits of what they compare: permuted to a thousandth of the SCR.
SEARCH = Traits(permutation_rtol=1e-3, systems=SMALL, most_users=2, decision_limit_s=300)
TRAITS = {
    "rucaa": Traits(order_matters=ALL_ORDERS),
    "gucaa": Traits(order_matters=USERS),
    "gucro": Traits(order_matters=USERS),
    "dashf": FLAT,
    "dashf_plus": FLAT,
    "drift_plus_penalty": Traits(permutation_rtol=1e-3, systems=NOT_LARGE, most_users=5),
    "local_search": replace(SEARCH, systems=tuple(name for name in NOT_LARGE if name not in WILD)),
    "exhaustive": SEARCH,
    "certified": replace(SEARCH, systems=SMALL[:2]),
    "dashf_reference": SEARCH,
}
SLOW = ("dashf_reference", "exhaustive", "certified", "local_search")
# They take all their iterations there, and meet it once, in the check of types and budgets.
LONG_AT_TINY = (*SLOW, "dashf", "drift_plus_penalty")
# With all its nodes a decision can take a minute.
SHORTER = {"certified": "certified:max_nodes=4"}
# Huge budgets take local_search seconds; its joint step meets them in dashf_plus.
# Slow policies, which have no reset, get the two systems with a single user here. Several users in the middle
# of rounds are in the check of pinned users, and predicted in test_predicted_scr.py.
LONG = ("middle of rounds", "predicted scr", "without a reset")
OPTIMISING = ("dashf", "dashf_plus", "drift_plus_penalty", "gucro")
FEW = ("like the paper", "one of each", "more servers than users", "hopeless channels", "tiny budgets")
SHORT_RUNS = ("short run", "same run twice", "leaves nothing behind")  # test_short_run.py


@pytest.mark.parametrize("check", [check for check in CONTRACT_CHECKS if check not in SHORT_RUNS])
@pytest.mark.parametrize("name", NAMES)
def test_it_passes(name, check):
    traits = TRAITS.get(name, Traits())
    if name in SLOW and check in LONG:
        traits = replace(traits, systems=SMALL[:2])
    elif name in SLOW and check == "permutation of servers":
        traits = replace(traits, most_users=1)
    elif check in LONG and name in OPTIMISING:
        traits = replace(traits, systems=traits.select_systems(FEW))
    if name in LONG_AT_TINY and check != "types and budgets":
        left = tuple(system for system in traits.systems if system != "tiny budgets")
        traits = replace(traits, systems=left)
    check_policy(SHORTER.get(name, name), traits=traits, checks=[check])


def assert_described(entry):
    assert isinstance(make_policy(entry.name), Policy)
    assert entry.summary.endswith(".")


@pytest.mark.parametrize("entry", list_policies(), ids=lambda entry: entry.name)
def test_it_is_a_policy_with_a_summary(entry):
    assert_described(entry)


def test_a_policy_without_a_summary_is_noticed():
    entry = list_policies()[0]
    with pytest.raises(AssertionError):
        assert_described(entry._replace(summary=""))


BAD_POLICIES = '''
import dataclasses
import threading
import numpy as np
from mecsim.registry import make_policy

def nearest(observation, **changed):
    return dataclasses.replace(make_policy("nearest").allocate(observation), **changed)

class Greedy:
    """Everyone gets the whole server."""
    def allocate(self, observation):
        answer = nearest(observation)
        everything = observation.instance.servers.bandwidth_hz[answer.server]
        return dataclasses.replace(answer, bandwidth_hz=everything)

class ReturnsATuple:
    def allocate(self, observation):
        return (nearest(observation),)

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

class WritesAtOnce:
    def allocate(self, observation):
        observation.instance.gain[0] = 0
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

class Remembers:
    runs = 0
    def reset(self, info, rng):
        self.runs += 1
    def allocate(self, observation):
        count = observation.instance.user_count
        return nearest(observation, local_fraction=np.full(count, 1 / (1 + self.runs)))

class HoldsALock:
    def __init__(self):
        self.lock = threading.Lock()
    def allocate(self, observation):
        return nearest(observation)

class LosesItsMemory:
    def __init__(self):
        self.share = 0.5
    def reset(self, info, rng):
        self.share = 0.25
    def __getstate__(self):
        return {}
    def __setstate__(self, state):
        self.share = 0.5
    def allocate(self, observation):
        return nearest(observation, local_fraction=np.full(observation.instance.user_count, self.share))

class NeedsAnActiveUser:
    def allocate(self, observation):
        if observation.allocation is not None:
            np.nanmin(observation.local_fraction)
            observation.local_fraction[~np.isnan(observation.local_fraction)].min()
        return nearest(observation)

class NeedsTwoServers:
    def allocate(self, observation):
        np.sort(observation.instance.gain, axis=1)[:, -2]
        return nearest(observation)

class NeedsTwoUsers:
    def allocate(self, observation):
        observation.instance.gain[1]
        return nearest(observation)

class ForgetsTheLastUser:
    def allocate(self, observation):
        answer = nearest(observation)
        return type(answer)(*(getattr(answer, field.name)[:-1] for field in dataclasses.fields(answer)))

class AddsATenthOfAHertz:
    def allocate(self, observation):
        answer = nearest(observation)
        return dataclasses.replace(answer, bandwidth_hz=answer.bandwidth_hz + 0.1)

class OverflowsWhereBudgetsAreHuge:
    def allocate(self, observation):
        with np.errstate(over="ignore", invalid="ignore"):
            weight = observation.instance.users.max_gpu_flops ** 20.0
            return nearest(observation, local_fraction=weight / weight.max())

class PredictsWithShannon:
    predicted_scr = float("nan")
    def allocate(self, observation):
        answer = nearest(observation)
        self.predicted_scr = dataclasses.replace(observation.instance, ergodic=False).scr(answer)
        return answer

class PredictsNothingButWords:
    predicted_scr = "high"
    def allocate(self, observation):
        return nearest(observation)

class KeepsWhatIsNotThere:
    def allocate(self, observation):
        return None
'''

CAUGHT = {
    "Greedy": ("types and budgets", "bandwidth_hz"),
    "ReturnsATuple": ("types and budgets", "returned tuple, must be an Allocation"),
    "KeepsWhatIsNotThere": ("types and budgets", "returned NoneType, must be an Allocation"),
    "NeedsTwoUsers": ("types and budgets", "IndexError"),
    "ForgetsTheLastUser": ("types and budgets", "system 'like the paper': server has shape"),
    "AddsATenthOfAHertz": ("types and budgets", "system 'tiny budgets': bandwidth_hz"),
    "OverflowsWhereBudgetsAreHuge": ("types and budgets", "system 'huge budgets': local_fraction"),
    "NeedsTwoServers": ("types and budgets", "IndexError"),
    "DividesByTheGain": ("zero gains", "local_fraction"),
    "NeedsAnActiveUser": ("middle of rounds", "ValueError"),
    "ForgetsWhoIsPinned": ("pinned users", "pinned users .* were moved"),
    "ChangesItsMind": ("repeated observation", "other values of allocation.local_fraction"),
    "Scribbles": ("repeated observation", "wrote into observation.instance.gain"),
    "WritesAtOnce": ("types and budgets", "read-only"),
    "UnseededDice": ("determinism", "the same seed gave other values of allocation.local_fraction"),
    "DrawsFromTheGlobalGenerator": ("global generators", "drew from the global generator of numpy"),
    "FirstUserFirst": ("permutation of users", "users permuted .* local_fraction did not follow"),
    "LikesTheFirstServer": ("permutation of servers", "servers permuted .* server did not follow"),
    "NeedsAReset": ("without a reset", "without a reset before: AttributeError"),
    "Remembers": ("reset", "allocation.local_fraction still depend on the run before"),
    "PredictsWithShannon": (
        "predicted scr",
        "system 'like the paper', ergodic: predicted_scr = .*, but the SCR",
    ),
    "PredictsNothingButWords": ("predicted scr", "predicted_scr = 'high': must be a number"),
    "HoldsALock": ("pickling", "cannot be sent to a worker"),
    "LosesItsMemory": ("pickling", "sent to a worker gives other values of allocation.local_fraction"),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    path = tmp_path_factory.mktemp("bad") / "bad.py"
    path.write_text(BAD_POLICIES)
    return path


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("name", CAUGHT)
def test_a_violated_check_is_named(bad, name):
    check, fault = CAUGHT[name]
    report = examine_policy(f"{bad}:{name}", checks=[check])
    assert re.search(fault, report.failed[check]), report
    with pytest.raises(AssertionError, match=f"failed: {check}: "):
        check_policy(f"{bad}:{name}", checks=[check])


def test_every_check_is_violated_by_some_policy():
    assert {check for check, _ in CAUGHT.values()} == set(CONTRACT_CHECKS) - set(
        SHORT_RUNS
    )  # test_short_run.py


def test_an_exemption_must_be_needed():
    with pytest.raises(AssertionError, match="the order of users matters, but no decision depended on it"):
        check_policy("nearest", traits=Traits(order_matters=USERS), checks=["permutation of users"])


def test_an_object_a_class_and_a_function_are_taken_too():
    class Mine:
        def allocate(self, observation):
            return make_policy("nearest").allocate(observation)

    here = [name for name in CONTRACT_CHECKS if name not in (*SHORT_RUNS, "middle of rounds")]
    for given, checks in ((Mine(), here), (Mine, ["pickling"]), (lambda: Mine(), ["short run", *here])):
        report = check_policy(given, checks=checks)
        assert report.passed == tuple(checks)
    assert set(report.decision_s) > {"one user", "huge budgets"}
    assert all(np.isfinite(seconds) for seconds in report.decision_s.values())
    assert re.search(r"one decision: like the paper [\d.]+ ms", str(report))


@pytest.mark.parametrize("given", ["gucca", 3, int])
def test_what_is_no_policy_is_refused(given):
    with pytest.raises(PolicyNotFound):
        check_policy(given)


def test_a_misspelled_check_is_refused():
    with pytest.raises(PolicyNotFound, match="did you mean 'pinned users'"):
        check_policy("nearest", checks=["pined users"])
