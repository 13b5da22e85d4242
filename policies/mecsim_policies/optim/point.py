"""A feasible point of an optimisation: an association, its shares, and their SCR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim_policies.optim.price import Totals
from mecsim_policies.optim.shares import PHI, ShareProblem

# Largest first; the loss is of the size of the solver's own gap.
_SNAPS = (1e-2, 1e-3, 1e-4, 1e-5)
_SNAP_LOSS = 1e-6


@dataclass(frozen=True, eq=False, slots=True)
class Point:
    """A feasible point: shares for an association, their totals, and their SCR."""

    problem: ShareProblem
    shares: Floats
    totals: Totals
    scr: float

    @classmethod
    def of(
        cls, instance: Instance, problem: ShareProblem, shares: Floats, totals: Totals | None = None
    ) -> Point:
        """Return the point of some shares, whose totals may be known already."""
        totals = problem.totals(shares) if totals is None else totals
        return cls(problem, shares, totals, totals.scr(instance))

    def allocation(self, instance: Instance) -> Allocation:
        """Return the allocation of the shares."""
        return self.problem.allocation(instance, self.shares)

    def snapped(self, instance: Instance) -> Point:
        """Return the point with every phi close to 0 or 1 set to it, if the loss is negligible."""
        for near in _SNAPS:
            shares = self.shares.copy()
            phi = shares[:, PHI]
            shares[:, PHI] = np.where(phi < near, 0.0, np.where(phi > 1.0 - near, 1.0, phi))
            trial = Point.of(instance, self.problem, shares)
            if trial.scr >= self.scr * (1.0 - _SNAP_LOSS):
                return trial
        return self
