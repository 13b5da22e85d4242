"""``record.bound = true``: bounds beside a run that they do not change, and tables that hold them.

Most tests put a prover of known answers in place of the real one, by the same entry point.
"""

import math
import time
from types import SimpleNamespace

import numpy as np
import pytest

import mecsim
from mecsim import plugins
from mecsim.certificate import PROVERS
from mecsim.cli import main
from mecsim.engine.simulation import Simulation
from mecsim.errors import BoundError, StudyError
from mecsim.registry import list_policies
from mecsim.results.laws import broken_laws
from mecsim.study.plan import plan
from mecsim.study.policy_choice import choose_policies
from mecsim.study.spec import load_study
from mecsim.system.bound import EpochBound, Prices
from mecsim.tables import MEASURED

CHURN = {
    "warmup_s": 0, "duration_s": 6, "record.bound": True, "users.count": 2,
    "users.arrivals": {"rate_per_s": 0.3, "stay_s": 3}, "reallocation.period_s": 3,
    "calendar.outages": [{"server": 0, "from_s": 2, "to_s": 5}],
}  # fmt: skip
UNCOVERED = {"channel.fading.model": "ergodic"}, {"servers.gpu_power": "shared"}
ERGODIC = "rates are means over fading (channel.fading.model = ergodic)"
SMOKE_SHA256 = "16fc724b3f406642b0e3aec21317604d295ebe4c92be879e4f4444db96f7c3e6"


def smoke(**changes):
    return mecsim.load_scenario("smoke").with_changes({"warmup_s": 0, "duration_s": 12} | changes)


class KnownBounds:
    """Bounds of 100000, 100001, ... with prices that tell epoch, server and budget apart."""

    def __init__(self):
        self.seen = []

    def bound(self, observation):
        self.seen.append(observation)
        e, m = float(len(self.seen)), np.arange(observation.instance.server_count)
        prices = Prices(100 * e + 10 * m, 100 * e + 10 * m + 1, 100 * e + 10 * m + 2, np.ones((len(m), 3)), m)
        return EpochBound(99_999.0 + e, prices)


@pytest.fixture
def put_in_place(monkeypatch):
    """Return a function that puts a prover in place of the installed one, and returns those of the runs."""

    def put(prover):
        made, find = [], plugins.find

        def make():
            made.append(prover())
            return made[-1]

        def found(group, name):
            real = find(group, name)
            return SimpleNamespace(refuse=real.refuse, RunProver=make) if group is PROVERS else real

        monkeypatch.setattr(plugins, "find", found)
        return made

    return put


def test_a_run_has_the_same_bits_with_and_without_bounds():
    """Mutants: the prover draws from a generator of the run; begins a row of its own; changes the world."""
    with_bounds = mecsim.simulate(smoke(**CHURN), "rucaa", seed=3)
    without = mecsim.simulate(smoke(**CHURN | {"record.bound": False}), "rucaa", seed=3)
    assert without.worth is None
    for name, frame in without.tables.items():
        for column in set(frame.columns) - MEASURED:
            np.testing.assert_array_equal(frame[column], with_bounds.tables[name][column], err_msg=column)
    added = set(with_bounds.epochs.columns) - set(without.epochs.columns)
    assert added == {"upper_bound", "gap"}
    assert without.digest() != with_bounds.digest()


def test_a_scenario_without_bounds_has_the_hash_it_had_before_them():
    """Mutant: every key is hashed, and all runs that are stored count as others."""
    scenario = mecsim.load_scenario("smoke")
    assert scenario.with_changes({"record.bound": False}).sha256 == SMOKE_SHA256
    assert scenario.with_changes({"record.bound": True}).sha256 != SMOKE_SHA256


def test_the_tables_hold_what_the_prover_says(put_in_place):
    """Mutants: rows by server, then epoch; the bound of the epoch before; the gap of the reciprocal."""
    made = put_in_place(KnownBounds)
    run = mecsim.simulate(smoke(**{"record.bound": True, "reallocation.period_s": 4}), "gucaa", seed=3)
    assert run.epochs["upper_bound"].tolist() == [1e5, 1e5 + 1, 1e5 + 2]
    np.testing.assert_array_equal(run.epochs["gap"], run.epochs["upper_bound"] / run.epochs["scr"] - 1.0)
    assert run.worth["epoch"].tolist() == [0, 0, 1, 1, 2, 2]
    assert run.worth["time_s"].tolist() == [0, 0, 4, 4, 8, 8]
    assert run.worth["server"].tolist() == [0, 1, 0, 1, 0, 1]
    assert run.worth["per_mhz"].tolist() == [100, 110, 200, 210, 300, 310]
    assert run.worth["per_tflops"].tolist() == [102, 112, 202, 212, 302, 312]
    (prover,) = made
    assert [seen.time_s for seen in prover.seen] == [0.0, 4.0, 8.0]


def test_the_prover_sees_what_the_policy_saw_and_never_the_policys_copy(put_in_place):
    """Mutants: the bound is of the copy that a policy can write into; its CPU time is the policy's."""

    class Busy(KnownBounds):
        def bound(self, observation):
            until_s = time.process_time() + 0.1
            while time.process_time() < until_s:
                pass
            return super().bound(observation)

    class Noting:
        def __init__(self):
            self.inner, self.seen = mecsim.make_policy("nearest"), []

        def allocate(self, observation):
            self.seen.append(observation)
            return self.inner.allocate(observation)

    made, policy = put_in_place(Busy), Noting()
    record = Simulation(smoke(**{"record.bound": True}), policy, 3).run()
    own, handed = made[0].seen, policy.seen
    assert [a.instance is b.instance for a, b in zip(own, handed, strict=True)] == [False] * 3
    for a, b in zip(own, handed, strict=True):
        np.testing.assert_array_equal(a.instance.gain, b.instance.gain)
        np.testing.assert_array_equal(a.pinned, b.pinned)
    assert record.epochs["decision_cpu_s"].max() < 0.1


