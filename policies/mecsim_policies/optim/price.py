"""Dinkelbach's prices of delay and energy, and the totals that they are paid for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mecsim.system import equations as eq
from mecsim.system.instance import Instance


@dataclass(frozen=True, eq=False, slots=True)
class Price:
    """Prices of a second of the delay that counts and of a joule, in score / s1: y w_t / s1, y w_e / s1."""

    per_s: float
    per_j: float

    @classmethod
    def at(cls, instance: Instance, scr: float) -> Price:
        """Return the prices of Dinkelbach's y = ``scr``."""
        w, scale = instance.weights, instance.score_law.scale
        unit = scr / scale if scale else 0.0  # without a scale every allocation is worth the same: nothing
        return cls(unit * w.delay_per_s, unit * w.energy_per_j)

    def same(self, other: Price) -> bool:
        """Whether both prices are equal."""
        return (self.per_s, self.per_j) == (other.per_s, other.per_j)


class Totals(NamedTuple):
    """Delay and energy that the objective counts, and score / s1 of all."""

    delay_s: float
    energy_j: float
    score: float

    def cost(self, price: Price) -> float:
        """Return ``per_s D + per_j sum E - sum score / s1``, which is -F / s1."""
        return price.per_s * self.delay_s + price.per_j * self.energy_j - self.score

    def scr(self, instance: Instance) -> float:
        """Return the service-cost ratio."""
        w, total = instance.weights, instance.score_law.scale * self.score
        return eq.service_cost_ratio(total, self.delay_s, self.energy_j, w.delay_per_s, w.energy_per_j)
