"""The face policies see: what they observe, what they may implement.

A policy is any object with ``allocate(observation) -> Allocation | None``. It may also have
``reset(info, rng)``, called once before a run; all its randomness must come from that ``rng``. After a
decision it may show ``iterations`` and ``predicted_scr``, the SCR it expects, as attributes: they become
columns of the epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.instance import Instance
from mecsim.system.phases import Phase

__all__ = ["Observation", "Phase", "Policy", "ScenarioInfo"]

_UNNAMED: Ints = frozen(np.zeros(0), np.int64)
_UNMETERED: Floats = frozen(np.zeros(0))


@dataclass(frozen=True, slots=True)
class ScenarioInfo:
    """What a policy may know of the run before it starts.

    Parameters
    ----------
    name : str
        Name of the scenario.
    user_count, server_count : int
        N and M.
    duration_s, period_s : float
        Length of the run and time between two decisions, in s.
    energy_budget_w : tuple of float
        Budget of the mean power of the own device of every user who may come, by user number, in W;
        infinite for a user without one. Empty where nobody has one.
    """

    name: str
    user_count: int
    server_count: int
    duration_s: float
    period_s: float
    energy_budget_w: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Observation:
    """What the policy sees at one epoch; every array is read-only.

    Parameters
    ----------
    time_s : float
        Simulated time of the decision.
    instance : Instance
        The snapshot of one whole round of every user, with the gains as the CSI model shows them.
    phase : (N,) int8
        The :class:`Phase` of every user.
    remaining : (N,) float
        Work left in that phase: FLOP in LOCAL and SERVER, bit in UPLINK and DOWNLINK, 0 when idle.
    local_fraction : (N,) float
        phi of the round in progress, fixed since its start; NaN when idle.
    pinned : (N,) bool
        Users that must stay with the server they have.
    allocation : Allocation or None
        The allocation in force; None before the first decision.
    epoch : int
        Number of the decision, from 0.
    user : (N,) int
        Who the N users are that are there now, in increasing order: a user has the same number
        whenever it is seen. 0 to N-1 by default.
    spent_j : (N,) float
        What each user's own device has drawn in J since the last decision that it was there for, idle power
        included; zeros by default.
    """

    time_s: float
    instance: Instance
    phase: NDArray[np.int8]
    remaining: Floats
    local_fraction: Floats
    pinned: NDArray[np.bool_]
    allocation: Allocation | None
    epoch: int = 0
    user: Ints = field(default_factory=lambda: _UNNAMED)
    spent_j: Floats = field(default_factory=lambda: _UNMETERED)

    def __post_init__(self) -> None:
        if self.user is _UNNAMED:
            object.__setattr__(self, "user", frozen(np.arange(self.instance.user_count), np.int64))
        if self.spent_j is _UNMETERED:
            object.__setattr__(self, "spent_j", frozen(np.zeros(self.instance.user_count)))

    @classmethod
    def of(
        cls, instance: Instance, *, time_s: float = 0.0, allocation: Allocation | None = None
    ) -> Observation:
        """Return the observation of a bare snapshot: everyone idle, nobody pinned."""
        n = instance.user_count
        return cls(
            time_s=time_s,
            instance=instance,
            phase=frozen(np.full(n, Phase.IDLE), np.int8),
            remaining=frozen(np.zeros(n)),
            local_fraction=frozen(np.full(n, np.nan)),
            pinned=frozen(np.zeros(n, dtype=bool), np.bool_),
            allocation=allocation,
        )


@runtime_checkable
class Policy(Protocol):
    """Anything that allocates."""

    def allocate(self, observation: Observation) -> Allocation | None:
        """Return the decision for this epoch, or None to keep the allocation in force."""
        ...
