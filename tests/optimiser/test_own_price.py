"""Own energy at another price, and the best allocation at fixed prices."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.drift_plus_penalty import _start
from mecsim_policies.optim.fixed_price import best_at_price
from mecsim_policies.optim.own_price import to_own_unit, to_watts, with_own_factor
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.price import Price

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.phases import PHASES
from mecsim.system.power import DevicePower, PowerSpec
from mecsim.testing.snapshots import draw_instance

FACTOR = np.array([1.0, 3.0, 0.25, 40.0])


def drawn(seed, *, electronics):
    instance = draw_instance(seed, 4, 2)
    if not electronics:
        return instance
    own = DevicePower(0.1 * instance.users.max_gpu_flops, np.full(4, 0.3), np.full(4, 0.2))
    theirs = DevicePower(np.zeros(2), np.full(2, 5.0), np.full(2, 2.0))
    return replace(instance, power=PowerSpec(own, theirs, np.array([True, False])), ergodic=True)


def own_energy(instance, allocation):
    """Return what users' own devices draw in a round, phase by phase from times and powers."""
    costs, power = instance.costs(allocation), instance.power
    times = dict(zip([phase.name for phase in PHASES], costs.delay_s.T, strict=True))
    users = instance.users
    own_j = users.gpu_count * users.kappa * allocation.user_gpu_flops**3 * times["local"]
    own_j = own_j + allocation.user_power_w * times["uplink"]
    if power is not None:
        own_j = own_j + power.users.circuit_power_w * times["uplink"]
        own_j = own_j + power.users.receive_power_w * times["downlink"]
    return own_j


@pytest.mark.parametrize("electronics", [False, True])
def test_own_energy_counts_by_its_factor_and_nothing_else_changes(electronics):
    """Mutants: kappa, the transmit power or the receiver left out; gains downwards changed as well."""
    instance = drawn(1, electronics=electronics)
    allocation = replace(
        make_policy("nearest").allocate(Observation.of(instance)), local_fraction=np.full(4, 0.4)
    )
    priced, own = with_own_factor(instance, FACTOR), to_own_unit(allocation, FACTOR)
    assert own.violations(priced) == ()
    np.testing.assert_allclose(priced.costs(own).delay_s, instance.costs(allocation).delay_s, rtol=1e-12)
    np.testing.assert_allclose(priced.score(own), instance.score(allocation), rtol=1e-12)
    more_j = (FACTOR - 1.0) * own_energy(instance, allocation)
    np.testing.assert_allclose(
        priced.energy(own) - instance.energy(allocation), more_j, rtol=1e-9, atol=1e-12
    )
    back = to_watts(own, FACTOR, instance)
    np.testing.assert_allclose(back.user_power_w, allocation.user_power_w, rtol=1e-15)
    assert back.violations(instance) == ()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_shipped_finds_a_lower_cost_at_the_prices(seed):
    """Against the best of four policies, which maximise the ratio or nothing, on the priced snapshot.

    Mutant: the search for a ratio in its place, whose best is another point where own energy is dear.
    """
    instance = drawn(seed, electronics=seed == 3)
    priced = with_own_factor(instance, FACTOR)
    participants = Participants.of(Observation.of(priced))
    price = Price.at(priced, 2.0 * instance.scr(make_policy("dashf").allocate(Observation.of(instance))))
    found = best_at_price(participants, price, _start(participants)).point

    def cost(allocation):
        costs = priced.costs(allocation)
        score = priced.score(allocation).sum() / priced.score_law.scale
        longest_s, energy_j = costs.delay_s.sum(axis=1).max(), costs.energy_j.sum()
        return price.per_s * longest_s + price.per_j * energy_j - score

    reached = cost(found.allocation(priced))
    assert reached == pytest.approx(found.totals.cost(price), rel=1e-9)
    others = [
        cost(make_policy(name).allocate(Observation.of(priced)))
        for name in ("local_search:starts=1,width=8", "dashf_plus", "water_filling", "edge_only")
    ]
    assert reached < min(others) + 1e-4


def test_phi_leaves_an_end_that_has_charges():
    """A user in force at phi = 1 ends at phi = 0 where its own energy becomes dear.

    Mutant: only the joint step, which keeps users at the ends where these have charges.
    """
    from mecsim import load_scenario
    from mecsim.world.world import World

    instance = World(load_scenario("laptops"), 1).instance(0.0)
    everyone = instance.user_count
    allocation = replace(
        make_policy("nearest").allocate(Observation.of(instance)), local_fraction=np.ones(everyone)
    )
    priced = with_own_factor(instance, np.full(everyone, 1e4))
    own = to_own_unit(allocation, np.full(everyone, 1e4))
    participants = Participants.of(Observation.of(priced, allocation=own))
    found = best_at_price(participants, Price.at(priced, 50.0), _start(participants)).point
    assert (found.allocation(priced).local_fraction == 0.0).all()
