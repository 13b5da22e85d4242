"""Predictions with the true gains, computed for many decisions at a time, of so many users at most."""

import pytest

from mecsim import load_scenario
from mecsim.engine import prediction
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy

SCENARIO = load_scenario("smoke").with_changes({"duration_s": 60, "reallocation.period_s": 2})
TRUE = ("true_delay_s", "true_energy_j", "true_scr")


def columns():
    epochs = Simulation(SCENARIO, make_policy("nearest"), 1).run().epochs
    return {name: epochs[name].tolist() for name in TRUE}


@pytest.mark.parametrize("most", [1, 7])
def test_they_are_the_same_however_many_are_computed_at_once(monkeypatch, most):
    """Mutants rejected: no bound, with which thousands of users took gigabytes; users counted on for ever."""
    expected, sizes, compute = columns(), [], prediction.TrueGainPrediction._compute

    def noted(self):
        sizes.append(sum(len(decision.users) for decision in self._pending))
        compute(self)

    monkeypatch.setattr(prediction.TrueGainPrediction, "_compute", noted)
    monkeypatch.setattr(prediction, "_MOST_USERS", most)
    assert columns() == expected
    users = SCENARIO.users.count
    assert max(sizes) < most + users
    assert len(set(sizes[:-1])) == 1
    assert sum(sizes) == users * len(expected["true_scr"])
