"""The system as a policy sees it: the users who are there, and servers as they are."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from mecsim.engine.in_force import among
from mecsim.engine.job import Job
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.devices import Users
from mecsim.system.instance import Instance

if TYPE_CHECKING:
    from mecsim.engine.simulation import Simulation


class View:
    """Turns what there is of everybody into what there is of those who are there.

    Parameters
    ----------
    run : Simulation
    """

    def __init__(self, run: Simulation) -> None:
        self._run, self._presence, self._outages = run, run.presence, run.outages
        self._everybody = run.world.workload.users(run.rounds)
        self.users: Ints = run.presence.users

    def look(self) -> None:
        """Look at who is there now, and what they have to do."""
        if self._run.world.workload.drawn_per_round:
            self._everybody = self._run.world.workload.users(self._run.rounds)
        self.users = self._presence.users

    def jobs(self) -> list[Job]:
        """Return the jobs of those who are there."""
        jobs = self._run.service.jobs
        return [jobs[n] for n in self.users.tolist()] if self._presence.changes else jobs

    def instance(self, gain: Floats, share: Floats | None) -> Instance:
        """Return the snapshot of those who are there.

        Parameters
        ----------
        gain, share : (U, M) float
            Gains of those who are there, and their factors downwards; None for ones.
        """
        world, users = self._run.world, self._everybody
        if self._presence.changes:
            columns = {field.name: getattr(users, field.name)[self.users] for field in fields(Users)}
            users = Users(**columns)
        if not self._outages.happen:
            return world.snapshot(users, gain, share)
        instance = world.snapshot(users, self._outages.seen(self.users, gain), share)
        return replace(instance, servers=self._outages.servers())

    def allocation(self, instance: Instance) -> Allocation | None:
        """Return what those who are there have now; newcomers have nothing, at their strongest server."""
        allocation, limits = self._run.service.allocation, self._run.service.limits
        if allocation is None:
            return None
        if self._presence.changes:
            allocation = among(allocation, self._run.service.granted, self.users)
            strongest = instance.gain.argmax(axis=1)
            server = np.where(allocation.server < 0, strongest, allocation.server)
            allocation = replace(allocation, server=server)
        if limits is None:
            return allocation
        shares = np.array([limits.shrink(m) for m in range(instance.server_count)])[allocation.server]
        if (shares == 1.0).all():
            return allocation
        return replace(
            allocation,
            bandwidth_hz=allocation.bandwidth_hz * shares[:, 0],
            server_gpu_flops=allocation.server_gpu_flops * shares[:, 1],
        )
