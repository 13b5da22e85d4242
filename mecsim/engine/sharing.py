"""Sharing rules: who gets what others leave unused, docs/model.md section 10."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Protocol

from mecsim.engine.grants import Grants
from mecsim.engine.in_force import InForce
from mecsim.engine.job import Job
from mecsim.engine.roster import Roster
from mecsim.system.phases import PhaseSpec
from mecsim.system.resources import ResourceSpec

_Place = tuple[int, str]
"""A server and the name of a resource."""

_USER = attrgetter("user")


class SharingRule(Protocol):
    """How the grants of a server's users become what each is served with.

    ``shares`` says whether that depends on who is in service.
    """

    shares: bool

    def join(self, job: Job) -> None:
        """Take note of a job that is in service from now on, or at another server."""
        ...

    def leave(self, job: Job) -> None:
        """Take note of a job that is in service no more."""
        ...

    def factor(self, job: Job) -> float:
        """Return the factor of a job's grant, as things stand now."""
        ...

    def groups(self, jobs: list[Job]) -> Collection[list[Job]]:
        """Return jobs by what they share; those with something of their own each alone."""
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

    def leave(self, job: Job) -> None:
        """Do nothing."""

    def factor(self, job: Job) -> float:
        """Return 1."""
        return 1.0

    def groups(self, jobs: list[Job]) -> Collection[list[Job]]:
        """Return each job alone."""
        return [[job] for job in jobs]

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
        self._members = defaultdict[_Place, list[Job]](list)  # those in service, by user
        self._place: list[_Place | None] = [None] * len(roster.jobs)
        self._granted: dict[_Place, float] = {}
        self._granted_of: Grants | None = None

    def join(self, job: Job) -> None:
        """Take note of a job that is in service from now on, or at another server."""
        resource = self._resource[job.phase]
        place = (job.server, resource.name) if resource.grant.owner == "server" else None
        if place != self._place[job.user]:
            self.leave(job)
            if place is not None:
                insort(self._members[place], job, key=_USER)
            self._place[job.user] = place

    def leave(self, job: Job) -> None:
        """Take note of a job that is in service no more."""
        place = self._place[job.user]
        if place is not None:
            members = self._members[place]
            del members[bisect_left(members, job.user, key=_USER)]
            self._place[job.user] = None

    def factor(self, job: Job) -> float:
        """Return the share of its server that is granted over the share that is in use."""
        resource, place = self._resource[job.phase], self._place[job.user]
        if place is None:
            return 1.0
        amount = getattr(self._in_force.grants, resource.grant.field)
        used = math.fsum([amount[other.user] for other in self._members[place]])
        return self._granted_at(place, resource) / used if used > 0 else 1.0

    def _granted_at(self, place: _Place, resource: ResourceSpec) -> float:
        """Return what is granted of a resource of a server, added up once for all that is in force."""
        grants = self._in_force.grants
        if self._granted_of is not grants:
            self._granted_of, self._granted = grants, {}
        if place not in self._granted:
            amount, users = getattr(grants, resource.grant.field), self._in_force.user_ids
            self._granted[place] = math.fsum(amount[n] for n in users if grants.server[n] == place[0])
        return self._granted[place]

    def groups(self, jobs: list[Job]) -> Collection[list[Job]]:
        """Return jobs by server and resource; those with something of their own each alone."""
        places = {self._place[job.user] for job in jobs}
        if len(places) == 1 and None not in places:
            return [jobs]
        groups = defaultdict[_Place | int, list[Job]](list)
        for job in jobs:
            groups[self._place[job.user] or job.user].append(job)
        return groups.values()

    def affected_by(self, job: Job) -> list[Job]:
        """Return the jobs in service of the same resource at the same server."""
        place = self._place[job.user]
        return [job] if place is None else self._members[place].copy()

    def affected_by_grants(self, changed: Iterable[int], servers: set[int]) -> list[Job]:
        """Return the jobs of everybody at the servers."""
        return [job for job in self._roster.present_jobs if job.server in servers]


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

    def leave(self, job: Job) -> None:
        """Take note of a job that is in service no more."""
        self._rule.leave(job)

    def factor(self, job: Job) -> float:
        """Return the factor of a job's grant, as things stand now."""
        return self._rule.factor(job)

    def groups(self, jobs: list[Job]) -> Collection[list[Job]]:
        """Return jobs by what they share."""
        return self._rule.groups(jobs)

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
