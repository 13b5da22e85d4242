"""The upper bound of the SCR of an instance: what the rest of this package is for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import BoundError
from mecsim.system.allocation import Allocation
from mecsim.system.bound import gap_to
from mecsim.system.instance import Instance
from mecsim_policies.bound.alternatives import Alternatives, ends_of_phi
from mecsim_policies.bound.dual import Dual, Multipliers
from mecsim_policies.bound.rounding import Rounded
from mecsim_policies.bound.search import optimised, proved
from mecsim_policies.bound.worth import Worth
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.weights import LEAST

ASSUMED = (
    "elementary functions of NumPy are within 4 units in the last place",
    "arithmetic rounds to nearest, as IEEE 754 says",
    "the numbers of the instance are exact",
    "no budget is exceeded, not even by the 1e-6 of it that is let pass as rounding",
)


@dataclass(frozen=True, eq=False, slots=True)
class PricedBound:
    """An upper bound of the SCR that is proved, by Lagrangian duality.

    Parameters
    ----------
    scr_upper : float
        No allocation of the instance has a larger SCR.
    incumbent_scr : float or None
        The SCR of the allocation that was given.
    multipliers : Multipliers or None
        The prices of the proof, to start the bound of a similar instance from; None where none were needed.
    worth : Worth or None
        What resources are worth by the bound.
    rounded : Rounded or None
        What the weights of the prices make of it: an allocation to begin a search from.
    assumed : tuple of str
        What the proof takes for granted.
    reason : str
        Why the bound needs no prices; empty where it has some.
    """

    scr_upper: float
    incumbent_scr: float | None
    multipliers: Multipliers | None
    worth: Worth | None
    rounded: Rounded | None = None
    assumed: tuple[str, ...] = ASSUMED
    reason: str = ""

    @property
    def gap(self) -> float:
        """How far the incumbent can be from the best, ``scr_upper / incumbent_scr - 1``; NaN without one."""
        if self.incumbent_scr is None:
            return float("nan")
        return gap_to(self.scr_upper, self.incumbent_scr)


@overflow_allowed
def upper_bound(
    instance: Instance,
    *,
    incumbent: Allocation | float | None = None,
    multipliers: Multipliers | None = None,
    allowed: NDArray[np.bool_] | None = None,
    iterations: int | None = None,
) -> PricedBound:
    """Return an upper bound of the SCR of every allocation of an instance, by Lagrangian duality.

    Parameters
    ----------
    instance : Instance
    incumbent : Allocation or float, optional
        An allocation, or its SCR, to start from and to compare with.
    multipliers : Multipliers, optional
        Those of the bound of a similar instance, with as many users and servers. Then a few iterations do.
    allowed : (N, M) bool, optional
        Which servers each user may have; all of them by default. A pinned user has one.
    iterations : int, optional
        How many iterations at most, 0 to evaluate the multipliers that are given and no more.

    Raises
    ------
    BoundError
        Where no bound is proved: for mean rates over fading, for GPUs that servers share, for delays without
        weight, and where a round of all users costs nothing.
    """
    problems = uncovered(instance)
    if problems:
        raise BoundError(f"no upper bound is proved for this instance: {' and '.join(problems)}")
    scr = instance.scr(incumbent) if isinstance(incumbent, Allocation) else incumbent
    everything = np.ones(instance.gain.shape, dtype=bool) if allowed is None else allowed
    alternatives = Alternatives.of(instance, ends_of_phi(instance, everything))
    alternatives = alternatives.take(alternatives.possible)
    reason = _nothing_to_win(instance, alternatives)
    if reason:
        return PricedBound(0.0, scr, None, None, None, (), reason)
    dual = Dual(instance, alternatives)
    y = max(scr or 0.0, _equal_split_scr(instance, everything))
    found = optimised(dual, y, multipliers, iterations)
    upper = proved(dual, found)
    worth = Worth.of(instance, alternatives.ends.server, found.multipliers, found.value)
    rounded = Rounded.of(instance, alternatives.ends, found.value.weight)
    return PricedBound(upper, scr, found.multipliers, worth, rounded)


def uncovered(instance: Instance) -> list[str]:
    """Return which laws of an instance the proof does not cover."""
    problems = []
    if instance.ergodic:
        problems.append("rates are means over fading (channel.fading.model = ergodic)")
    if instance.power is not None and instance.power.shares_gpu.any():
        problems.append("servers share GPUs (servers.gpu_power = shared)")
    if instance.objective is not None and (instance.objective.delay_weight < LEAST).any():
        problems.append("delays of users have no weight (users.classes.delay_weight = 0)")
    return problems


def _nothing_to_win(instance: Instance, alternatives: Alternatives) -> str:
    """Return why the SCR of every allocation is 0; empty if it is not known to be."""
    if instance.score_law.scale * instance.score_law.slope == 0.0:
        return "every score is zero"
    without = np.setdiff1d(np.arange(instance.user_count), alternatives.ends.user)
    if without.size:
        return f"user {without[0]} reaches no server that it may have, so its round never ends"
    return ""


def _equal_split_scr(instance: Instance, allowed: NDArray[np.bool_]) -> float:
    """Return the SCR of an allocation without any search, 0 where it is none."""
    server = np.where(allowed, instance.gain, -1.0).argmax(axis=1)
    scr = instance.scr(equal_split(instance, server, 0.5))
    return scr if np.isfinite(scr) else 0.0
