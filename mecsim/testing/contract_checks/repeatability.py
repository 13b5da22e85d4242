"""Contract checks of several decisions: repeatable, without hidden state, also in a worker process."""

from __future__ import annotations

import pickle
import random

import numpy as np

from mecsim.policy import Observation
from mecsim.testing.contract_checks.subject import (
    FEW,
    SYSTEMS,
    Subject,
    bits,
    differing_fields,
    require,
    reset,
)
from mecsim.testing.snapshots import draw_instance, mid_round


def repeated_observation(subject: Subject) -> None:
    """Require the same decision for the same observation twice, and an unchanged observation."""
    for name in subject.traits.select_systems(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        policy = subject.fresh(instance)
        first = policy.allocate(Observation.of(instance))
        observation = mid_round(instance, first, np.zeros(instance.user_count))
        before = bits(observation)
        once = bits(policy.allocate(observation))
        written = differing_fields(before, bits(observation))
        require(not written, f"system '{name}': wrote into {', '.join(written)}")
        again = bits(policy.allocate(observation))
        differs = differing_fields(once, again, "allocation")
        require(not differs, f"system '{name}': asked twice, other values of {', '.join(differs)}")


def determinism(subject: Subject) -> None:
    """Require bit-identical decisions from the same seed."""
    for name in subject.traits.select_systems(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        once, again = (bits(subject.fresh(instance).allocate(Observation.of(instance))) for _ in range(2))
        differs = differing_fields(once, again, "allocation")
        require(not differs, f"system '{name}': the same seed gave other values of {', '.join(differs)}")


def global_generators(subject: Subject) -> None:
    """Require that the global random generators are left alone; a policy has the one of its reset."""
    for name in subject.traits.select_systems(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        before = _global_states()
        subject.fresh(instance).allocate(Observation.of(instance))
        for library, state in _global_states().items():
            require(state == before[library], f"system '{name}': drew from the global generator of {library}")


def _global_states() -> dict[str, str]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - only read
    return {"numpy": repr(legacy), "random": repr(random.getstate())}


def cleared_by_reset(subject: Subject) -> None:
    """Require that ``reset`` clears the state of the run before."""
    small, other = draw_instance(3, 4, 2), draw_instance(8, 5, 3)
    policy = subject.fresh(small)
    expected = bits(policy.allocate(Observation.of(small)))
    if not callable(getattr(policy, "reset", None)):
        return
    reset(policy, other, 6)
    policy.allocate(Observation.of(other))
    reset(policy, small, 5)
    differs = differing_fields(expected, bits(policy.allocate(Observation.of(small))), "allocation")
    require(not differs, f"after reset, {', '.join(differs)} still depend on the run before")


def pickling(subject: Subject) -> None:
    """Require a policy that can be sent to a worker process and decides there as here."""
    import cloudpickle  # worker processes are sent policies defined anywhere

    instance = draw_instance(3, 4, 2)
    policy = subject.fresh(instance)
    try:
        text = cloudpickle.dumps(policy)
    except Exception as error:
        raise AssertionError(f"cannot be sent to a worker: {type(error).__name__}: {error}") from error
    there = pickle.loads(text)  # noqa: S301 - made two lines above
    here, answer = (bits(each.allocate(Observation.of(instance))) for each in (policy, there))
    differs = differing_fields(here, answer, "allocation")
    require(not differs, f"a copy sent to a worker gives other values of {', '.join(differs)}")
