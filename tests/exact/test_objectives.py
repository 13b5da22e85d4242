"""The mean delay and the weights of classes, from the scenario to the tables and metrics of a run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mecsim.analysis.recovery import service_over_time
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.objective import objective_of
from mecsim.results.recompute import derived_problems, metric_problems
from mecsim.results.store import load_run
from mecsim.scenario.schema import Scenario
from mecsim.study.prediction_gap import split_gap
from mecsim.study.runner import simulate
from mecsim.system.objective import Objective
from mecsim.world.snapshot import instance_at
from mecsim.world.world import World

CLASSES = [
    {"name": "phone", "share": 0.5, "delay_weight": 3.0},
    {"name": "laptop", "share": 0.5, "energy_weight": 0.25, "delay_weight": 0.5},
]
STATIC = {
    "duration_s": 2000.0, "users.count": 5, "users.mobility": {"model": "static"}, "users.classes": CLASSES,
    "channel.fading.model": "none", "reallocation.period_s": 1e6,
    "workload.rounds": {"mode": "synchronous", "think_s": 900.0},
}  # fmt: skip


@pytest.fixture(scope="module", params=["max", "mean"])
def run(request, make_scenario):
    """Return the world and results of a static run, its first decision with the weights of its classes."""
    scenario = make_scenario(STATIC | {"objective.delay": request.param})
    return World(scenario, 3), simulate(scenario, "gucaa", 3)


def test_the_first_rounds_have_the_ratio_of_the_static_system(run):
    """The exactness law. Mutants: no weights, the other kind of delay."""
    world, results = run
    instance, first = world.instance(0.0), results.allocations[results.allocations["epoch"] == 0]
    delay_s, energy_j = (results.rounds.set_index("round").loc[0].sort_values("user")[name].to_numpy()
                         for name in ("delay_s", "energy_j"))  # fmt: skip
    a, c = np.resize([3.0, 0.5], 5), np.resize([1.0, 0.25], 5)
    assert len(first) == 5
    assert instance.objective.delay_weight.tolist() == a.tolist()
    own = instance.objective.delay
    counted_s = (a * delay_s).max() if own == "max" else (a * delay_s).mean()
    generation, epoch = results.generations.iloc[0], results.epochs.iloc[0]
    assert generation["delay_s"] == pytest.approx(counted_s, rel=1e-12)
    assert generation["energy_j"] == pytest.approx((c * energy_j).sum(), rel=1e-12)
    for name in ("delay_s", "energy_j", "scr"):
        assert epoch[name] == pytest.approx(generation[name], rel=1e-9)
        assert epoch["true_" + name] == pytest.approx(generation[name], rel=1e-9)
    assert epoch["realised_scr"] == pytest.approx(results.epochs["scr"].iloc[0], rel=1e-9)
    for wrong in (delay_s.max(), delay_s.mean()):
        assert generation["delay_s"] != pytest.approx(wrong, rel=1e-2)


def test_metrics_and_figures_count_the_same(run):
    """Mutant: the paper's objective, which a manifest without the new keys would give."""
    _, results = run
    after = AfterWarmup(results).generations
    assert after["scr"].to_numpy() == pytest.approx(results.generations["scr"].to_numpy(), rel=1e-12)
    weights = 0.5, 0.005
    own, paper = (service_over_time(results.rounds, np.array([800.0]), *weights, objective)[0]
                  for objective in (objective_of(results), None))  # fmt: skip
    assert own == pytest.approx(results.generations["scr"].iloc[0], rel=1e-12)
    assert own != pytest.approx(paper, rel=1e-2)


def test_the_gap_is_split_in_the_same_units(run):
    """Mutant: sums over rounds by the paper's objective."""
    world, results = run
    found = split_gap(world.scenario, "gucaa", 3).generations.set_index(["round", "quantity"]).loc[0]
    for name in ("delay_s", "energy_j", "scr"):
        assert found.loc[name, "realised"] == pytest.approx(results.generations[name].iloc[0], rel=1e-9)
        assert found.loc[name, "predicted"] == pytest.approx(results.epochs[name].iloc[0], rel=1e-9)


def test_a_folder_is_verified_with_its_objective(run, tmp_path):
    world, _ = run
    simulate(world.scenario, "nearest", 3, out=tmp_path / "run")
    read = load_run(tmp_path / "run")
    assert list(metric_problems(read)) == []
    assert list(derived_problems(read, world)) == []
    given = json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))["objective"]
    assert given["delay"] == world.scenario.objective.delay
    assert given["delay_weight"] == [3.0, 0.5, 3.0, 0.5, 3.0]
    plain = replace(read, manifest=read.manifest | {"objective": {k: given[k] for k in list(given)[:2]}})
    assert list(metric_problems(plain)) != []


def test_the_weights_go_with_the_users_who_are_there(make_scenario):
    """Mutant: weights of the first users of all."""
    scenario = make_scenario({"users.count": 6, "users.classes": CLASSES, "objective.delay": "mean"})
    part = instance_at(World(scenario, 1), 1, 0.0).of_users(np.array([1, 4]))
    assert part.objective.delay_weight.tolist() == [0.5, 3.0]
    assert part.objective.is_mean


def test_hashes_from_before_stay(make_scenario):
    """The default is no part of the hash; another value is."""
    plain = make_scenario()
    assert make_scenario({"objective.delay": "max"}).sha256 == plain.sha256
    assert make_scenario({"objective.delay": "mean"}).sha256 != plain.sha256
    text = plain.to_toml()
    assert 'delay = "max"' in text
    assert Scenario.from_toml(text).sha256 == plain.sha256
    assert World(plain, 0).objective is None


@pytest.mark.parametrize("delay", ["max", "mean"])
def test_totals_by_hand(delay):
    """Users with delays 4, 6 and inf s and energies 10, 20 and 40 J; the last one's delay does not count."""
    own = Objective(delay, np.array([3.0, 1.0, 0.0]), np.array([0.5, 0.0, 2.0]))
    assert own.total_delay(np.array([4.0, 6.0, np.inf])) == (12.0 if delay == "max" else 6.0)
    assert own.total_energy(np.array([[4.0, 6.0], [20.0, np.inf], [40.0, 0.0]])) == 85.0
    assert own.of_users(np.array([1])).total_delay(np.array([6.0])) == 6.0
