"""The prover of a run: one observation after the other, with pinned users, users who come and go, outages."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.bound.upper import upper_bound

import mecsim
from mecsim import plugins
from mecsim.certificate import PROVER, PROVERS
from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation
from mecsim.registry import make_policy

EVENTFUL = {
    "warmup_s": 0, "duration_s": 8, "reallocation.period_s": 2, "users.count": 2,
    "users.arrivals": {"rate_per_s": 0.3, "stay_s": 5},
    "calendar.outages": [{"server": 0, "from_s": 3, "to_s": 5}],
}  # fmt: skip


def run_prover():
    return plugins.find(PROVERS, PROVER).RunProver()


@pytest.fixture(scope="module")
def observations():
    """Return what a policy saw of an eventful run, without the moments at which somebody reaches nothing."""
    seen = []
    scenario = mecsim.load_scenario("smoke").with_changes(EVENTFUL)
    Simulation(scenario, make_policy("nearest"), 4, on_decided=lambda one: seen.append(one.observation)).run()
    assert len({len(one.user) for one in seen}) > 1
    assert len({(one.instance.gain > 0).any(axis=0).sum() for one in seen}) > 1
    return seen


def test_bounds_of_a_run_are_those_of_their_moments(observations):
    """Users come, then a server fails. Mutants: the bound of the moment before; of users who have left."""
    prover = run_prover()
    for one in observations[1:3]:
        best = one.instance.scr(make_policy("dashf").allocate(one))
        assert best <= prover.bound(one).upper_bound <= 1.2 * best


def test_the_bound_that_starts_from_old_prices_is_near_the_one_that_does_not(observations):
    """Mutants: prices of users in another order; those of the first bound for ever."""
    prover, first = run_prover(), observations[0]
    gain = first.instance.gain * np.array([1.2, 0.9])
    second = replace(first, instance=replace(first.instance, gain=gain))
    prover.bound(first)
    assert prover.bound(second).upper_bound == pytest.approx(
        upper_bound(second.instance).scr_upper, rel=0.005
    )


def test_a_pinned_user_keeps_its_server_in_the_bound(observations):
    """Mutant: the bound without pins."""
    instance = observations[0].instance
    strongest = instance.gain.argmax(axis=1)
    before = replace(make_policy("nearest").allocate(observations[0]), server=1 - strongest)
    free = Observation.of(instance, allocation=before)
    pinned = replace(free, pinned=np.arange(instance.user_count) == 0)
    without, with_pin = (run_prover().bound(one).upper_bound for one in (free, pinned))
    assert without > 1.1 * with_pin
    assert instance.scr(make_policy("dashf").allocate(free)) > with_pin
    assert instance.scr(make_policy("dashf").allocate(pinned)) <= with_pin


def test_a_user_who_reaches_nothing_makes_the_bound_zero_and_the_next_starts_from_prices(observations):
    """Mutant: the prices before that moment are lost, or those of a bound without prices are taken."""
    first = observations[0]
    gain = first.instance.gain.copy()
    gain[0] = 0.0
    nothing = replace(first, instance=replace(first.instance, gain=gain))
    prover = run_prover()
    before, zero, after = (prover.bound(one) for one in (first, nothing, first))
    assert (zero.upper_bound, zero.prices) == (0.0, None)
    assert after.upper_bound == pytest.approx(before.upper_bound, rel=0.02)
