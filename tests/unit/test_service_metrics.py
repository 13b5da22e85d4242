"""Tails, fairness, deadlines and energy of made-up rounds, by hand; each names the bug it rejects."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mecsim import simulate
from mecsim.analysis.diagnostics import (
    Rounds,
    can_pile_up,
    fewest_suspects,
    finished_rounds,
    run_warnings,
    short_warmup_together,
)
from mecsim.analysis.series import batch_means, growth
from mecsim.errors import MecsimError
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.measures import jain_index
from mecsim.results.metrics import (
    METRIC,
    METRICS,
    check_metric,
    metrics_with_deadline,
    run_metrics,
)
from mecsim.results.result import Results


def made(rounds: dict, epochs: dict | None = None, **manifest) -> Results:
    """Return results that have only what is looked at."""
    known = {
        "run_id": "made",
        "warmup_s": 10.0,
        "duration_s": 100.0,
        "users": 2,
        "counts": {},
        "scenario_toml": "schema = 1",
    }
    return Results(pd.DataFrame(rounds), pd.DataFrame(epochs or {}), *[pd.DataFrame()] * 3, known | manifest)


ROUNDS = {
    "user": [0, 0, 1, 1, 1, 1],
    "start_s": [5.0, 20.0, 20.0, 30.0, 60.0, 95.0],
    "wait_s": [0.0, 3.0, 0.0, 0.0, 0.0, 0.0],
    "delay_s": [5.0, 4.0, 4.0, 2.0, 30.0, 5.0],
    "outcome": ["finished", "finished", "finished", "dropped", "unfinished", "unfinished"],
}


def missed(deadline_s: float) -> float:
    return METRIC["deadline_misses"].compute(AfterWarmup(made(ROUNDS), deadline_s))


def test_a_missed_deadline_by_hand():
    """Of five rounds one waited, one was lost, one is late and still going, one is not known.

    Mutants: the wait left out, lost rounds left out, unfinished rounds counted as in time.
    """
    assert missed(6.0) == pytest.approx(3 / 4)
    frame = pd.DataFrame(ROUNDS).query("start_s >= 10")
    done = frame[frame["outcome"] == "finished"]
    assert (frame["delay_s"] > 6.0).mean() != pytest.approx(3 / 4)
    assert (done["wait_s"] + done["delay_s"] > 6.0).mean() != pytest.approx(3 / 4)
    assert missed(40.0) == pytest.approx(1 / 3)
    assert math.isnan(missed(math.nan))


def test_jain_s_index_of_his_examples():
    """1 if equal, k / n if k of n share all. Mutant: the coefficient of variation squared."""
    assert jain_index([3, 3, 3, 3]) == 1.0
    assert jain_index([5, 5, 0, 0, 0, 0, 0, 0, 0, 0]) == pytest.approx(0.2)
    assert jain_index([1, 2, 3]) == pytest.approx(36 / 42)
    assert jain_index([1, 2, 3]) == pytest.approx(1 / (1 + np.var([1, 2, 3]) / 4))
    assert math.isnan(jain_index([0, 0]))


def test_lost_rounds_cost_energy():
    """Mutant: the mean over finished rounds, 10 J each."""
    epochs = {
        "time_s": [0.0, 10.0, 50.0],
        "realised_energy_j": [99.0, 40.0, 20.0],
        "rounds_finished": [9, 2, 2],
    }
    assert METRIC["spent_j"].compute(AfterWarmup(made(ROUNDS, epochs))) == 15.0
    epochs["rounds_finished"] = [9, 0, 0]
    assert math.isnan(METRIC["spent_j"].compute(AfterWarmup(made(ROUNDS, epochs))))


@pytest.fixture(scope="module")
def smoke() -> Results:
    return simulate("smoke", "gucaa", 1)


def test_every_metric_of_a_run_has_a_name_and_a_unit(smoke: Results):
    found = run_metrics(smoke)
    assert [*found, "deadline_misses"] == list(METRIC)
    assert {metric.name for metric in METRICS} >= {"delay_p99_s", "fairness", "spent_j"}
    assert found["delay_s"] < found["delay_p95_s"] < found["delay_p99_s"]
    assert 0 < metrics_with_deadline(smoke, 0.5)["deadline_misses"] < 1
    assert found["spent_j"] == pytest.approx(found["energy_j"], rel=0.05)


def test_an_unknown_metric_is_named():
    expected = r"metric = fairnes: there is none of that name; did you mean 'fairness'\?"
    with pytest.raises(MecsimError, match=expected):
        check_metric("fairnes")


def test_rounds_are_in_the_order_in_which_they_end(smoke: Results):
    run = finished_rounds(smoke)
    assert (np.diff(run.ended_s) >= 0).all()
    assert len(run.spent_s) == smoke.rounds["outcome"].eq("finished").sum()
    assert run.mean_from(1e9) != run.mean_from(0.0)


def test_only_arrivals_can_pile_up(smoke: Results):
    assert not can_pile_up(smoke.manifest)
    text = '[workload]\nrounds = { mode = "poisson", rate_per_s = 1 }'
    assert can_pile_up({"run_id": "made", "scenario_toml": text, "counts": {}})
    assert can_pile_up({"run_id": "made", "scenario_toml": "schema = 1", "counts": {"arrived": 3}})


def test_an_overload_and_a_transient_are_told():
    """A queue that fills up; then a world that settles, in a run without a warm-up."""
    ended_s = np.arange(0.1, 100.0, 0.1)
    rounds = {"user": 0, "start_s": ended_s - 0.05, "wait_s": ended_s, "delay_s": 0.05, "outcome": "finished"}
    poisson = '[workload]\nrounds = { mode = "poisson", rate_per_s = 1 }'
    (line,) = run_warnings(made(rounds, scenario_toml=poisson))
    assert line.startswith("the time of a round grows steadily, by ")
    noise = np.random.default_rng(2).normal(0, 0.05, len(ended_s))
    settling = rounds | {"wait_s": 1.0 + 5 * np.exp(-ended_s / 8) + noise}
    (line,) = run_warnings(made(settling))
    assert line.startswith("warmup_s = 10 looks too short: MSER-5 drops ")
    assert run_warnings(made(settling, warmup_s=60.0)) == []


def test_chance_excuses_a_suspect_among_many():
    """5 % of sound runs are suspected: 1 of 1, 2 of 4, 3 of 10. Mutant: one is always enough."""
    assert [fewest_suspects(n) for n in (1, 4, 10)] == [1, 2, 3]


def test_little_or_no_data_warns_of_nothing():
    empty = Rounds(np.empty(0), np.empty(0))
    assert short_warmup_together([empty, empty], 0.0, 10.0) is None
    assert math.isnan(growth([1.0, 2.0]).share)
    assert growth(np.ones(40)).p == 1.0
    assert math.isnan(batch_means([1.0, 2.0]).low)
