"""Systems in which numbers vanish or overflow: every optimising policy decides, or says what is wrong.

Mutants: `np.linalg.solve` without a way out (singular systems), gains of 1e-300 taken for links, a
division by a score scale of zero, `np.errstate` left out (warnings are errors here).
"""

import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from mecsim_policies.optim import newton

from mecsim import make_policy
from mecsim.system.devices import Score, Weights
from mecsim.testing.snapshots import draw_instance, mid_round

FAST = ("aauco", "gucro", "dashf", "dashf_plus", "dashf_plus:horizon=remaining")
FAST += ("hysteresis:policy=dashf_plus",)
FAST += ("water_filling", "best_response", "best_response:sharing=equal", "matching", "card")
SLOW = ("local_search:starts=1,width=4", "exhaustive", "certified:max_nodes=4")
REFERENCE = "dashf_reference:max_iterations=1"
TINY = (1e-300, 1e-150, 1e-30, 1e-12)


def scaled(group, rng, names, factors):
    name, factor = str(rng.choice(names)), float(rng.choice(factors))
    column = getattr(group, name).copy()
    column[rng.random(len(column)) < 0.6] *= factor
    return replace(group, **{name: np.maximum(column, 1e-300)})


def twins(group):
    columns = {field.name: getattr(group, field.name) for field in fields(group)}
    return type(group)(**{name: np.full(len(column), column[0]) for name, column in columns.items()})


def degenerate(seed):
    """Return a small system with one to three things wrong with it."""
    rng = np.random.default_rng([3, seed])
    instance = draw_instance([4, seed], int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    for kind in rng.integers(9, size=rng.integers(1, 4)).tolist():
        gain = instance.gain.copy()
        if kind == 0:
            gain[rng.random(gain.shape) < 0.5] = 0.0
        elif kind == 1:
            gain *= float(rng.choice(TINY))
        elif kind == 2:
            instance, gain = (
                replace(instance, users=twins(instance.users)),
                np.broadcast_to(gain[:1], gain.shape),
            )
        elif kind == 3:
            instance = replace(instance, servers=twins(instance.servers))
            gain = np.broadcast_to(gain[:, :1], gain.shape)
        elif kind == 4:
            names = ["bandwidth_hz", "max_power_w", "max_gpu_flops"]
            instance = replace(instance, servers=scaled(instance.servers, rng, names, TINY))
        elif kind == 5:
            names = ["max_power_w", "max_gpu_flops", "kappa", "adapter_params", "flops_per_param"]
            instance = replace(instance, users=scaled(instance.users, rng, names, (1e-12, 1e-6, 1e6, 1e12)))
        elif kind == 6:
            weights = [(0.0, 0.005), (0.5, 0.0), (1e-12, 0.0), (1e9, 1e9)]
            instance = replace(instance, weights=Weights(*weights[rng.integers(4)]))
        elif kind == 7:
            laws = [(0.0, 1.0), (1.0, 0.0), (1e12, 1e6), (1e-12, 1e-12)]
            instance = replace(instance, score_law=Score(*laws[rng.integers(4)]))
        else:
            instance = replace(instance, bits_per_param=float(rng.choice([0.0, 1e-12, 1e4])))
        instance = replace(instance, gain=gain)
    return instance


def decide_twice(name, instance, seed):
    current = None
    for _ in ("cold", "warm"):
        pinned = np.random.default_rng(seed).random(instance.user_count) < (0.0 if current is None else 0.3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            policy = make_policy(name)
            current = policy.allocate(mid_round(instance, current, pinned, seed))
        assert not current.violations(instance)
        assert all(np.isfinite(column).all() for column in current.columns)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("seed", range(6))
def test_extreme_systems_get_a_decision(name, seed):
    decide_twice(name, degenerate(seed), seed)


@pytest.mark.parametrize("name", SLOW)
def test_extreme_systems_get_a_decision_by_search_too(name):
    decide_twice(name, degenerate(1), 1)


@pytest.mark.parametrize("name", [*FAST, *SLOW, REFERENCE])
@pytest.mark.parametrize("factor", [0.0, 1e-300])
def test_where_nothing_carries_every_user_trains_alone(name, factor):
    instance = draw_instance(8, 3, 2)
    instance = replace(instance, gain=instance.gain * factor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = make_policy(name).allocate(mid_round(instance, None, np.zeros(3, dtype=bool)))
    assert not found.violations(instance)
    if not name.startswith("hysteresis"):
        assert (found.local_fraction == 1.0).all()


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((3, 3)),
        np.outer([1.0, 1.0, 0.0], [1.0, 1.0, 0.0]),
        np.diag([1.0, 0.0, 1e300]),
    ],
)
def test_a_singular_system_has_a_step(block):
    right = np.ones((2, 3, 1))
    blocks = np.stack([2.0 * np.eye(3), block])
    solved = newton._solved(blocks, right)
    assert np.isfinite(solved).all()
    assert np.array_equal(solved[0], np.linalg.solve(blocks[:1], right[:1])[0])  # the others keep their bits
    assert (right[1, :, 0] @ solved[1, :, 0]) > 0  # still a direction of descent
