"""What jobs are served with: their grants, times what their servers share out and can give."""

from __future__ import annotations

from collections.abc import Sequence

from mecsim.engine.derating import Derating
from mecsim.engine.grants import Grants
from mecsim.engine.in_force import InForce
from mecsim.engine.job import Job
from mecsim.engine.sharing import SharingRule
from mecsim.system.phases import PhaseSpec
from mecsim.system.resources import TRANSMIT_POWER


class Supply:
    """What each job has at the moment of the resource of its phase, and the power that it may send with.

    Parameters
    ----------
    in_force : InForce
    phases : sequence of PhaseSpec
    sharing : SharingRule
    derating : Derating or None
        None where servers never have less than usual to give.
    """

    def __init__(
        self, in_force: InForce, phases: Sequence[PhaseSpec], sharing: SharingRule, derating: Derating | None
    ) -> None:
        self._in_force, self._sharing, self._derating = in_force, sharing, derating
        self._grants = [phase.resource.grant for phase in phases]
        self._is_shared = [grant.owner == "server" for grant in self._grants]
        self._fields = [(phase.resource.grant.field, TRANSMIT_POWER[phase.payer].field) for phase in phases]
        self._looked_up: Grants | None = None
        self._columns: list[tuple[list[float], list[float]]] = []

    def of(self, jobs: Sequence[Job]) -> list[float]:
        """Return what each job is served with, in Hz or FLOP/s."""
        columns = self._columns_now()
        amounts = [columns[job.phase][0][job.user] for job in jobs]
        if self._derating is None and not self._sharing.shares:
            return amounts
        places = {(job.server, job.phase): job for job in jobs}
        factors = {place: self._factor(job) for place, job in places.items()}
        if len(factors) == 1:
            (factor,) = factors.values()
            return [amount * factor for amount in amounts]
        each = zip(amounts, jobs, strict=True)
        return [amount * factors[job.server, job.phase] for amount, job in each]

    def power_w(self, job: Job) -> float:
        """Return the transmit power that a job over the radio is granted."""
        return self._columns_now()[job.phase][1][job.user]

    def _factor(self, job: Job) -> float:
        """Return what its server gives of a job's grant, as a factor; 1 of what is its own."""
        if not self._is_shared[job.phase]:
            return 1.0
        given = 1.0 if self._derating is None else self._derating.factor(self._grants[job.phase], job.server)
        return self._sharing.factor(job) * given

    def _columns_now(self) -> list[tuple[list[float], list[float]]]:
        """Return by phase what users are granted and their powers, looked up once for all in force."""
        grants = self._in_force.grants
        if grants is not self._looked_up:
            self._looked_up = grants
            self._columns = [
                (getattr(grants, field), getattr(grants, power)) for field, power in self._fields
            ]
        return self._columns
