"""Contract checks of several decisions: repeatable, without hidden state, also in a worker process."""

from __future__ import annotations

import pickle

import numpy as np

from mecsim.foreign_code import Interrupts, described
from mecsim.policy import Observation
from mecsim.testing.contract_checks.subject import (
    FEW,
    SYSTEMS,
    Subject,
    bits,
    caller_of,
    decide,
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
        first = decide(policy, Observation.of(instance))
        observation = mid_round(instance, first, np.zeros(instance.user_count))
        caller = caller_of(policy)
        once = bits(decide(policy, observation, caller))
        written = caller.remarks.get("observations_changed", "")
        require(not written, f"system '{name}': {written}")
        again = bits(decide(policy, observation))
        differs = differing_fields(once, again, "allocation")
        require(not differs, f"system '{name}': asked twice, other values of {', '.join(differs)}")


def determinism(subject: Subject) -> None:
    """Require bit-identical decisions from the same seed."""
    for name in subject.traits.select_systems(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        once, again = (bits(decide(subject.fresh(instance), Observation.of(instance))) for _ in range(2))
        differs = differing_fields(once, again, "allocation")
        require(not differs, f"system '{name}': the same seed gave other values of {', '.join(differs)}")


def global_generators(subject: Subject) -> None:
    """Require that the global random generators are left alone; a policy has the one of its reset."""
    for name in subject.traits.select_systems(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        policy = subject.make()
        caller = caller_of(policy)
        decide(policy, Observation.of(instance), caller)
        for library in caller.irreproducible:
            raise AssertionError(f"system '{name}': drew from the global generator of {library}")


def cleared_by_reset(subject: Subject) -> None:
    """Require that ``reset`` clears the state of the run before."""
    most = subject.traits.most_users
    small, other = draw_instance(3, min(4, most), 2), draw_instance(8, min(5, most + 1), 3)
    policy = subject.fresh(small)
    expected = bits(decide(policy, Observation.of(small)))
    if not callable(getattr(policy, "reset", None)):
        return
    reset(policy, other, 6)
    decide(policy, Observation.of(other))
    reset(policy, small, 5)
    differs = differing_fields(expected, bits(decide(policy, Observation.of(small))), "allocation")
    require(not differs, f"after reset, {', '.join(differs)} still depend on the run before")


def pickling(subject: Subject) -> None:
    """Require a policy that can be sent to a worker process and decides there as here."""
    import cloudpickle  # worker processes are sent policies defined anywhere

    instance = draw_instance(3, min(4, subject.traits.most_users), 2)
    policy = subject.fresh(instance)
    try:
        with Interrupts() as interrupts:
            text = cloudpickle.dumps(policy)
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        raise AssertionError(f"cannot be sent to a worker: {described(error)}") from error
    there = pickle.loads(text)  # noqa: S301 - made two lines above
    here, answer = (bits(decide(each, Observation.of(instance))) for each in (policy, there))
    differs = differing_fields(here, answer, "allocation")
    require(not differs, f"a copy sent to a worker gives other values of {', '.join(differs)}")
