"""The delay and energy that the cost of an allocation counts, docs/model.md section 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints, frozen

DelayKind: TypeAlias = Literal["max", "mean"]
"""Which delay of all users counts: the largest or the mean one."""


@dataclass(frozen=True, eq=False, slots=True)
class Objective:
    """The delay and the energy of all users, from those of each.

    Parameters
    ----------
    delay : {"max", "mean"}
        Whether the largest or the mean weighted delay counts.
    delay_weight, energy_weight : (N,) float
        Weights of each user's delay and energy, at least 0. What has no weight does not count, not even
        without end.
    """

    delay: DelayKind
    delay_weight: Floats
    energy_weight: Floats

    def __post_init__(self) -> None:
        for name in ("delay_weight", "energy_weight"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @classmethod
    def of(cls, delay: DelayKind, delay_weight: Floats, energy_weight: Floats) -> Objective | None:
        """Return the objective; None for the paper's, the largest delay and all weights 1."""
        plain = delay == "max" and (delay_weight == 1.0).all() and (energy_weight == 1.0).all()
        return None if plain else cls(delay, delay_weight, energy_weight)

    @property
    def is_mean(self) -> bool:
        """Whether the mean delay counts."""
        return self.delay == "mean"

    def problems(self, users: int) -> list[str]:
        """Return what does not fit N users: a kind, shapes, weights that are negative or not finite."""
        found = []
        if self.delay not in get_args(DelayKind):
            found.append(f"objective.delay = {self.delay!r}: must be 'max' or 'mean'")
        for name in ("delay_weight", "energy_weight"):
            weight = getattr(self, name)
            if weight.shape != (users,):
                found.append(f"objective.{name}: the shape is {weight.shape}, must be {(users,)}")
                continue
            wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
            found += [
                f"objective.users[{n}].{name} = {weight[n]}: must be a finite number >= 0" for n in wrong
            ]
        return found

    def of_users(self, chosen: Ints | NDArray[np.bool_]) -> Objective:
        """Return the objective of some of the users."""
        return Objective(self.delay, self.delay_weight[chosen], self.energy_weight[chosen])

    def counted(self, user: Ints, delay_s: Floats, energy_j: Floats) -> tuple[Floats, Floats]:
        """Return delays and energies of rounds, each (R,), times the weights of their users."""
        return (
            weighted(self.delay_weight[user], delay_s),
            weighted(self.energy_weight[user], energy_j),
        )

    def total_delay(self, delay_s: Floats) -> float:
        """Return the delay that counts, in s, for the delays of all users, (N,)."""
        counted = weighted(self.delay_weight, delay_s)
        return float(counted.mean() if self.is_mean else counted.max())

    def total_energy(self, energy_j: Floats) -> float:
        """Return the energy that counts, in J, for energies (N,) or (N, K) of phases."""
        weight = self.energy_weight.reshape(-1, *[1] * (energy_j.ndim - 1))
        return float(weighted(weight, energy_j).sum())


def weighted(weight: Floats, values: Floats) -> Floats:
    """Return values times weights that broadcast; 0 without weight, also where a value is infinite."""
    shape = np.broadcast_shapes(np.shape(weight), np.shape(values))
    return np.multiply(weight, values, out=np.zeros(shape), where=np.broadcast_to(weight > 0, shape))
