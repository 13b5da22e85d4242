"""Sharing rules: who gets what others leave unused, docs/model.md section 10."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol

from mecsim.engine.grants import Grants
from mecsim.engine.in_force import InForce
from mecsim.engine.job import Job
from mecsim.engine.roster import Roster
from mecsim.system.phases import PhaseSpec
from mecsim.system.resources import ResourceSpec


class SharingRule(Protocol):
    """How the grants of a server's users become what each is served with.

    ``shares`` says whether that depends on who is in service.
    """

    shares: bool

    def join(self, job: Job) -> None:
        """Take note of a job that is in service from now on, or at another server."""
        ...

    def factor(self, job: Job) -> float:
        """Return the factor of a job's grant, as things stand now."""
        ...

    def group(self, job: Job) -> Hashable:
        """Return what tells the jobs that share a resource with this one from all others."""
        ...

    def affected_by(self, job: Job) -> list[Job]:
        """Return the jobs whose rates change when this one joins or leaves, itself included."""
        ...

    def affected_by_grants(self, changed: Iterable[int], servers: set[int]) -> list[Job]:
        """Return the jobs whose rates change with the grants of some users at some servers."""
        ...


class Reserved:
    """Grants are held whether they are used or not."""

    shares = False

    def __init__(self, roster: Roster) -> None:
        self._jobs = roster.jobs

    def join(self, job: Job) -> None:
        """Do nothing."""

    def factor(self, job: Job) -> float:
        """Return 1."""
        return 1.0

    def group(self, job: Job) -> Hashable:
        """Return the user: nobody shares."""
        return job.user

    def affected_by(self, job: Job) -> list[Job]:
        """Return the job alone."""
        return [job]

    def affected_by_grants(self, changed: Iterable[int], servers: set[int]) -> list[Job]:
        """Return the jobs of the users whose grants changed."""
        return [self._jobs[n] for n in changed]


class WorkConserving:
    """What users leave unused goes to those in service, in proportion to their grants."""

    shares = True

    def __init__(self, roster: Roster, in_force: InForce, phases: Sequence[PhaseSpec]) -> None:
        self._roster, self._in_force = roster, in_force
        self._resource = [phase.resource for phase in phases]
        # Those who joined by (server, resource), increasing; who has left is still there until looked for.
        self._joined = defaultdict[tuple[int, str], list[int]](list)
        self._granted: dict[tuple[int, str], float] = {}
        self._granted_of: Grants | None = None

    def join(self, job: Job) -> None:
        """Take note of a job that is in service from now on, or at another server."""
        resource = self._resource[job.phase]
        if resource.grant.owner == "server":
            users = self._joined[job.server, resource.name]
            at = bisect_left(users, job.user)
            if at == len(users) or users[at] != job.user:
                users.insert(at, job.user)

    def factor(self, job: Job) -> float:
        """Return the share of its server that is granted over the share that is in use."""
        resource = self._resource[job.phase]
        if resource.grant.owner == "user":
            return 1.0
        amount = getattr(self._in_force.grants, resource.grant.field)
        used = math.fsum([amount[other.user] for other in self._in_service(job.server, resource)])
        return self._granted_at(job.server, resource) / used if used > 0 else 1.0

    def _granted_at(self, server: int, resource: ResourceSpec) -> float:
        """Return what is granted of a resource of a server, added up once for all that is in force."""
        grants = self._in_force.grants
        if self._granted_of is not grants:
            self._granted_of, self._granted = grants, {}
        key = (server, resource.name)
        if key not in self._granted:
            amount, users = getattr(grants, resource.grant.field), self._in_force.user_ids
            self._granted[key] = math.fsum(amount[n] for n in users if grants.server[n] == server)
        return self._granted[key]

    def group(self, job: Job) -> Hashable:
        """Return the server and the resource of a job, or the user whose own it is."""
        resource = self._resource[job.phase]
        return (job.server, resource.name) if resource.grant.owner == "server" else job.user

    def affected_by(self, job: Job) -> list[Job]:
        """Return the jobs in service of the same resource at the same server."""
        resource = self._resource[job.phase]
        if resource.grant.owner == "user":
            return [job]
        return self._in_service(job.server, resource)

    def affected_by_grants(self, changed: Iterable[int], servers: set[int]) -> list[Job]:
        """Return the jobs of everybody at the servers."""
        return [job for job in self._roster.present_jobs if job.server in servers]

    def _in_service(self, server: int, resource: ResourceSpec) -> list[Job]:
        joined = self._joined[server, resource.name]
        found = [
            job
            for job in map(self._roster.jobs.__getitem__, joined)
            if job.server == server and job.in_service and self._resource[job.phase] is resource
        ]
        if len(found) < len(joined):
            joined[:] = [job.user for job in found]
        return found


class SharedGpuPower:
    """Another rule, in worlds where the power of a server's GPUs follows the sum of the speeds in use.

    Whoever joins or leaves then changes the power of all others in service there.

    Parameters
    ----------
    rule : SharingRule
    roster : Roster
    phases : sequence of PhaseSpec
    shares_power : sequence of bool
        Which servers' GPUs do.
    """

    def __init__(
        self, rule: SharingRule, roster: Roster, phases: Sequence[PhaseSpec], shares_power: Sequence[bool]
    ) -> None:
        self._rule, self._roster, self._shares_power = rule, roster, shares_power
        self.shares = rule.shares
        self._at_gpu = [phase.at_server and phase.resource.medium == "gpu" for phase in phases]

    def join(self, job: Job) -> None:
        """Take note of a job that is in service from now on, or at another server."""
        self._rule.join(job)

    def factor(self, job: Job) -> float:
        """Return the factor of a job's grant, as things stand now."""
        return self._rule.factor(job)

    def group(self, job: Job) -> Hashable:
        """Return what tells the jobs that share a resource with this one from all others."""
        return self._rule.group(job)

    def affected_by(self, job: Job) -> list[Job]:
        """Return the jobs whose rates or powers change when this one joins or leaves, itself included."""
        affected = self._rule.affected_by(job)
        if self._at_gpu[job.phase] and self._shares_power[job.server]:
            return self._with_all_at(affected, {job.server})
        return affected

    def affected_by_grants(self, changed: Iterable[int], servers: set[int]) -> list[Job]:
        """Return the jobs whose rates or powers change with the grants of some users at some servers."""
        affected = self._rule.affected_by_grants(changed, servers)
        return self._with_all_at(affected, {m for m in servers if m >= 0 and self._shares_power[m]})

    def in_use(self, server: int) -> list[Job]:
        """Return the jobs in service on the GPUs of a server."""
        jobs = self._roster.present_jobs
        return [job for job in jobs if job.server == server and job.in_service and self._at_gpu[job.phase]]

    def _with_all_at(self, affected: list[Job], servers: set[int]) -> list[Job]:
        users = {job.user for job in affected}
        users.update(job.user for m in servers for job in self.in_use(m))
        return [self._roster.jobs[n] for n in sorted(users)]
