"""Which users take part in an optimisation, and the allocation of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation, Phase
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance
from mecsim_policies.optim.rules import equal_split, strongest_server

_SLOWEST_BPS = 1e-100


@dataclass(frozen=True, eq=False, slots=True)
class Participants:
    """The users to optimise, as an instance of their own.

    Parameters
    ----------
    users : (K,) int
        Who they are among all N.
    instance : Instance
        The snapshot of these users alone.
    allowed : (K, M) bool
        Which servers each may have: those with a link that carries something, and for a pinned user only
        its own.
    start : Allocation or None
        The allocation in force for them, if it may be kept.
    """

    users: Ints
    instance: Instance
    allowed: NDArray[np.bool_]
    start: Allocation | None

    @classmethod
    def of(cls, observation: Observation, *, active_only: bool = False) -> Participants | None:
        """Return the users that can be served, or None if there are none.

        Parameters
        ----------
        observation : Observation
        active_only : bool
            Leave out users without a round in progress.
        """
        whole, current = observation.instance, observation.allocation
        allowed = _carries(whole)
        if current is not None:
            own = np.arange(whole.server_count) == current.server[:, None]
            allowed &= own | ~observation.pinned[:, None]
        taking_part = allowed.any(axis=1)
        if active_only:
            taking_part &= observation.phase != Phase.IDLE
        users = np.flatnonzero(taking_part)
        if users.size == 0:
            return None
        start = None
        if current is not None and allowed[users, current.server[users]].all():
            start = select_users(current, users)
        instance = whole
        if users.size < whole.user_count:
            instance = whole.of_users(users)
        return cls(users, instance, allowed[users], start)

    def for_all_users(self, observation: Observation, own: Allocation) -> Allocation:
        """Return the allocation of all users: ``own`` for participants, no server resources for the others.

        The others train all of their adapter themselves if they reach no server, and else keep
        their phi; they get their own full power and speed, so that they can begin.
        """
        whole, current = observation.instance, observation.allocation
        if self.users.size == whole.user_count:
            return own
        server = whole.gain.argmax(axis=1) if current is None else current.server.copy()
        phi = np.full(whole.user_count, 0.5) if current is None else current.local_fraction.copy()
        phi[~_carries(whole).any(axis=1)] = 1.0
        phi = np.minimum(phi, whole.users.local_fraction_max)
        columns = [np.zeros(whole.user_count) for _ in range(3)]
        power_w, own_flops = whole.users.max_power_w.copy(), whole.users.max_gpu_flops.copy()
        for everyone, part in (
            (server, own.server),
            (phi, own.local_fraction),
            (columns[0], own.bandwidth_hz),
            (power_w, own.user_power_w),
            (columns[1], own.server_power_w),
            (own_flops, own.user_gpu_flops),
            (columns[2], own.server_gpu_flops),
        ):
            everyone[self.users] = part
        return Allocation(server, phi, columns[0], power_w, columns[1], own_flops, columns[2])

    def scr_of_all(self, observation: Observation, own_scr: float) -> float:
        """Return the SCR of all users, given that of the participants: NaN if some users are left out."""
        return own_scr if self.users.size == observation.instance.user_count else float("nan")

    def strongest(self) -> Ints:
        """Return the allowed server with the largest gain for each, shape (K,)."""
        server: Ints = np.where(self.allowed, self.instance.gain, -1.0).argmax(axis=1)
        return server

    def or_strongest(self, server: Ints) -> Ints:
        """Return an association with servers that are not allowed replaced by the strongest that is."""
        return np.where(self.allowed[np.arange(len(server)), server], server, self.strongest())


def _carries(instance: Instance) -> NDArray[np.bool_]:
    """Return which links carry anything both ways with all of the band and power, (N, M)."""
    s, law = instance.servers, instance.rate_law
    up = law.up.rate(s.bandwidth_hz, instance.users.max_power_w[:, None], instance.gain)
    down = law.down.rate(s.bandwidth_hz, s.max_power_w, instance.downlink_gain)
    carries: NDArray[np.bool_] = (instance.gain > 0) & (np.minimum(up, down) > _SLOWEST_BPS)
    return carries


def all_local(observation: Observation) -> Allocation:
    """Return the allocation where no user has a channel: every user trains all that fits (phi = 1)."""
    return equal_split(observation.instance, strongest_server(observation), 1.0)


def select_users(allocation: Allocation, users: Ints) -> Allocation:
    """Return the part of an allocation that is for some users."""
    return Allocation(allocation.server[users], *(column[users] for column in allocation.columns))
