"""Learning progress in closed form: tokens, staleness, the power law, time and energy to a target."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mecsim import simulate
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.learning import learning_charts
from mecsim.analysis.report.page import render
from mecsim.errors import MecsimError, ScenarioError
from mecsim.results.learning import (
    PowerLaw,
    energy_to_target_j,
    progress,
    staleness,
    time_to_target_s,
)
from mecsim.results.metrics import run_metrics
from mecsim.results.notes import run_notes
from mecsim.results.result import Results
from mecsim.results.store import load_run

LEARNING = {"floor": 1.5, "a": 40.0, "b": 0.5, "target": 1.5 + 40.0 / np.sqrt(1000.0)}
POWER_W, TOKENS = 30.0, 50.0


def made_up(round_s, users=4, mode="continuous", target=LEARNING["target"], end_s=400.0, starts=None, b=0.5):
    """Return results of users with rounds of one length and 50 tokens, who draw 30 W in uneven epochs."""
    starts = np.zeros(users) if starts is None else starts
    rows = [
        {"user": n, "round": k, "start_s": first + k * round_s, "delay_s": round_s, "outcome": "finished"}
        for n, first in enumerate(starts)
        for k in range(int((end_s - first) / round_s))
    ]
    begin_s = np.array([0.0, 3.0, 50.0, 51.0, 333.0])
    length_s = np.diff(np.append(begin_s, end_s))
    epochs = pd.DataFrame({"time_s": begin_s, "realised_energy_j": 0.9 * POWER_W * length_s})
    epochs["idle_j"] = 0.1 * POWER_W * length_s
    asked = LEARNING | {"target": float(target), "b": b}
    law = "".join(f"{name} = {value!r}\n" for name, value in asked.items())
    manifest = {
        "run_id": "x", "duration_s": end_s, "round_tokens": [[TOKENS]] * users,
        "scenario_toml": f"[learning]\n{law}[workload]\nrounds = {{ mode = '{mode}' }}\n",
    }  # fmt: skip
    return Results(pd.DataFrame(rows), epochs, None, None, None, manifest)


@pytest.mark.parametrize("users", [1, 4])
def test_twice_the_rate_halves_time_and_energy(users):
    """1000 tokens are needed: 20 rounds. Mutants: tokens of one user alone; energy of whole epochs."""
    for round_s in (8.0, 4.0):
        results = made_up(round_s, users)
        expected_s = 20 / users * round_s
        assert time_to_target_s(results) == pytest.approx(expected_s)
        assert energy_to_target_j(results) == pytest.approx(POWER_W * expected_s)


def test_tokens_add_up_by_user_and_for_all():
    found = progress(made_up(8.0))
    assert found["all_tokens"].tolist() == (TOKENS * np.arange(1, len(found) + 1)).tolist()
    assert found.groupby("user")["user_tokens"].max().tolist() == [50 * TOKENS] * 4
    np.testing.assert_allclose(found["loss"], 1.5 + 40.0 / np.sqrt(found["all_tokens"]))


def test_the_power_law_and_its_inverse():
    """Mutants: b without its sign; the floor left out of the inverse; an overflow raised."""
    law = PowerLaw(1.5, 40.0, 0.25)
    assert law.loss(16.0) == pytest.approx(1.5 + 20.0)
    assert law.tokens(21.5) == pytest.approx(16.0)
    assert law.loss(0.0) == np.inf
    assert PowerLaw(1.5, 1e300, 1e-6).tokens(2.5) == np.inf
    assert np.isnan(time_to_target_s(made_up(8.0, target=1.5 + 1e-9, b=1e-3)))
    above = law.loss(np.array([1e3, 1e5])) - 1.5
    assert np.log(above[1] / above[0]) / np.log(100.0) == pytest.approx(-0.25)


def test_staleness_counts_the_results_of_others_during_a_round():
    """N equal users out of step see N - 1; in step, or in synchronous rounds, nobody is late.

    Mutants: a round counts itself; what came in at the very start counts.
    """
    apart = progress(made_up(8.0, starts=np.array([0.0, 2.0, 4.0, 6.0])))
    assert set(apart.loc[apart["time_s"] > 14.0, "staleness"]) == {3}
    assert set(progress(made_up(8.0))["staleness"]) == {0}
    assert set(progress(made_up(8.0, 1))["staleness"]) == {0}
    assert staleness(np.array([0.0, 0.0, 1.0]), np.array([1.0, 3.0, 2.0])).tolist() == [0, 2, 0]


def test_results_of_synchronous_rounds_come_in_together():
    results = made_up(8.0, 2, mode="synchronous")
    slow = results.rounds["user"] == 1
    results.rounds.loc[~slow, "delay_s"] = 5.0
    found = progress(results)
    assert (found["time_s"] % 8.0 == 0.0).all()
    assert set(found["staleness"]) == {0}
    apart = replace(
        results, manifest=results.manifest | {"scenario_toml": made_up(8.0).manifest["scenario_toml"]}
    )
    assert set(progress(apart)["staleness"]) == {0, 1}


def test_a_target_that_is_not_reached_is_nan():
    results = made_up(8.0, 1, target=1.6)
    assert np.isnan([time_to_target_s(results), energy_to_target_j(results)]).all()


def test_a_run_has_the_tokens_of_its_rounds(make_scenario, tmp_path):
    """From the workload's own draws to the manifest, the metrics and the report, and read again."""
    changes = {"duration_s": 20, "workload.token_bits": {"uniform": [1e7, 5e7], "per": "round"}}
    asked = LEARNING | {"target": 1.6, "b": 0.3}
    ran = simulate(make_scenario(changes | {"learning": asked}), "gucaa", 1, out=tmp_path / "run")
    plain = simulate(make_scenario(changes), "gucaa", 1)
    assert ran.digest() == plain.digest()
    assert np.isnan(run_metrics(plain)["time_to_target_s"])
    with pytest.raises(MecsimError, match=r"no \[learning\] with floor, a, b and target"):
        progress(plain)
    read = load_run(tmp_path / "run")
    found = progress(read)
    bits = found["tokens"] * 32
    assert len(found) > 20
    assert ((bits >= 1e7) & (bits <= 5e7)).all()
    assert found["tokens"].nunique() == len(found)
    assert any("did not reach its target" in note for note in run_notes(read))
    (chart,) = learning_charts(collect(tmp_path))
    np.testing.assert_allclose(chart.series[0].y[-1], found["loss"].iloc[-1])
    assert chart.title in render(collect(tmp_path), interactive=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 1.5}, "must be above floor = 1.5"),
        ({"a": 0}, r"learning\.a = 0"),
        ({"b": -0.5}, r"learning\.b = -0\.5"),
    ],
)
def test_wrong_coefficients_are_named(make_scenario, changes, message):
    with pytest.raises(ScenarioError, match=message):
        make_scenario({"learning": LEARNING | changes})


def test_no_coefficient_has_a_default(make_scenario):
    for name in LEARNING:
        given = {key: value for key, value in LEARNING.items() if key != name}
        with pytest.raises(ScenarioError, match=rf"learning\.{name}"):
            make_scenario({"learning": given})
