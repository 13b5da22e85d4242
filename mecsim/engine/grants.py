"""Allocations as plain numbers that the engine reads one at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance


@dataclass(frozen=True, slots=True)
class Grants:
    """What each user may use; lists of N plain numbers, SI units as in :class:`Allocation`.

    ``score`` is the service score v_n that the grants are worth.
    """

    server: list[int]
    local_fraction: list[float]
    bandwidth_hz: list[float]
    user_power_w: list[float]
    server_power_w: list[float]
    user_gpu_flops: list[float]
    server_gpu_flops: list[float]
    score: list[float]

    @classmethod
    def of(cls, allocation: Allocation, instance: Instance) -> Grants:
        """Return the grants of an allocation made for the users and servers of an instance."""
        return cls(
            server=allocation.server.tolist(),
            local_fraction=allocation.local_fraction.tolist(),
            bandwidth_hz=allocation.bandwidth_hz.tolist(),
            user_power_w=allocation.user_power_w.tolist(),
            server_power_w=allocation.server_power_w.tolist(),
            user_gpu_flops=allocation.user_gpu_flops.tolist(),
            server_gpu_flops=allocation.server_gpu_flops.tolist(),
            score=instance.score(allocation).tolist(),
        )

    def put(self, users: list[int], within: Grants) -> Grants:
        """Return the grants of everybody after those of some users have changed to these."""
        columns = [column.copy() for column in within.columns]
        for column, own in zip(columns, self.columns, strict=True):
            for n, value in zip(users, own, strict=True):
                column[n] = value
        return Grants(*columns)

    @property
    def columns(self) -> list[list[Any]]:
        """All fields in the order of the class."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def none(cls, users: int) -> Grants:
        """Return what holds before the first decision: no server, no grant."""
        return cls([-1] * users, *([0.0] * users for _ in range(7)))


def changed_users(old: Allocation | None, new: Allocation) -> list[int]:
    """Return the users whose server, grants or powers differ; a new phi alone changes nothing now."""
    if old is None:
        return list(range(len(new.server)))
    differs = old.server != new.server
    for before, after in zip(old.columns[1:], new.columns[1:], strict=True):
        differs = differs | (before != after)
    return list(np.flatnonzero(differs).tolist())


def select_users(allocation: Allocation, granted: Ints, users: Ints) -> Allocation:
    """Return the part of an allocation made for ``granted`` that belongs to ``users``, both increasing.

    Users without a part have server -1 and grants of 0.
    """
    place = np.minimum(np.searchsorted(granted, users), len(granted) - 1)
    has = granted[place] == users
    columns = [np.where(has, column[place], 0.0) for column in allocation.columns]
    return Allocation(np.where(has, allocation.server[place], -1), *columns)
