"""Which policies predict the SCR of their decision, and that they do so under every rate law.

The contract check of `predicted_scr` lets NaN pass; here those who can predict must.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.errors import PolicyNotFound
from mecsim.policy import Observation
from mecsim.registry import list_policies, make_policy
from mecsim.system.objective import Objective
from mecsim.system.power import DevicePower, PowerSpec
from mecsim.system.rate_spec import RATES
from mecsim.system.rates import Ergodic, Shannon
from mecsim.testing.snapshots import draw_instance
from mecsim.world.world import World

PREDICTING = ("dashf", "dashf_plus", "dashf_reference", "aauco", "gucro", "local_search", "exhaustive")
PREDICTING += ("drift_plus_penalty", "certified:max_nodes=4")
CLOSED = ("water_filling", "best_response", "matching", "card")
PREDICTING += CLOSED
INSTANCE = draw_instance(5, 3, 2)


def decided(spec, instance, **given):
    policy = make_policy(spec)
    return policy, policy.allocate(Observation.of(instance, **given))


LAWS = [("shannon", True), ("nr-256qam", False), ("shannon", False), ("nr-256qam", True)]
# They share the joint step's law of rates with dashf_plus, and take seconds.
SEARCHES = ("local_search", "exhaustive", "certified:max_nodes=4")


@pytest.mark.parametrize(
    ("name", "rate", "ergodic"),
    [
        (name, *law)
        for name in [*PREDICTING, "hysteresis:policy=gucro"]
        for law in LAWS[: 2 if name in SEARCHES else 4]
    ],
)
def test_who_optimises_predicts(name, rate, ergodic):
    instance = replace(INSTANCE, ergodic=ergodic, rate=RATES[rate])
    policy, allocation = decided(name, instance)
    assert math.isclose(policy.predicted_scr, instance.scr(allocation), rel_tol=1e-9)
    for changes in ({"ergodic": not ergodic}, {"rate": RATES["lte-36942"]}):
        other = replace(instance, **changes).scr(allocation)
        assert not math.isclose(policy.predicted_scr, other, rel_tol=1e-4)


def shared_power():
    """Return the power law of cards that servers share, with electronics and lowest speeds."""
    users, servers = INSTANCE.users, INSTANCE.servers
    own = DevicePower(0.2 * users.max_gpu_flops, np.full(3, 0.3), np.full(3, 0.2))
    theirs = DevicePower(0.1 * servers.max_gpu_flops, np.full(2, 5.0), np.full(2, 2.0))
    return PowerSpec(own, theirs, np.ones(2, dtype=bool))


@pytest.mark.parametrize("name", [name for name in PREDICTING if name != "exhaustive"])
def test_who_optimises_predicts_with_shared_gpus_and_electronics(name):
    """S2 and S3. Mutant: the energy of the cubic law."""
    instance = replace(INSTANCE, power=shared_power())
    policy, allocation = decided(name, instance)
    assert allocation.violations(instance, 0.0) == ()
    assert math.isclose(policy.predicted_scr, instance.scr(allocation), rel_tol=1e-9)
    assert not math.isclose(policy.predicted_scr, INSTANCE.scr(allocation), rel_tol=1e-4)


@pytest.mark.parametrize("name", PREDICTING)
@pytest.mark.parametrize("kind", ["max", "mean"])
def test_who_optimises_predicts_in_every_objective(name, kind):
    """Mutants: the users' weights forgotten, with either delay."""
    weights = np.array([[0.3, 2.0, 4.0], [1.5, 0.5, 0.7]])
    instance = replace(INSTANCE, objective=Objective(kind, *weights))
    policy, allocation = decided(name, instance)
    assert allocation.violations(instance, 0.0) == ()
    assert math.isclose(policy.predicted_scr, instance.scr(allocation), rel_tol=1e-9)
    for wrong in ("max", "mean"):
        scr = replace(instance, objective=Objective(wrong, *np.ones((2, 3)))).scr(allocation)
        assert not math.isclose(policy.predicted_scr, scr, rel_tol=1e-4)


def test_all_others_predict_nothing():
    for entry in list_policies():
        if entry.name in {spec.partition(":")[0] for spec in PREDICTING}:
            continue
        policy, _ = decided(entry.name, INSTANCE)
        assert math.isnan(getattr(policy, "predicted_scr", float("nan"))), entry.name


@pytest.mark.parametrize("name", ["dashf", "dashf_plus", "aauco", "gucro", "local_search", *CLOSED])
def test_a_user_without_a_channel_leaves_nothing_to_predict(name):
    gain = INSTANCE.gain.copy()
    policy = make_policy(name)
    policy.allocate(Observation.of(INSTANCE))
    assert policy.predicted_scr > 0
    gain[1] = 0.0
    policy.allocate(Observation.of(replace(INSTANCE, gain=gain)))
    assert math.isnan(policy.predicted_scr)
    policy.allocate(Observation.of(INSTANCE))
    policy.allocate(Observation.of(replace(INSTANCE, gain=np.zeros_like(gain))))
    assert math.isnan(policy.predicted_scr)


@pytest.mark.parametrize("margin", [0.0, 1e6])
def test_hysteresis_shows_the_prediction_of_the_answer_it_takes(margin):
    rng, before_all = np.random.default_rng(2), draw_instance(5, 4, 2)
    instance = replace(before_all, gain=rng.permuted(before_all.gain, axis=0))
    _, before = decided("dashf_plus", before_all)
    policy, answer = decided(f"hysteresis:policy=dashf_plus,margin={margin}", instance, allocation=before)
    assert policy.iterations > len(policy.policy.trace)  # it was asked twice
    assert math.isclose(policy.predicted_scr, instance.scr(answer), rel_tol=1e-9)


def test_dashf_gets_what_it_predicts_where_rates_are_means_over_fading(monkeypatch):
    """`paper` seed 0: by Shannon's law it would predict 164.6 and get 152.8. Mutant: that law."""
    scenario = load_scenario("paper").with_changes({"channel.fading.model": "ergodic"})
    instance = World(scenario, 0).instance(0.0)
    policy, allocation = decided("dashf_plus", instance)
    gets = instance.scr(allocation)
    assert math.isclose(policy.predicted_scr, gets, rel_tol=1e-9)
    assert gets > 156.0
    shannon = Shannon(instance.noise_w_per_hz)
    monkeypatch.setattr(Ergodic, "nat_rate", lambda self, *link: shannon.nat_rate(*link))
    monkeypatch.setattr(Ergodic, "nat_derivatives", lambda self, *link: shannon.nat_derivatives(*link))
    policy, allocation = decided("dashf_plus", instance)
    assert instance.scr(allocation) < 0.97 * gets
    assert policy.predicted_scr > 1.05 * instance.scr(allocation)


def test_the_names_are_registered():
    for name in PREDICTING:
        make_policy(name)
    with pytest.raises(PolicyNotFound):
        make_policy("dashf-letter")
