"""Measures over users and over windows, from rounds made by hand; each check names the bug it rejects."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mecsim import load_scenario, simulate
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.measures import jain_index, window_scr
from mecsim.results.metrics import METRIC, headline, headline_of, with_headline
from mecsim.results.notes import run_notes
from mecsim.results.result import Results
from mecsim.results.windows import user_windows

WEIGHTS = {"delay_weight_per_s": 0.5, "energy_weight_per_j": 0.005}
COLUMNS = ("user", "start_s", "delay_s", "energy_j", "score", "outcome")


def results_of(rows: list[tuple], *, warmup_s: float, duration_s: float, window_s: float = 300.0) -> Results:
    rounds = pd.DataFrame(rows, columns=list(COLUMNS)).assign(wait_s=0.0, round=0)
    manifest = {
        "warmup_s": warmup_s, "duration_s": duration_s, "window_s": window_s, "objective": WEIGHTS,
        "users": rounds["user"].nunique(),
    }  # fmt: skip
    return Results(rounds, *[pd.DataFrame()] * 4, manifest)


def constant(delays_s: dict[int, float], until_s: float) -> list[tuple]:
    """Return the rounds of users who always take as long, one after the other."""
    return [
        (user, k * delay_s, delay_s, 2.0 * delay_s, 10.0 + user, "finished")
        for user, delay_s in delays_s.items()
        for k in range(round(until_s / delay_s))
    ]


def value(name: str, results: Results) -> float:
    return METRIC[name].compute(AfterWarmup(results))


def test_the_mean_over_rounds_is_the_harmonic_mean_of_the_users() -> None:
    """Constant rounds of 10, 20 and 60 s: over rounds 18 s, over users 30 s; fast users weigh more.

    Mutant rejected: the mean over rounds shown as the mean over users.
    """
    delays_s = {0: 10.0, 1: 20.0, 2: 60.0}
    run = results_of(constant(delays_s, 600.0), warmup_s=0.0, duration_s=600.0)
    harmonic = 3.0 / sum(1.0 / delay for delay in delays_s.values())
    assert value("delay_s", run) == pytest.approx(harmonic, rel=1e-12)
    assert value("delay_user_s", run) == pytest.approx(30.0, rel=1e-12)
    assert value("delay_user_s", run) != pytest.approx(value("delay_s", run), rel=0.5)
    assert value("energy_user_j", run) == pytest.approx(60.0, rel=1e-12)
    assert value("delay_worst_user_s", run) == 60.0
    assert value("delay_user_p95_s", run) == pytest.approx(np.percentile([10, 20, 60], 95), rel=1e-12)
    assert value("delay_user_p99_s", run) == pytest.approx(np.percentile([10, 20, 60], 99), rel=1e-12)
    assert value("delay_p95_s", run) == 60.0  # 10 of 100 rounds take so long
    assert value("fairness_delay", run) == pytest.approx(90.0**2 / (3 * 4100.0), rel=1e-12)
    assert value("fairness_delay", run) != pytest.approx(jain_index(run.rounds["delay_s"]), rel=0.05)


def test_spent_energy_of_a_user_counts_all_its_rounds() -> None:
    """Mutants rejected: finished rounds only; the mean over rounds."""
    rows = [
        (0, 10.0, 5.0, 40.0, 1.0, "finished"),
        (0, 15.0, 5.0, 20.0, 1.0, "dropped"),
        (1, 10.0, 9.0, 30.0, 1.0, "unfinished"),
    ]
    run = results_of(rows, warmup_s=10.0, duration_s=19.0)
    assert value("spent_user_j", run) == 45.0


def test_a_user_who_never_finishes_counts_with_its_open_round() -> None:
    """Its round began in the warm-up, 95 s ago. Mutants: it is left out, or cut at 10 s; user 2 counts."""
    rows = [
        (0, 10.0, 4.0, 1.0, 1.0, "finished"),
        (1, 5.0, 95.0, 7.0, 1.0, "unfinished"),
        (2, 99.0, 1.0, 0.1, 1.0, "unfinished"),  # has just begun: nothing is known of it
    ]
    run = results_of(rows, warmup_s=10.0, duration_s=100.0)
    assert value("delay_user_s", run) == pytest.approx((4.0 + 95.0) / 2)
    assert value("delay_worst_user_s", run) == 95.0
    notes = run_notes(run, {"delay_s": 4.0, "scr": 1.0, "open_windows": 0.5})
    assert notes[0].startswith("1 user (1) finished no round after the warm-up")
    assert notes[1].startswith("in 50 % of the users' windows no round ended")
    assert math.isnan(value("delay_user_s", results_of(rows[1:], warmup_s=10.0, duration_s=100.0)))


def test_windows_by_hand() -> None:
    """Windows of 100 s after 50 s; what is left over, 30 s, belongs to the last.

    Mutants rejected: the long round counted where it began or not at all before it ends; its whole delay and
    energy from the start; rounds instead of users; the mean of the windows' ratios.
    """
    rows = [
        (0, 40.0, 20.0, 100.0, 4.0, "finished"),  # began in the warm-up, ended in window 0
        (0, 60.0, 40.0, 300.0, 8.0, "finished"),
        (0, 100.0, 60.0, 600.0, 6.0, "finished"),  # open at 150 s, but user 0 finished others in window 0
        (0, 160.0, 120.0, 50.0, 2.0, "unfinished"),
        (1, 0.0, 200.0, 800.0, 3.0, "finished"),  # open at 150 s: 150 s and 600 J so far
        (1, 200.0, 10.0, 5.0, 1.0, "dropped"),
    ]
    found = user_windows(results_of(rows, warmup_s=0, duration_s=1).rounds, 50.0, 280.0, 100.0)
    expected = [
        (0, 0, 6.0, 30.0, 200.0, False),
        (0, 1, 3.0, 150.0, 600.0, True),
        (1, 0, 6.0, 60.0, 600.0, False),
        (1, 1, 3.0, 200.0, 800.0, False),
    ]
    assert [tuple(row) for row in found.to_numpy().tolist()] == expected
    run = results_of(rows, warmup_s=50.0, duration_s=280.0, window_s=100.0)
    cost = 0.5 * (150.0 + 200.0) + 0.005 * (800.0 + 1400.0)
    assert window_scr(AfterWarmup(run)) == pytest.approx(18.0 / cost, rel=1e-12)
    assert value("open_windows", run) == 0.25
    ratios = [9.0 / (0.5 * 150.0 + 0.005 * 800.0), 9.0 / (0.5 * 200.0 + 0.005 * 1400.0)]
    assert np.mean(ratios) != pytest.approx(18.0 / cost, rel=1e-3)
    # One that begins at the very end has got nowhere. Mutant: 0 s of 0 s, which is no number.
    begun = results_of([(0, 280.0, 0.0, 0.0, 4.0, "unfinished")], warmup_s=50.0, duration_s=280.0).rounds
    assert user_windows(begun, 50.0, 280.0, 30.0).empty
    # A round that runs on is open at the end of every window until it ends.
    longest = user_windows(run.rounds.iloc[3:4], 50.0, 280.0, 30.0)
    assert longest["delay_s"].tolist() == [10.0, 40.0, 70.0, 120.0]
    assert longest["energy_j"].tolist() == pytest.approx([50 / 12, 200 / 12, 350 / 12, 50.0])


def test_the_headline_follows_the_mode_of_the_rounds() -> None:
    names = ("scr_window", "delay_user_s")
    assert with_headline(names, headline("synchronous")) == ("scr", "delay_user_s")
    assert with_headline(names, headline("poisson")) == names
    assert (
        headline_of({"run_id": "a", "scenario_toml": '[workload]\nrounds = { mode = "synchronous" }'})
        == "scr"
    )


def test_windows_equal_generations_where_rounds_are_synchronous_and_equal() -> None:
    """The SCR over windows is that of generations, in whichever window a round ends.

    Mutants rejected: the sum of delays for the largest, sums over rounds for means over users.
    """
    rows = [
        (user, 12.0 * k, delay_s, 3.0 + user, 5.0 * (user + 1), "finished")
        for k in range(50)
        for user, delay_s in enumerate((12.0, 7.0, 9.0))
    ]
    run = results_of(rows, warmup_s=0.0, duration_s=600.0, window_s=100.0)
    generation = 30.0 / (0.5 * 12.0 + 0.005 * 12.0)
    assert window_scr(AfterWarmup(run)) == pytest.approx(generation, rel=1e-12)
    wrong = 30.0 / (0.5 * 28.0 + 0.005 * 12.0), 30.0 / (0.5 * 12.0 + 0.005 * 12.0 * 8)
    assert not any(one == pytest.approx(generation, rel=0.01) for one in wrong)


def test_the_window_of_a_scenario_is_in_its_runs_and_changes_no_table() -> None:
    short = load_scenario("smoke").with_changes({"duration_s": 20.0, "warmup_s": 0.0})
    other = short.with_changes({"record.window_s": 5.0})
    whole, parts = (simulate(scenario, "gucaa", 1) for scenario in (short, other))
    assert whole.digest() == parts.digest()
    assert short.sha256 != other.sha256 == other.with_changes({}).sha256
    assert (len(AfterWarmup(whole).windows), len(AfterWarmup(parts).windows)) == (1, 4)
    assert parts.manifest["window_s"] == 5.0
