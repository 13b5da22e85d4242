"""The numbers of a run, from rounds written by hand; each check names the bug it rejects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mecsim import simulate
from mecsim.results.after_warmup import SKETCH_SIZE, AfterWarmup, delay_sketch, rounds_after_warmup
from mecsim.results.metrics import METRICS, run_metrics
from mecsim.results.notes import run_notes
from mecsim.results.result import Results
from mecsim.tables import TABLES, to_frame

WEIGHTS = {"delay_weight_per_s": 0.5, "energy_weight_per_j": 0.005}

# user, round, start_s, delay_s, energy_j, score, handovers, outcome.
# The warm-up ends at 100 s, the run at 400 s.
# User 0 is fast, user 1 slow: round 1 of user 1 lies after the warm-up, round 1 of user 0 before it.
ROUNDS = [
    (0, 0, 0.0, 40.0, 100.0, 5.0, 0, "finished"),
    (0, 1, 40.0, 70.0, 100.0, 5.0, 3, "finished"),
    (0, 2, 110.0, 90.0, 200.0, 6.0, 1, "finished"),
    (0, 3, 200.0, 30.0, 400.0, 8.0, 0, "finished"),
    (0, 4, 230.0, 170.0, 900.0, 9.0, 4, "unfinished"),
    (1, 0, 0.0, 100.0, 300.0, 2.0, 0, "finished"),
    (1, 1, 100.0, 250.0, 500.0, 3.0, 1, "finished"),
    (1, 2, 350.0, 50.0, 600.0, 4.0, 0, "unfinished"),
]


def table(name: str, values: dict[str, list]) -> pd.DataFrame:
    rows = len(next(iter(values.values()), []))
    filled = {
        c.name: np.full(rows, "") if c.dtype == "str" else np.zeros(rows, c.dtype) for c in TABLES[name]
    }
    return to_frame(name, filled | {key: np.array(column) for key, column in values.items()})


def results_of(rows: list[tuple], *, warmup_s: float = 100.0, users: int = 2) -> Results:
    names = ("user", "round", "start_s", "delay_s", "energy_j", "score", "handovers", "outcome")
    rounds = table("rounds", {name: [row[i] for row in rows] for i, name in enumerate(names)} if rows else {})
    epochs = table("epochs", {"time_s": [0.0, 100.0, 200.0], "decision_cpu_s": [9.0, 1.0, 2.0]})
    none = {name: table(name, {}) for name in ("generations", "positions", "allocations")}
    manifest = {"warmup_s": warmup_s, "duration_s": 400.0, "users": users, "objective": WEIGHTS}
    return Results(rounds=rounds, epochs=epochs, **none, manifest=manifest)


@pytest.fixture(scope="module")
def by_hand() -> Results:
    return results_of(ROUNDS)


def test_finished_rounds_that_start_at_the_warm_up_or_later_count(by_hand: Results) -> None:
    """Mutants rejected: warm-up kept (100 s), unfinished rounds kept, a round at the very edge dropped."""
    kept = rounds_after_warmup(by_hand)
    assert kept[["user", "round"]].to_numpy().tolist() == [[0, 2], [0, 3], [1, 1]]
    expected_s = (90.0 + 30.0 + 250.0) / 3
    assert run_metrics(by_hand)["delay_s"] == pytest.approx(expected_s, rel=1e-12)
    mutants = {
        "warm-up kept": results_of(ROUNDS, warmup_s=0.0),
        "edge dropped": results_of(ROUNDS, warmup_s=100.1),
        "unfinished kept": results_of([(*row[:-1], "finished") for row in ROUNDS]),
    }
    for name, mutant in mutants.items():
        assert run_metrics(mutant)["delay_s"] != pytest.approx(expected_s, rel=1e-3), name


def test_metrics_by_hand(by_hand: Results) -> None:
    """Mutants rejected: sums for means, handovers of the warm-up, the first decision kept, /h as /s."""
    metrics = run_metrics(by_hand)
    assert metrics["delay_p95_s"] == pytest.approx(np.percentile([90, 30, 250], 95), rel=1e-12)
    assert metrics["energy_j"] == pytest.approx(1100 / 3, rel=1e-12)
    assert metrics["handovers_per_round"] == pytest.approx(2 / 3, rel=1e-12)
    assert metrics["decision_cpu_s"] == pytest.approx(1.5, rel=1e-12)
    assert list(metrics) == [metric.name for metric in METRICS]


def test_throughput_counts_rounds_by_their_end(by_hand: Results) -> None:
    """Mutant rejected: counting only rounds that also start after the warm-up, one too few for each user."""
    # Ended in [100, 400]: user 0 at 110, 200 and 230 s, user 1 at 100 and 350 s.
    assert run_metrics(by_hand)["rounds_per_hour"] == pytest.approx(5 / 300 * 3600, rel=1e-12)
    mutant = len(rounds_after_warmup(by_hand)) / 300 * 3600
    assert mutant != pytest.approx(5 / 300 * 3600, rel=0.1)


def test_generations_are_counted_anew_after_the_warm_up(by_hand: Results) -> None:
    """Mutants rejected: old round numbers (nothing left here), sum of delays, mean of the users' ratios."""
    generations = AfterWarmup(by_hand).generations
    # One generation: round 2 of user 0 with round 1 of user 1.
    expected = (6.0 + 3.0) / (0.5 * 250.0 + 0.005 * 700.0)
    assert generations["scr"].to_list() == pytest.approx([expected], rel=1e-12)
    assert run_metrics(by_hand)["scr"] == pytest.approx(expected, rel=1e-12)
    starts = by_hand.rounds.groupby("round")["start_s"].min()
    whole = by_hand.rounds[by_hand.rounds["outcome"] == "finished"].groupby("round").size() == 2
    assert not (whole & (starts >= 100.0).reindex(whole.index)).any()
    sum_of_delays = 9.0 / (0.5 * 340.0 + 0.005 * 700.0)
    mean_of_ratios = (6.0 / (0.5 * 90 + 0.005 * 200) + 3.0 / (0.5 * 250 + 0.005 * 500)) / 2
    for mutant in (sum_of_delays, mean_of_ratios):
        assert mutant != pytest.approx(expected, rel=1e-2)


