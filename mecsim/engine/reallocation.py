"""Puts allocations in force: grants change, rounds change server, and everybody gets its present rate."""

from __future__ import annotations

from mecsim.engine.derating import Derating
from mecsim.engine.handover import Handovers
from mecsim.engine.in_force import InForce
from mecsim.engine.roster import Roster
from mecsim.engine.service import Service
from mecsim.engine.sharing import SharingRule
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance


class Reallocation:
    """Changes what is in force, and everything that follows from it.

    Parameters
    ----------
    roster : Roster
    in_force : InForce
    service : Service
    sharing : SharingRule
    handovers : Handovers
    derating : Derating or None
    """

    def __init__(
        self,
        roster: Roster,
        in_force: InForce,
        service: Service,
        sharing: SharingRule,
        handovers: Handovers,
        derating: Derating | None,
    ) -> None:
        self._roster, self._in_force, self._service = roster, in_force, service
        self._sharing, self._handovers, self._derating = sharing, handovers, derating

    def apply(self, allocation: Allocation, instance: Instance, users: Ints | None = None) -> int:
        """Put an allocation in force now; return how many rounds in progress changed server.

        The allocation and the instance are those of ``users``, increasing; by default of everybody.
        """
        in_force = self._in_force
        changed, before = in_force.changes(allocation, users), in_force.grants
        gone = set() if users is None else set(in_force.user_ids) - set(users.tolist())
        self._service.account_all()
        in_force.replace(allocation, instance, users)
        server = in_force.grants.server
        if self._derating is not None:
            derated = self._derating.renew(instance, in_force.grants, in_force.users.tolist())
            changed = sorted({*changed, *derated})
        jobs = [self._roster.jobs[n] for n in changed]
        moved = [job for job in jobs if job.log is not None and before.server[job.user] != server[job.user]]
        for job in moved:
            self._handovers.hand_over(job)
            if job.in_service:
                self._sharing.join(job)
        self._service.load_ahead(moved)
        # What users who left have had is shared out no more.
        touched = {before.server[n] for n in {*changed, *gone}} | {server[n] for n in changed}
        self._service.refresh(self._sharing.affected_by_grants(changed, touched))
        return len(moved)