def test_nobody_present_has_no_bound(put_in_place):
    """Mutants: an empty epoch adds no row; its bound is 0, so that the decision is perfect."""
    put_in_place(KnownBounds)
    nobody = {"users.count": 0, "users.arrivals": {"rate_per_s": 0.15, "stay_s": 2}}
    nobody |= {"reallocation.period_s": 1}
    run = mecsim.simulate(
        smoke(**{"record.bound": True, "reallocation.period_s": 1} | nobody), "gucaa", seed=1
    )
    empty = run.epochs["status"].eq("empty")
    assert 0 < empty.sum() < len(empty)
    assert run.epochs.loc[empty, ["upper_bound", "gap"]].isna().all(axis=None)
    assert run.epochs.loc[~empty, "upper_bound"].notna().all()
    assert len(run.worth) == 2 * len(run.epochs)
    unknown = run.worth.set_index("epoch")["per_mhz"].isna().groupby("epoch").all()
    np.testing.assert_array_equal(unknown, empty)


@pytest.mark.parametrize("name", [entry.name for entry in list_policies()])
def test_no_decision_of_a_policy_beats_the_bound(name):
    """Mutants, each of which lets some policy win: the bound of other gains; of all users but one."""
    changes = {"record.bound": True, "duration_s": 1, "users.count": 2}
    run = mecsim.simulate(smoke(**changes), name, seed=3)
    assert (run.epochs["gap"] >= 0.0).all()
    assert (run.epochs["upper_bound"] >= run.epochs["scr"]).all()
    if name in ("dashf", "local_search", "exhaustive", "certified"):
        assert (run.epochs["gap"] < 0.6).all()


def test_a_broken_gap_is_found():
    """The law of stored columns, and mutants: a gap that is too small, a bound below the SCR."""
    run, scenario = mecsim.simulate(smoke(), "gucaa", seed=3), smoke()
    for factor, gap, sound in ((1.5, 0.5, True), (1.5, 0.49, False), (0.9, -0.1, False)):
        run.epochs["upper_bound"], run.epochs["gap"] = factor * run.epochs["scr"], gap
        assert (broken_laws(run, scenario) == []) == sound


@pytest.mark.parametrize("law", UNCOVERED)
def test_a_law_that_is_not_covered_is_refused_before_anything_runs(law, capsys):
    """Mutants: the run begins and fails in its first epoch; a bound of another law is recorded."""
    scenario = smoke(**law | {"record.bound": True})
    choices = choose_policies(["gucaa", "nearest"])
    for planned in (lambda: plan(scenario, choices, 2), lambda: mecsim.simulate(scenario, "gucaa")):
        with pytest.raises(BoundError, match=r"no upper bound is proved.*record\.bound must be false"):
            planned()
    ((key, value),) = law.items()
    assert main(["validate", "smoke", "--set", "record.bound=true", "--set", f"{key}={value}"]) == 2
    assert key in capsys.readouterr().err
    assert main(["validate", "smoke", "--set", f"{key}={value}", "--quiet"]) == 0


def test_a_study_names_the_line_of_a_law_that_is_not_covered(tmp_path):
    text = 'schema = 1\nname = "s"\nscenarios = ["smoke"]\npolicies = ["gucaa"]\n[grid]\n'
    text += '"channel.fading.model" = ["rayleigh", "ergodic"]\n'
    (tmp_path / "s.toml").write_text(text)
    load_study(tmp_path / "s.toml")
    with pytest.raises(StudyError, match=r"s\.toml:5: smoke: no upper bound is proved") as caught:
        load_study(tmp_path / "s.toml", {"record.bound": True})
    assert len(caught.value.problems) == 1
    assert ERGODIC in caught.value.problems[0]


def test_bounds_are_stored_and_read_beside_runs_without_them(tmp_path, put_in_place):
    """Mutants: nulls that are no numbers; a run without bounds that has rows of worth; a lost column."""
    put_in_place(KnownBounds)
    scenario = smoke(**{"record.bound": True})
    stored = mecsim.simulate(scenario, "gucaa", seed=3, out=tmp_path / "a")
    alone = mecsim.load_results(tmp_path)
    assert alone.epochs["gap"].tolist() == stored.epochs["gap"].tolist()
    assert alone.worth["per_w"].tolist() == stored.worth["per_w"].tolist()
    mecsim.simulate(smoke(), "nearest", seed=3, out=tmp_path / "b")
    both = mecsim.load_results(tmp_path)
    assert set(both.worth["policy"]) == {"gucaa"}
    assert both.epochs.set_index("policy").loc["nearest", "gap"].isna().all()
    assert both.epochs.set_index("policy").loc["gucaa", "gap"].tolist() == stored.epochs["gap"].tolist()
    assert both.epochs["gap"].dtype == np.float64
    assert math.isclose(both.worth["per_mhz"].sum(), stored.worth["per_mhz"].sum())
    assert main(["verify", str(tmp_path), "--quiet"]) == 0
