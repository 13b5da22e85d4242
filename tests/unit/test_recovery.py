"""Recovery after an outage, on tables made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from mecsim.analysis.recovery import outages_of, recovery, service_over_time
from mecsim.results.result import Results
from mecsim.scenario.load import load_scenario
from mecsim.study.runner import simulate

# w_t = 1 and no weight of energy: the ratio is the sum of the scores over the largest delay.
WEIGHTS = {"delay_weight_per_s": 1.0, "energy_weight_per_j": 0.0}


def results_of(rows, duration_s=1000.0):
    """Return results with the given rounds: user, round, start, delay, score, stall, outcome, restarts."""
    names = ("user", "round", "start_s", "delay_s", "score", "stall_s", "outcome", "restarts")
    rounds = pd.DataFrame(rows, columns=names).assign(interruption_s=0.0, energy_j=1.0)
    empty = pd.DataFrame()
    return Results(rounds, empty, empty, empty, empty, {"duration_s": duration_s, "objective": WEIGHTS})


def steady(user, until_s, delay_s, score, first=0, from_s=0.0):
    """Return the rows of a user whose rounds follow one another."""
    count = int((until_s - from_s) / delay_s)
    return [(user, first + k, from_s + k * delay_s, delay_s, score, 0.0, "finished", 0) for k in range(count)]


def outage_rows(long_s):
    """Rounds of 10 s, but the one that starts at 300 s stalls and takes longer."""
    rows = steady(0, 300.0, 10.0, 100.0)
    rows.append((0, 30, 300.0, long_s, 100.0, long_s - 10.0, "finished", 0))
    return rows + steady(0, 1000.0, 10.0, 100.0, first=31, from_s=300.0 + long_s)


def ratio(results, times_s):
    return service_over_time(results.rounds, np.asarray(times_s, dtype=float), 1.0, 0.0)


def test_the_ratio_is_that_of_the_last_rounds():
    results = results_of(steady(0, 1000.0, 10.0, 100.0) + steady(1, 1000.0, 20.0, 60.0))
    found = ratio(results, [5.0, 10.0, 15.0, 20.0, 500.0])
    np.testing.assert_allclose(found, [np.nan, 10.0, 10.0, 8.0, 8.0])


def test_it_falls_while_a_round_stands_still():
    """Mutant: the ratio of finished rounds alone, which learns of a stall when that is over."""
    results = results_of(outage_rows(100.0))
    found = ratio(results, [299.0, 305.0, 320.0, 350.0, 399.0, 401.0, 410.0])
    np.testing.assert_allclose(found, [10.0, 10.0, 5.0, 2.0, 100.0 / 99.0, 1.0, 10.0])


def test_users_who_are_gone_are_left_out():
    results = results_of(steady(0, 1000.0, 10.0, 100.0) + steady(1, 200.0, 50.0, 50.0))
    np.testing.assert_allclose(ratio(results, [100.0, 200.0, 201.0]), [3.0, 3.0, 10.0])


def test_an_outage_by_hand():
    """The ratio is 10 before; 1000 / t from 10 s into the round on; back when the next round ends."""
    found = recovery(results_of(outage_rows(100.0)), 300.0, 390.0, step_s=0.05)
    assert found.scr_before == pytest.approx(10.0)
    assert found.scr_lowest == pytest.approx(1.0, rel=1e-3)
    assert found.recovered_s == pytest.approx(410.0, abs=0.1)
    assert found.time_to_recover_s == pytest.approx(110.0, abs=0.1)
    # Integral of 10 - 100 / t from 10 to 100 s, then 9 until the next round ends.
    assert found.dip_area_s == pytest.approx(900 - 100 * math.log(10.0) + 9 * 10, rel=2e-3)
    assert (found.rounds_lost, found.rounds_delayed, found.delayed_s) == (0, 1, 90.0)


def test_mutants_of_the_area_are_noticed():
    """An area that ends with the outage, and one that has what there was in place of what was missed."""
    found = recovery(results_of(outage_rows(100.0)), 300.0, 390.0, step_s=0.05)
    until_the_end = 900 - 100 * math.log(10.0) - 10 * (10 - 100 / 95)
    there = 10 * 10 + 100 * math.log(10.0) + 10
    for mutant in (until_the_end, there):
        assert abs(mutant - found.dip_area_s) > 0.05 * found.dip_area_s


def test_no_fall_is_no_time():
    found = recovery(results_of(steady(0, 1000.0, 10.0, 100.0)), 300.0, 390.0)
    assert (found.recovered_s, found.time_to_recover_s, found.dip_area_s) == (300.0, 0.0, 0.0)
    assert found.rounds_delayed == 0


def test_a_ratio_that_does_not_come_back():
    rows = [*steady(0, 300.0, 10.0, 100.0), (0, 30, 300.0, 700.0, 100.0, 690.0, "unfinished", 0)]
    found = recovery(results_of(rows), 300.0, 390.0)
    assert math.isnan(found.recovered_s)
    assert found.dip_area_s == pytest.approx(10 * 690 - 100 * math.log(70.0), rel=0.01)


def test_back_for_a_moment_is_not_back():
    """Two long rounds with one of 10 s between: with hold_s = 60 the second fall still counts."""
    rows = steady(0, 300.0, 10.0, 100.0)
    rows.append((0, 30, 300.0, 100.0, 100.0, 90.0, "finished", 0))
    rows += steady(0, 420.0, 10.0, 100.0, first=31, from_s=400.0)
    rows.append((0, 33, 420.0, 80.0, 100.0, 70.0, "finished", 0))
    rows += steady(0, 1000.0, 10.0, 100.0, first=34, from_s=500.0)
    results = results_of(rows)
    assert recovery(results, 300.0, 390.0, hold_s=60.0).recovered_s == pytest.approx(510.0, abs=1.0)
    assert recovery(results, 300.0, 390.0, hold_s=5.0).recovered_s == pytest.approx(410.0, abs=1.0)


def test_lost_and_delayed_rounds_are_those_of_the_time():
    rows = [
        (0, 0, 100.0, 50.0, 1.0, 9.0, "finished", 0),  # before
        (0, 1, 280.0, 50.0, 1.0, 4.0, "finished", 0),
        (1, 0, 290.0, 50.0, 1.0, 0.0, "finished", 1),
        (2, 0, 295.0, 10.0, 1.0, 3.0, "dropped", 0),
        (3, 0, 310.0, 10.0, 1.0, 0.0, "finished", 0),
        (4, 0, 400.0, 10.0, 1.0, 7.0, "finished", 0),  # after
    ]
    found = recovery(results_of(rows), 300.0, 390.0)
    assert (found.rounds_lost, found.rounds_delayed, found.delayed_s) == (1, 2, 4.0)


def test_outages_of_a_scenario():
    changes = {"calendar.outages": [{"server": 1, "from_s": 20, "to_s": 30}], "duration_s": 100}
    listed = load_scenario("campus").with_changes(changes | {"warmup_s": 0})
    assert outages_of(listed, 1) == [(1, 20.0, 30.0)]
    failing = load_scenario("campus").with_changes({"calendar.failures": {"mtbf_s": 600, "mttr_s": 60}})
    found = outages_of(failing, 1)
    assert len(found) > 5
    assert found == sorted(found, key=lambda outage: outage[1])
    assert found != outages_of(failing, 2)


def test_a_run_with_an_outage_falls_and_recovers():
    changes = {
        "duration_s": 900, "warmup_s": 0, "calendar.on_outage": "wait",
        "calendar.outages": [{"server": 0, "from_s": 400, "to_s": 500}],
    }  # fmt: skip
    results = simulate(load_scenario("campus").with_changes(changes), "gucaa", 1)
    found = recovery(results, 400.0, 500.0, tolerance=0.3)
    assert found.scr_lowest < 0.6 * found.scr_before
    assert 500 < found.recovered_s < 700
    assert found.rounds_delayed >= 1
    undisturbed = simulate(
        load_scenario("campus").with_changes(changes | {"calendar.outages": []}), "gucaa", 1
    )
    assert recovery(undisturbed, 400.0, 500.0, tolerance=0.3).dip_area_s < 0.5 * found.dip_area_s
