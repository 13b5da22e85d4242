"""The contract checks of a short run, and the broken policies that each catches by name.

All policies of this file have run in their own processes once; the checks then read what came of it.
"""

import re

import pytest

from mecsim.registry import list_policies
from mecsim.testing import CONTRACT_CHECKS, Traits, check_policy, examine_policy

CHECKS = ("short run", "same run twice", "leaves nothing behind")
BROKEN = """
import os
import time
import threading
import warnings
import numpy as np
import dataclasses
from mecsim.registry import make_policy

def nearest(observation, **changed):
    return dataclasses.replace(make_policy("nearest").allocate(observation), **changed)

class FailsLate:
    def allocate(self, observation):
        return nearest(observation) if observation.time_s < 50 else 1 / 0

class OrderOfASet:
    def allocate(self, observation):
        first = next(iter({"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}))
        count = observation.instance.user_count
        return nearest(observation, local_fraction=np.full(count, len(first) / 10 + ord(first[0]) / 1e4))

class AsksTheClock:
    def allocate(self, observation):
        count = observation.instance.user_count
        return nearest(observation, local_fraction=np.full(count, time.time_ns() % 1000003 / 1000003))

class GeneratorOfItsOwn:
    def __init__(self):
        self.rng = np.random.default_rng()
    def allocate(self, observation):
        return nearest(observation, local_fraction=self.rng.random(observation.instance.user_count))

class LeavesMuch:
    def allocate(self, observation):
        if observation.epoch == 3:
            observation.instance.gain.setflags(write=True)
            observation.instance.gain[0] *= 2
            os.chdir("/")
            os.environ["PATH"] = ""
            warnings.simplefilter("ignore")
            np.random.rand()
            np.sqrt = np.log1p
            threading.Thread(target=time.sleep, args=(100,), name="sleeper", daemon=True).start()
        return nearest(observation)
"""
CAUGHT = {
    "FailsLate": (
        "short run",
        r"FailsLate' at t = 50 s \(epoch 10\) raised ZeroDivisionError: .*broken.py:15",
    ),
    "OrderOfASet": (
        "same run twice",
        "two processes gave other rounds and epochs and allocations for one seed",
    ),
    "AsksTheClock": ("same run twice", "two processes gave other .* a clock"),
    "GeneratorOfItsOwn": ("same run twice", "two processes gave other .* a generator of its own"),
    "LeavesMuch": ("leaves nothing behind", "wrote into observation.instance.gain.*epoch 3"),
}
LEFT = ("working directory", "PATH", "warnings filters", "generator of numpy", "numpy.sqrt", "'sleeper'")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    path = tmp_path_factory.mktemp("broken") / "broken.py"
    path.write_text(BROKEN)
    return {name: examine_policy(f"{path}:{name}", checks=CHECKS) for name in CAUGHT}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_violated_check_is_named(reports, name):
    check, fault = CAUGHT[name]
    assert re.search(fault, reports[name].failed[check]), reports[name]


def test_everything_left_behind_is_told(reports):
    told = reports["LeavesMuch"].failed["leaves nothing behind"]
    assert [what for what in LEFT if what not in told] == []


def test_only_a_run_that_fails_fails_all_three(reports):
    failed = {name: tuple(report.failed) for name, report in reports.items()}
    assert failed == {name: CHECKS if name == "FailsLate" else (CAUGHT[name][0],) for name in CAUGHT}


def test_every_check_is_violated_by_some_policy():
    assert {check for check, _ in CAUGHT.values()} == set(CHECKS)
    assert set(CHECKS) < set(CONTRACT_CHECKS)


class Ends:
    """A policy in which a check meets what is no Exception."""

    def __init__(self, error):
        self.error = error

    def allocate(self, observation):
        raise self.error


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), BaseException("x")])
def test_whatever_a_policy_raises_is_a_fault(error):
    with pytest.raises(AssertionError, match=f"types and budgets: {type(error).__name__}:"):
        check_policy(Ends(error), checks=["types and budgets"])


def test_a_policy_that_hangs_in_a_check_is_ended():
    class Hangs:
        def allocate(self, observation):
            while True:
                pass

    with pytest.raises(AssertionError, match=r"TookTooLong: no answer within 0.2 s .*short_run\.py"):
        check_policy(Hangs(), traits=Traits(decision_limit_s=0.02), checks=["types and budgets"])


IN_TURN = """
from mecsim.registry import make_policy

class InTurn:
    \"\"\"Asks one policy after the other, at every so-manieth epoch, and keeps the answer meanwhile.\"\"\"
    def __init__(self):
        self.policies = [POLICIES]
    def reset(self, info, rng):
        for policy in self.policies:
            if hasattr(policy, "reset"):
                policy.reset(info, rng)
    def allocate(self, observation):
        turn, left = divmod(observation.epoch, EVERY)
        return None if left else self.policies[turn % len(self.policies)].allocate(observation)
"""
SLOW = ("dashf_reference", "exhaustive", "certified", "local_search")
# The twelve decisions of a run: each policy has two of them or four, and one if it takes seconds.
TURNS = {
    ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "hysteresis"): 1,
    ("aauco", "gucro", "dashf", "dashf_plus"): 1,
    ("water_filling", "best_response", "matching", "card"): 1,
    ("switch", "drift_plus_penalty", "bandit", "linear_rule"): 1,
    SLOW: 3,
}


def in_turn(folder, made, every):
    """Return the spec of a policy that asks some, made by an expression each, in turn."""
    text = BROKEN + IN_TURN.replace("POLICIES", made).replace("EVERY", str(every))
    (folder / "in_turn.py").write_text(text)
    return f"{folder / 'in_turn.py'}:InTurn"


@pytest.mark.parametrize("names", TURNS, ids="-".join)
def test_they_pass_in_short_runs(names, tmp_path):
    """With a run for each it would take a minute. One decision ends a run, or differs between processes."""
    specs = ("certified:max_nodes=4" if name == "certified" else name for name in names)
    made = ", ".join(f"make_policy({spec!r})" for spec in specs)
    check_policy(in_turn(tmp_path, made, TURNS[names]), traits=Traits(decision_limit_s=300), checks=CHECKS)


def test_every_policy_is_in_a_short_run():
    names = [entry.name for entry in list_policies() if not entry.error]
    assert sorted(name for names in TURNS for name in names) == sorted(names)


def test_one_that_differs_between_processes_is_noticed_among_others(tmp_path):
    report = examine_policy(in_turn(tmp_path, "make_policy('nearest'), OrderOfASet()", 4), checks=CHECKS)
    assert list(report.failed) == ["same run twice"]
