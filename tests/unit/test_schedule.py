"""Longest runs first, as far as finished ones tell."""

from __future__ import annotations

import math

import pytest

from mecsim import load_scenario
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.probe import probe, probe_unknown
from mecsim.study.schedule import RunQueue, RunTimes

SMOKE = load_scenario("smoke")
LONG = SMOKE.with_changes({"duration_s": 120})
FAST, SLOW = PolicyChoice.of("gucaa"), PolicyChoice.of("nearest")


def run(scenario=SMOKE, policy=FAST, seed=0) -> Run:
    return Run(scenario, policy, seed)


def test_a_measured_run_is_the_mean_of_its_like() -> None:
    times = RunTimes()
    times.learn(run(), 2.0)
    times.learn(run(seed=1), 4.0)
    assert times.wall_s(run(seed=9)) == 3.0
    # Of another length: in proportion. Mutant rejected: the same time for whatever length.
    assert times.wall_s(run(LONG)) == pytest.approx(6.0)
    assert math.isnan(times.wall_s(run(policy=SLOW)))
    times.learn(run(LONG), math.nan)
    assert times.work([run(), run(LONG), run(policy=SLOW)]) == (2, 1, pytest.approx(9.0))


def test_the_longest_come_first_and_the_unknown_before_them() -> None:
    """Mutant rejected: the order of the study, which ends with the longest run alone at work."""
    times = RunTimes()
    times.learn(run(policy=SLOW), 5.0)
    waiting = RunQueue([run(s, p, k) for k in range(2) for s in (SMOKE, LONG) for p in (FAST, SLOW)], times)
    order = []
    while waiting:
        taken = waiting.take()
        order.append((taken.policy.label, taken.scenario.duration_s, taken.seed))
        if len(order) == 1:
            times.learn(taken, 1.0)
    assert order == [
        ("gucaa", 120, 0),
        ("nearest", 120, 0),
        ("nearest", 120, 1),
        ("nearest", 60, 0),
        ("nearest", 60, 1),
        ("gucaa", 120, 1),
        ("gucaa", 60, 0),
        ("gucaa", 60, 1),
    ]


def test_a_probe_of_a_short_while_foretells_a_long_run() -> None:
    times = RunTimes()
    probe_unknown(times, [run(SMOKE.with_changes({"duration_s": 1e4})), run(LONG)], 0.05)
    assert 0 < times.wall_s(run(LONG)) < times.wall_s(run(SMOKE.with_changes({"duration_s": 1e4})))
    assert 0 < probe(run(), 10.0) < 10.0


def test_a_policy_that_fails_at_once_has_no_rate() -> None:
    broken = PolicyChoice("x:Broken", label="broken", instance=Broken())
    assert math.isnan(probe(run(policy=broken), 1.0))


class Broken:
    """Fails."""

    def allocate(self, observation):
        raise ValueError
