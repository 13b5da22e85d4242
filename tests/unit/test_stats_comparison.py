"""A comparison: the same worlds, the tidy table, runs that fail, any number of workers."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mecsim import Comparison, compare, load_results, load_scenario
from mecsim.analysis.rounding import four_digits, plus_minus
from mecsim.errors import MecsimError, PolicyNotFound, RunFailed
from mecsim.results.metrics import METRICS
from mecsim.study.outcome import RunOutcome

MEASURED = "decision_cpu_s"
SHORT = load_scenario("smoke").with_changes({"duration_s": 30})  # six decisions


class Fails:
    """Raises at its third decision under one seed out of two."""

    def __init__(self) -> None:
        self.draw = 0.0

    def reset(self, info, rng) -> None:
        self.draw = rng.random()

    def allocate(self, observation):
        from mecsim_policies.baselines import Gucaa

        if observation.epoch == 2 and self.draw < 0.5:
            raise KeyError("oops")
        return Gucaa().allocate(observation)


class Counts:
    """Keeps state from decision to decision; a second run on the same object would differ."""

    def __init__(self) -> None:
        self.calls = 0

    def allocate(self, observation):
        from mecsim_policies.baselines import Nearest

        self.calls += 1
        return Nearest(local_fraction=0.0 if self.calls > 6 else 1.0).allocate(observation)


def outcome(policy: str, seed: int, **metrics: float) -> RunOutcome:
    filled = {metric.name: np.nan for metric in METRICS} | metrics
    delays = pd.DataFrame({"delay_s": [1.0], "weight": [1.0]})
    return RunOutcome(f"{policy}-{seed}", policy, seed, filled, delays)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(SHORT, ["nearest", "gucaa", "edge_only"], replications=4, seed=5)


def test_the_tidy_table_equals_scipy(comparison: Comparison) -> None:
    """Mutants rejected: difference with the wrong sign, to the second policy, or unpaired."""
    wide = comparison.per_run.pivot_table(index="seed", columns="policy", values="delay_s")
    row = comparison.table.set_index(["policy", "metric"]).loc[("gucaa", "delay_s")]
    own = stats.ttest_1samp(wide["gucaa"], 0.0).confidence_interval(0.95)
    paired = stats.ttest_rel(wide["gucaa"], wide["nearest"]).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((own.low, own.high), rel=1e-10)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(
        (paired.low, paired.high), rel=1e-10
    )
    difference = (wide["gucaa"] - wide["nearest"]).mean()
    assert row["difference"] == pytest.approx(difference, rel=1e-10)
    assert row["difference_percent"] == pytest.approx(100 * difference / wide["nearest"].mean(), rel=1e-10)
    assert (row["n"], row["pairs"]) == (4, 4)
    assert comparison.table.columns.to_list() == [
        "policy", "metric", "unit", "mean", "low", "high", "n",
        "difference", "difference_low", "difference_high", "pairs", "difference_percent",
        "median", "median_low", "median_high", "heavy_tail",
    ]  # fmt: skip


def test_the_first_policy_is_not_compared_with_itself(comparison: Comparison) -> None:
    first = comparison.table[comparison.table["policy"] == "nearest"]
    assert first["difference"].isna().all()
    assert len(comparison.table) == 3 * len(METRICS)


def test_every_policy_has_the_seeds_asked_for(comparison: Comparison) -> None:
    assert comparison.seeds == (5, 6, 7, 8)
    seeds = comparison.per_run.groupby("policy")["seed"].apply(list)
    assert all(found == [5, 6, 7, 8] for found in seeds)


def test_policies_meet_the_same_worlds(tmp_path: Path) -> None:
    """Mutant rejected: a seed of its own for every run, as in seed + number of the run."""
    compare(SHORT, ["nearest", "rucaa"], replications=2, out=tmp_path)
    positions = load_results(tmp_path).positions
    worlds = {key: frame[["x_m", "y_m"]].to_numpy() for key, frame in positions.groupby(["policy", "seed"])}
    for seed in (0, 1):
        assert np.array_equal(worlds["nearest", seed], worlds["rucaa", seed])
    assert not np.array_equal(worlds["nearest", 0], worlds["nearest", 1])


def test_workers_and_their_order_change_nothing(comparison: Comparison, tmp_path: Path) -> None:
    """Mutant rejected: rows in the order in which workers finish; bits that depend on BLAS threads."""
    parallel = compare(SHORT, ["nearest", "gucaa", "edge_only"], 4, seed=5, jobs=2, out=tmp_path)
    unmeasured = [c for c in comparison.per_run.columns if c != MEASURED]
    pd.testing.assert_frame_equal(
        parallel.per_run[unmeasured], comparison.per_run[unmeasured], check_exact=True
    )
    pd.testing.assert_frame_equal(parallel.delays, comparison.delays, check_exact=True)


def test_finished_runs_are_used_again_and_count_as_before(tmp_path: Path) -> None:
    first = compare(SHORT, ["nearest"], 2, out=tmp_path)
    again = compare(SHORT, ["gucaa", "nearest"], 3, out=tmp_path)
    origins = {(o.policy, o.seed): o.origin for o in again.outcomes}
    assert {key for key, origin in origins.items() if origin == "reused"} == {("nearest", 0), ("nearest", 1)}
    rows = again.per_run.query("policy == 'nearest' and seed < 2").reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, first.per_run, check_exact=True)


def test_a_failed_run_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="of 12 runs failed"):
        found = compare(SHORT, ["gucaa", Fails()], replications=6, out=tmp_path)
    failed = {o.seed for o in found.failures}
    assert 0 < len(failed) < 6
    assert all("KeyError: 'oops'" in o.error for o in found.failures)
    notes = sorted(tmp_path.glob("failed-*.txt"))
    assert len(notes) == len(failed)
    assert "in allocate" in notes[0].read_text(encoding="utf-8")
    table = found.table.set_index(["policy", "metric"])
    assert table.loc[("gucaa", "delay_s"), "n"] == 6
    assert table.loc[("Fails", "delay_s"), "n"] == 6 - len(failed)
    assert table.loc[("Fails", "delay_s"), "difference"] == 0.0


FAILS_AT_FIRST = """
from pathlib import Path
from mecsim_policies.baselines import Gucaa