def test_without_warm_up_generations_are_those_of_the_engine() -> None:
    run = simulate("smoke", "gucaa", seed=1)
    run.manifest["warmup_s"] = 0.0
    ours, engine = AfterWarmup(run).generations, run.generations
    assert len(ours) == len(engine) > 10
    for column in ("users", "score", "delay_s", "energy_j", "scr"):
        np.testing.assert_allclose(ours[column], engine[column], rtol=1e-9)


@pytest.mark.parametrize(
    "rows", [[], ROUNDS[:2], [ROUNDS[4]]], ids=["no round", "warm-up only", "unfinished only"]
)
def test_nothing_left_is_nan_with_a_note_and_no_crash(rows: list[tuple]) -> None:
    results = results_of(rows)
    metrics = run_metrics(results)
    assert np.isnan(metrics["delay_s"])
    assert np.isnan(metrics["scr"])
    # Mutant: "no SCR" beside the SCR of windows that the table shows.
    no_scr = "no SCR but that of windows" if metrics["scr_window"] >= 0 else "no SCR"
    assert no_scr == ("no SCR but that of windows" if rows else "no SCR")
    assert [note.split(":")[-1].strip() for note in run_notes(results)] == ["no delay, no energy", no_scr]
    assert delay_sketch(results).empty


def test_a_sketch_of_few_rounds_is_exact(by_hand: Results) -> None:
    sketch = delay_sketch(by_hand)
    assert sketch["delay_s"].to_list() == [30.0, 90.0, 250.0]
    assert sketch["weight"].to_list() == [1.0, 1.0, 1.0]


def test_a_sketch_of_many_rounds_is_bounded_and_keeps_the_quantiles() -> None:
    """Mutant rejected: the first 1000 rounds, a sample that misses the tail of a drifting run."""
    count = 25_700
    delays = np.random.default_rng(5).permutation(np.arange(count) / 100.0)
    delays[:1000] = np.sort(delays)[:1000]
    rows = [(0, k, 100.0 + 0.01 * k, float(d), 1.0, 1.0, 0, "finished") for k, d in enumerate(delays)]
    results = results_of(rows, users=1)
    sketch = delay_sketch(results)
    assert len(sketch) == SKETCH_SIZE
    assert sketch["weight"].sum() == pytest.approx(count, rel=1e-12)
    for q in (0.01, 0.5, 0.95, 0.999):
        exact = np.quantile(delays, q)
        assert abs((delays <= sketch["delay_s"].quantile(q)).mean() - q) <= 1e-3
        assert abs((delays <= np.quantile(delays[:1000], q)).mean() - q) > 5e-3 or q < 0.1, exact
