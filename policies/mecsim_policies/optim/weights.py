"""The users' weights of delay and energy as the optimisation has them: part of its constants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance

LEAST = 1e-40
"""A delay that does not count is one that hardly does: energies of electronics are found from it."""


class UserWeights(NamedTuple):
    """Weights of each user's delay, above 0, and energy; (N,)."""

    delay: Floats
    energy: Floats

    @classmethod
    def of(cls, instance: Instance) -> UserWeights | None:
        """Return the weights of a snapshot; None where the objective is the paper's."""
        own = instance.objective
        return None if own is None else cls(np.maximum(own.delay_weight, LEAST), own.energy_weight)

    @property
    def joules_per_second(self) -> Floats:
        """What a watt costs for a weighted second, (N,), in weighted joules."""
        return self.energy / self.delay


def counts_mean(instance: Instance) -> bool:
    """Whether the mean delay counts, not the largest."""
    return instance.objective is not None and instance.objective.is_mean


def price_of_own_delay(instance: Instance) -> Floats:
    """Return the cost of a second of each user's own delay in 1/s, (N,).

    With the mean delay it is its part of the cost. With the largest it is what policies that look at users
    one by one take: the whole weight.
    """
    per_s = np.full(instance.user_count, instance.weights.delay_per_s)
    if instance.objective is not None:
        per_s = per_s * instance.objective.delay_weight
        per_s = per_s / instance.user_count if instance.objective.is_mean else per_s
    return per_s


def price_of_own_energy(instance: Instance) -> Floats:
    """Return the cost of a joule of each user's own energy in 1/J, (N,)."""
    per_j = np.full(instance.user_count, instance.weights.energy_per_j)
    return per_j if instance.objective is None else per_j * instance.objective.energy_weight
