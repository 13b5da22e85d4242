"""Contract checks of one decision: an allocation of the right types within all budgets, wherever asked."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.testing.contract_checks.subject import FEW, SYSTEMS, Subject, decide, feasible, require
from mecsim.testing.snapshots import draw_instance, mid_round

# With two users: both pinned, and either.
_PINNED = (0, 1, 3)


def types_and_budgets(subject: Subject) -> None:
    """Require a feasible allocation for every system: one user, one server, tiny and huge budgets."""
    for name in subject.traits.systems:
        instance = draw_instance(3, **SYSTEMS[name])
        policy = subject.fresh(instance)
        began = time.process_time()
        answer = decide(policy, Observation.of(instance))
        subject.decision_s[name] = time.process_time() - began
        feasible(answer, instance, f"system '{name}'")


def without_reset(subject: Subject) -> None:
    """Require a feasible allocation before any reset, since `mecsim solve` calls none."""
    for name in subject.traits.select_systems(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        try:
            answer = decide(subject.make(), Observation.of(instance))
        except AssertionError as error:
            raise AssertionError(f"without a reset before: {error}") from error
        feasible(answer, instance, f"system '{name}', without a reset")


def zero_gains(subject: Subject) -> None:
    """Require a feasible allocation if all gains, those of one server or those of most users are zero."""
    count = min(5, max(subject.traits.most_users, 2))
    instance = draw_instance(3, count, 2)
    gains = {
        "all gains zero": np.zeros_like(instance.gain),
        "one server's gains zero": instance.gain * [1.0, 0.0],
        "all but one user's gains zero": instance.gain * np.eye(count)[count // 2][:, None],
    }
    for where, gain in gains.items():
        system = replace(instance, gain=gain)
        feasible(decide(subject.fresh(system), Observation.of(system)), system, where)


def middle_of_rounds(subject: Subject) -> None:
    """Require a feasible allocation if some, all or no users are in a round; None repeats the last one."""
    for name in subject.traits.systems:
        instance = draw_instance(3, **SYSTEMS[name])
        policy, unpinned = subject.fresh(instance), np.zeros(instance.user_count)
        first = feasible(decide(policy, Observation.of(instance)), instance, f"system '{name}'")
        observations = {"some users active": mid_round(instance, first, unpinned)}
        if name in FEW:
            observations["every user active"] = mid_round(instance, first, unpinned, idle=False)
            observations["no user active"] = replace(
                Observation.of(instance, time_s=40.0, allocation=first), epoch=8
            )
        for where, observation in observations.items():
            answer = decide(policy, observation)
            feasible(first if answer is None else answer, instance, f"system '{name}', {where}")


def pinned_users(subject: Subject) -> None:
    """Require that pinned users stay with their server."""
    count = min(12, subject.traits.most_users)
    for seed in _PINNED:
        rng = np.random.default_rng(seed)
        instance = draw_instance(seed, count, 3)
        zeros = np.zeros(count)
        in_force = Allocation(
            rng.integers(3, size=count),
            np.full(count, 0.5),
            zeros,
            instance.users.max_power_w,
            zeros,
            instance.users.max_gpu_flops,
            zeros,
        )
        pinned = rng.random(count) < 0.5
        answer = decide(subject.fresh(instance), mid_round(instance, in_force, pinned, seed))
        if answer is None:
            continue
        feasible(answer, instance, "with pinned users")
        moved = np.flatnonzero(pinned & (answer.server != in_force.server)).tolist()
        require(not moved, f"pinned users {moved} were moved to other servers")
