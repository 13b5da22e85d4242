"""Hostile policies in the process of their run: each fails by name, changes nothing, or is marked.

Mutants, each seen to fail here: the engine's own observation handed out, the answer's own `violations` asked,
`except Exception` around the call, failures of threads dropped, generators not looked at.
"""

import random
import runpy
from pathlib import Path

import numpy as np
import pytest

import mecsim
from mecsim.analysis.diagnostics import run_warnings, study_warnings
from mecsim.errors import InvalidAllocation, PolicyFailed, PolicyNotFound
from mecsim.testing import examine_policy

HOSTILE = runpy.run_path(str(Path(__file__).with_name("hostile_policies.py")))
of = HOSTILE["of"]


def names(*kinds):
    return {"argvalues": of(*kinds), "ids": lambda case: case.name}


@pytest.fixture(scope="module")
def scenario(make_scenario):
    mobility = {"model": "random_waypoint", "speed_mps": [5, 15]}
    return make_scenario({"users.mobility": mobility, "duration_s": 40, "warmup_s": 0})


@pytest.fixture(scope="module")
def honest(scenario):
    return mecsim.simulate(scenario, "nearest", seed=1)


def test_there_are_enough_of_them():
    kinds = {case.expect for case in HOSTILE["CASES"]}
    assert len(HOSTILE["CASES"]) >= 60
    assert kinds >= {"fails", "harmless", "marked", "irreproducible", "ends", "hangs", "contained"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("case", **names("fails"))
def test_it_fails_by_name_in_one_printable_line(scenario, case):
    with pytest.raises((PolicyFailed, InvalidAllocation)) as caught:
        mecsim.simulate(scenario, case.spec, seed=1)
    message = str(caught.value)
    assert message.startswith(f"policy '{case.name}' ")
    assert "(epoch " in message or " in reset" in message
    assert message.isprintable()
    assert len(message) < 1200
    message.encode()


@pytest.mark.parametrize("case", **names("unmakeable"))
def test_what_cannot_be_made_is_named(scenario, case):
    with pytest.raises(PolicyNotFound, match=rf"{case.name}' cannot be made: SystemExit: 0 \(.*py:\d+\)"):
        mecsim.simulate(scenario, case.spec)


@pytest.mark.parametrize("case", **names("harmless", "marked"))
def test_nothing_follows_from_it(scenario, honest, case):
    results = mecsim.simulate(scenario, case.spec, seed=1)
    assert results.digest() == honest.digest()
    changed = results.manifest["counts"].get("observations_changed", 0)
    assert bool(changed) == (case.expect == "marked")
    told = [line for line in run_warnings(results) if "wrote into observation." in line]
    assert len(told) == bool(changed)
    if told:
        assert f"policy '{case.name}'" in told[0]
        assert "first at t = 10 s (epoch 2)" in told[0]


@pytest.mark.parametrize("case", **names("irreproducible"))
def test_a_draw_from_a_global_generator_is_marked_and_undone(scenario, honest, case):
    np.random.randn()  # noqa: NPY002 - half of a pair of normal numbers is kept
    before = repr((np.random.get_state(), random.getstate()))  # noqa: NPY002
    results = mecsim.simulate(scenario, case.spec, seed=1)
    assert repr((np.random.get_state(), random.getstate())) == before  # noqa: NPY002
    assert results.manifest["reproducible"] is False
    (reason,) = results.manifest["not_reproducible_because"]
    assert "the global generator of " in reason
    assert "(epoch 5)" in reason or "when it was made" in reason
    assert reason in run_warnings(results)
    assert study_warnings({"mine": [results, results]}).count(f"mine: {reason}") == 1
    assert honest.manifest["reproducible"] is True
    assert honest.manifest["not_reproducible_because"] == []


def test_draws_of_the_user_meanwhile_stay_and_are_not_the_policys(scenario):
    np.random.seed(1)  # noqa: NPY002
    results = mecsim.simulate(scenario, "nearest", on_progress=lambda done_s: np.random.rand())  # noqa: NPY002
    assert results.manifest["reproducible"] is True
    drawn = np.random.rand()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert drawn != np.random.rand()  # noqa: NPY002


def test_the_manifest_says_that_an_object_ran_in_the_process(scenario, honest):
    class Mine:
        def allocate(self, observation):
            return mecsim.make_policy("nearest").allocate(observation)

    assert mecsim.simulate(scenario, Mine()).manifest["policy_in_process"] is True
    assert honest.manifest["policy_in_process"] is False


def test_an_error_state_of_numpy_stays_with_the_policy(scenario, honest):
    """It still holds in the policy's next call."""

    class Strict:
        seen = ()

        def allocate(self, observation):
            self.seen = [*self.seen, np.geterr()["divide"]]
            np.seterr(all="raise")
            return mecsim.make_policy("nearest").allocate(observation)

    policy, before = Strict(), np.geterr()
    from mecsim.engine.simulation import Simulation

    Simulation(scenario, policy, 1).run()
    assert np.geterr() == before
    assert policy.seen[1:] == ["raise"] * (len(policy.seen) - 1)


@pytest.mark.parametrize("name", ["LoopsForEver", "LeavesTheProcess"])
def test_the_contract_kit_outlives_what_hangs_or_ends_at_epoch_5(tmp_path, name):
    from mecsim.testing import Traits

    (tmp_path / "p.py").write_text(
        "import os\nfrom mecsim import make_policy\n"
        "class LoopsForEver:\n    def allocate(self, o):\n        while o.epoch >= 5:\n            pass\n"
        "        return make_policy('nearest').allocate(o)\n"
        "class LeavesTheProcess:\n    def allocate(self, o):\n        if o.epoch >= 5:\n"
        "            os._exit(0)\n"
        "        return make_policy('nearest').allocate(o)\n"
    )
    report = examine_policy(f"{tmp_path / 'p.py'}:{name}", traits=Traits(decision_limit_s=1.0))
    fault = report.failed["short run"]
    assert list(report.failed) == ["short run"]
    assert not report.passed
    assert "at t = 25 s (epoch 5)" in fault
    assert ("p.py:5, in allocate" if name == "LoopsForEver" else "exit code 0") in fault
