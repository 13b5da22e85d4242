"""What the policy sees: the users who are present, and the servers as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.counters import Counters
from mecsim.engine.derating import Derating
from mecsim.engine.faults import ServerFaults
from mecsim.engine.grants import select_users
from mecsim.engine.idle import IdleMeters
from mecsim.engine.in_force import InForce
from mecsim.engine.roster import Roster
from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.devices import Users
from mecsim.system.instance import Instance
from mecsim.system.phases import Phase, PhaseSpec
from mecsim.world.csi import CsiModel
from mecsim.world.world import World


class Observer:
    """Restricts the system state to the users present, with the gains that the CSI model shows.

    Parameters
    ----------
    world : World
    csi : CsiModel
    phases : sequence of PhaseSpec
    roster : Roster
    in_force : InForce
    faults : ServerFaults
    derating : Derating or None
    counters : Counters
    idle : IdleMeters
    """

    def __init__(
        self,
        world: World,
        csi: CsiModel,
        phases: Sequence[PhaseSpec],
        roster: Roster,
        in_force: InForce,
        faults: ServerFaults,
        derating: Derating | None,
        counters: Counters,
        idle: IdleMeters,
    ) -> None:
        self._world, self._csi, self._phases = world, csi, phases
        self._roster, self._in_force, self._counters = roster, in_force, counters
        self._faults, self._derating, self._idle = faults, derating, idle
        self._pins = world.scenario.handover.mode == "pin"
        self._all_users = world.workload.users(counters.rounds_of_user)

    def observe(self, time_s: float) -> Observation:
        """Return the observation of the users who are present, of whom there must be one."""
        if self._world.workload.drawn_per_round:
            self._all_users = self._world.workload.users(self._counters.rounds_of_user)
        users = self._roster.users
        jobs = self._roster.present_jobs
        instance = self._instance(users, time_s)
        return Observation(
            time_s=time_s,
            instance=instance,
            phase=frozen([job.phase if job.log else Phase.IDLE for job in jobs], np.int8),
            remaining=frozen([job.left if job.log else 0.0 for job in jobs]),
            local_fraction=frozen([job.log.terms.local_fraction if job.log else math.nan for job in jobs]),
            pinned=frozen(self.pinned(users), np.bool_),
            allocation=self._allocation(users, instance),
            epoch=self._counters.epochs,
            user=users,
            spent_j=frozen(self._idle.spent_j(users)),
        )

    def pinned(self, users: Ints) -> NDArray[np.bool_]:
        """Return which of some users must keep their server now, (U,)."""
        pinned = np.zeros(len(users), dtype=bool)
        if self._pins:
            jobs = [self._roster.jobs[n] for n in users.tolist()]
            at_server = [job.log is not None and self._phases[job.phase].at_server for job in jobs]
            pinned = np.array(at_server, dtype=bool)
        return self._faults.pinned(users, pinned)

    def _instance(self, present: Ints, time_s: float) -> Instance:
        """Return the snapshot of the users present."""
        gain, factor = self._csi.gains(time_s, present), self._csi.downlink_shares(time_s, present)
        users, chosen = self._all_users, None
        if self._roster.changes:
            chosen = present
            users = Users(**{field.name: getattr(users, field.name)[present] for field in fields(Users)})
        if not self._faults.happen:
            return self._world.snapshot(users, gain, factor, chosen)
        instance = self._world.snapshot(users, self._faults.visible_gain(present, gain), factor, chosen)
        return replace(instance, servers=self._faults.servers())

    def _allocation(self, users: Ints, instance: Instance) -> Allocation | None:
        """Return what the users present have now; newcomers have nothing, at their strongest server."""
        allocation = self._in_force.allocation
        if allocation is None:
            return None
        if self._roster.changes:
            allocation = select_users(allocation, self._in_force.users, users)
            strongest: NDArray[np.int64] = instance.gain.argmax(axis=1)
            server = np.where(allocation.server < 0, strongest, allocation.server)
            allocation = replace(allocation, server=server)
        return allocation if self._derating is None else self._derated(allocation, self._derating)

    def _derated(self, allocation: Allocation, derating: Derating) -> Allocation:
        """Return an allocation as far as servers with less than usual can give it."""
        shares: Floats = np.array([derating.brownout_shares(m) for m in range(self._world.server_count)])
        shares = shares[allocation.server]
        if (shares == 1.0).all():
            return allocation
        return replace(
            allocation,
            bandwidth_hz=allocation.bandwidth_hz * shares[:, 0],
            server_gpu_flops=allocation.server_gpu_flops * shares[:, 1],
        )
