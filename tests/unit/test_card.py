"""CARD: the best cut of all and the best speed, against the model (docs/model.md section 4)."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies import card
from mecsim_policies.card import best_speeds, cut_costs
from mecsim_policies.optim.rules import equal_split

from mecsim import load_scenario
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.devices import Weights
from mecsim.system.power import DevicePower, PowerSpec
from mecsim.testing.snapshots import draw_instance
from mecsim.world.world import World


def weighted(instance, allocation):
    w = instance.weights
    return w.delay_per_s * instance.delay(allocation) + w.energy_per_j * instance.energy(allocation)


def shared(instance, least=0.3):
    """Return the snapshot with GPUs that users share, electronics and lowest speeds."""
    (n, m), s, u = instance.gain.shape, instance.servers, instance.users
    own = DevicePower(0.1 * u.max_gpu_flops, np.full(n, 0.2), np.full(n, 0.1))
    theirs = DevicePower(least * s.max_gpu_flops, np.full(m, 5.0), np.full(m, 2.0))
    return replace(instance, power=PowerSpec(own, theirs, np.ones(m, dtype=bool)))


def snapshots():
    """Return the paper's work, unlike weights, a split model, and shared GPUs with one user each."""
    plain = draw_instance(3, 6, 2)
    yield "plain", plain
    yield "dear energy", replace(plain, weights=Weights(0.01, 0.5))
    yield (
        "own parts of memory",
        replace(plain, users=replace(plain.users, local_fraction_max=np.resize([0.4, 0.0, 1.0], 6))),
    )
    yield "split", World(load_scenario("card"), 2).instance(0.0).of_users(np.array([3]))
    alone = draw_instance(5, 2, 2)
    yield "shared", shared(replace(alone, gain=np.array([[1e-9, 1e-12], [1e-12, 1e-9]])))


SNAPSHOTS = dict(snapshots())


def assert_best_on_the_grid(instance, allocation, layers):
    """No other cut is better for any user, with the speeds given; by the model, one cut at a time."""
    now = weighted(instance, allocation)
    for cut in range(layers + 1):
        other = np.where(
            cut / layers <= instance.users.local_fraction_max, cut / layers, allocation.local_fraction
        )
        assert (weighted(instance, replace(allocation, local_fraction=other)) >= now * (1.0 - 1e-9)).all(), (
            cut
        )
    cuts = allocation.local_fraction * layers
    np.testing.assert_allclose(cuts, np.rint(cuts), atol=1e-12)


@pytest.mark.parametrize("name", SNAPSHOTS)
@pytest.mark.parametrize("layers", [1, 5, 22])
def test_the_cut_is_the_best_of_all(name, layers):
    instance = SNAPSHOTS[name]
    answer = make_policy(f"card:layers={layers}").allocate(Observation.of(instance))
    assert answer.violations(instance, 0.0) == ()
    assert_best_on_the_grid(instance, answer, layers)


def test_another_cut_is_noticed(monkeypatch):
    """Mutants: costs without the energy, or the same cut for all."""
    instance = SNAPSHOTS["dear energy"]
    monkeypatch.setattr(
        card, "cut_costs",
        lambda i, split, cuts: cut_costs(replace(i, weights=Weights(1.0, 0.0)), split, cuts),
    )  # fmt: skip
    with pytest.raises(AssertionError):
        assert_best_on_the_grid(instance, make_policy("card:layers=5").allocate(Observation.of(instance)), 5)


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_costs_are_those_of_the_model(name):
    """Mutants: epochs left out, the electronics left out, the square of a shared speed below the lowest."""
    instance = SNAPSHOTS[name]
    split = equal_split(instance, instance.gain.argmax(axis=1), 0.0)
    split = replace(split, server_gpu_flops=0.2 * split.server_gpu_flops)
    cuts = np.array([[0.0], [0.25], [0.999]])
    for phi, costs in zip(cuts[:, 0], cut_costs(instance, split, cuts), strict=True):
        given = replace(split, local_fraction=np.full(instance.user_count, phi))
        np.testing.assert_allclose(costs, weighted(instance, given), rtol=1e-9)


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_no_other_speed_is_better(name):
    """Mutant: the speed without its factor 2, which is the cube root of 2 too fast."""
    instance = SNAPSHOTS[name]
    split = equal_split(instance, instance.gain.argmax(axis=1), 0.0)
    part = split.server_gpu_flops
    best = best_speeds(instance, split)
    now = weighted(instance, replace(split, server_gpu_flops=best))
    for factor in np.geomspace(0.011, 1.0, 60):
        assert (weighted(instance, replace(split, server_gpu_flops=factor * part)) >= now * (1 - 1e-9)).all()
    dear = replace(instance, weights=Weights(0.01, 0.5))
    slower = best_speeds(dear, split)
    assert (slower <= best).all()
    faster = np.minimum(slower * np.cbrt(2.0), part)
    assert (
        weighted(dear, replace(split, server_gpu_flops=faster))
        >= weighted(dear, replace(split, server_gpu_flops=slower))
    ).all()


def test_the_speed_by_hand():
    """w_t / (G g) + w_e k g^2 with w_t = 0.016, w_e = 1, G = 8, k = 1e-36: g = 1e11 at its least."""
    instance = draw_instance(1, 1, 1)
    servers = replace(
        instance.servers, gpu_count=np.array([8.0]), kappa=np.array([1e-36]), max_gpu_flops=np.array([1e12])
    )
    instance = replace(instance, servers=servers, weights=Weights(0.016, 1.0))
    assert best_speeds(instance, equal_split(instance, np.array([0]), 0.0)) == pytest.approx(
        [1e11], rel=1e-12
    )


def test_weights_of_zero_leave_a_speed():
    """Without a price of energy all of a part, without one of delay a hundredth. Mutant: speed 0, a stall."""
    instance = draw_instance(3, 4, 2)
    for weights, share in ((Weights(1.0, 0.0), 1.0), (Weights(0.0, 1.0), 0.01)):
        given = replace(instance, weights=weights)
        split = equal_split(given, given.gain.argmax(axis=1), 0.0)
        np.testing.assert_allclose(best_speeds(given, split), share * split.server_gpu_flops)


def test_users_who_share_gpus_run_them_together_at_the_best_speed():
    """Two users, one server: A = 2 g, and w_t / (G g) + w_e k A^2. Mutant: each as if alone."""
    instance = shared(draw_instance(6, 2, 1), least=0.0)
    instance = replace(instance, weights=Weights(0.01, 0.05))
    split = equal_split(instance, np.zeros(2, dtype=int), 0.0)
    g, s = best_speeds(instance, split), instance.servers
    assert (g < split.server_gpu_flops).all()
    expected = np.cbrt(0.01 / (2.0 * 0.05 * s.gpu_count[0] * s.kappa[0] * 4.0))
    np.testing.assert_allclose(g, expected, rtol=1e-12)


@pytest.mark.parametrize("layers", [0, 2.5, True])
def test_layers_are_a_whole_number(layers):
    with pytest.raises(ValueError, match=r"layers = .*: must be a whole number >= 1"):
        card.Card(layers)