class FailsAtFirst(Gucaa):
    def reset(self, info, rng):
        file = Path(__file__).parent / "tries"
        file.write_text((file.read_text() if file.exists() else "") + "x")
        if len(file.read_text()) <= TIMES:
            raise ValueError("at first")
"""


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_raised_is_tried_once_more(jobs: int, times: int, tmp_path: Path) -> None:
    """Mutants rejected: no second try, in this process or in a worker; a third one."""
    (tmp_path / "flaky.py").write_text(FAILS_AT_FIRST.replace("TIMES", str(times)))
    policies = ["nearest", f"{tmp_path}/flaky.py:FailsAtFirst"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = compare(SHORT, policies, replications=1, jobs=jobs, out=tmp_path / "out")
    assert len(found.failures) == times - 1
    assert len(list((tmp_path / "out").glob("failed-*"))) == times - 1


def test_when_every_run_fails_that_is_an_error() -> None:
    with pytest.raises(RunFailed, match="every run failed; the first, smoke-nearest"):
        compare(SHORT, [{"name": f"{__file__}:Never", "label": "nearest"}], replications=1)


class Never:
    """Raises at once."""

    def allocate(self, observation):
        raise ValueError("never")


def test_a_policy_object_starts_every_run_afresh(tmp_path: Path) -> None:
    """Mutant rejected: one object for all runs, whose counter goes on."""
    policy = Counts()
    mine = compare(SHORT, [policy], replications=2)
    assert policy.calls == 0
    assert (
        compare(SHORT, [Counts()], replications=2, seed=0).per_run["delay_s"].equals(mine.per_run["delay_s"])
    )
    alone = compare(SHORT, [Counts()], replications=1, seed=1).per_run["delay_s"].iloc[0]
    assert alone == mine.per_run["delay_s"].iloc[1]


def test_no_result_after_the_warm_up_is_nan_with_a_note() -> None:
    scenario = load_scenario("smoke").with_changes({"warmup_s": 59.9})
    found = compare(scenario, ["nearest", "gucaa"], replications=2)
    scr = found.table.query("metric == 'scr'")
    assert scr["mean"].isna().all()
    assert scr["n"].to_list() == [0, 0]
    assert any(note.startswith("nearest, seed 0, 1: ") for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replications": 0}, "replications = 0: must be at least 1"),
        ({"seed": -1}, "seed = -1: must not be negative"),
        ({"jobs": 0}, "jobs = 0: must be at least 1, or -1"),
        ({"policies": []}, "no policy is given"),
        ({"policies": ["gucaa", "gucaa"]}, "policy 'gucaa' is given twice"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(MecsimError, match=message):
        compare(**({"scenario": "smoke", "policies": ["gucaa"], "replications": 1} | changes))


def test_all_unknown_policies_are_named_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(PolicyNotFound) as caught:
        compare("smoke", ["gucca", "nearest", "edgeonly"], out=tmp_path / "new")
    assert "'gucca' is not known; did you mean 'gucaa'?" in str(caught.value)
    assert "'edgeonly'" in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_progress_counts_every_run() -> None:
    told: list[tuple[float, int, str]] = []
    compare(SHORT, ["nearest"], replications=2, on_progress=lambda *news: told.append(news))
    done = [done for done, _, _ in told]
    assert done == sorted(done)
    assert told[-1][:2] == (2, 2)
    assert {total for _, total, _ in told} == {2}


def test_relative_difference_of_a_first_policy_at_zero_is_nan() -> None:
    outcomes = tuple(
        outcome(p, s, handovers_per_round=v) for s in (0, 1) for p, v in (("a", 0.0), ("b", 1.0 + s))
    )
    table = Comparison("made", ("a", "b"), (0, 1), outcomes).table.set_index(["policy", "metric"])
    row = table.loc[("b", "handovers_per_round")]
    assert row["difference"] == 1.5
    assert np.isnan(row["difference_percent"])


def test_numbers_to_read() -> None:
    assert plus_minus(78.0805, 4.33) == "78.1 ± 4.3"
    assert plus_minus(255.91, 11.9) == "256 ± 12"
    assert plus_minus(0.29420, 0.0241) == "0.294 ± 0.024"
    assert plus_minus(3118.2, 4746.0) == "3118 ± 4746"
    assert plus_minus(5.0, np.nan) == "5"
    assert plus_minus(np.nan, np.nan) == "-"
    assert four_digits(30101.4) == "30101"


def test_summary_reads_policies_down_and_metrics_across(comparison: Comparison) -> None:
    summary = comparison.summary()
    assert summary.index.to_list() == ["nearest", "gucaa", "edge_only"]
    assert "delay P95 (s)" in summary.columns
    assert summary.loc["gucaa", "SCR"].count("±") == 1
    assert "gucaa" in comparison._repr_html_()
