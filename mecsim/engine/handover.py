"""What a change of server in mid-round costs, docs/model.md section 12."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.in_force import InForce
from mecsim.engine.job import Job
from mecsim.engine.service import Service
from mecsim.scenario.control import Handover
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.phases import PhaseSpec
from mecsim.system.resources import GRANTS
from mecsim.units import gbps_to_bps


class HandoverRule(NamedTuple):
    """How long a handover interrupts a round, and whether the round starts again from its uplink."""

    latency_s: float
    backhaul_bps: float
    restarts: bool

    @classmethod
    def of(cls, handover: Handover) -> HandoverRule:
        """Return the rule of a scenario."""
        return cls(
            latency_s=handover.latency_s,
            backhaul_bps=gbps_to_bps(handover.backhaul_gbps),
            restarts=handover.mode == "restart",
        )

    def pause_s(self, held_bits: float) -> float:
        """Return the interruption of a round whose old server holds so many bits of it."""
        return self.latency_s + held_bits / self.backhaul_bps


class Handovers:
    """Takes rounds in progress to their new servers, or back to their uplink.

    Parameters
    ----------
    rule : HandoverRule
    in_force : InForce
    phases : sequence of PhaseSpec
    service : Service
    server_epochs : (M,) float
    """

    def __init__(
        self,
        rule: HandoverRule,
        in_force: InForce,
        phases: Sequence[PhaseSpec],
        service: Service,
        server_epochs: Floats,
    ) -> None:
        self._rule, self._in_force, self._phases, self._service = rule, in_force, phases, service
        self._server_epochs: list[float] = server_epochs.tolist()

    def hand_over(self, job: Job) -> None:
        """Take a round to its new server: what the old one holds is moved over the backhaul."""
        log = job.log
        if log is None:
            return
        job.server = log.server_last = self._in_force.grants.server[job.user]
        log.handovers += 1
        phase = self._phases[job.phase]
        if not phase.at_server:
            return
        if self._rule.restarts or job.is_aborted:
            self.abort_to_uplink(job, self._rule.latency_s)
            return
        held_bits = phase.held_bits(job.work, job.left, log.uplink_bits)
        log.moved_bits += held_bits
        pause_s = self._rule.pause_s(held_bits)
        if pause_s > 0:
            self._service.interrupt(job, pause_s)

    def abort_to_uplink(self, job: Job, pause_s: float) -> None:
        """Lose what the server did for a round; its first phase at the server starts after a pause."""
        if job.log is None:
            return
        terms = job.log.terms._replace(server_epochs=self._server_epochs[job.server])
        at_server = [(k, phase.work(terms)) for k, phase in enumerate(self._phases) if phase.at_server]
        phase, work = next((pair for pair in at_server if pair[1] > 0), at_server[-1])
        self._service.abort_to_uplink(job, phase, work, pause_s)


def without_handovers_of(
    pinned: NDArray[np.bool_], decided: Allocation, before: Allocation, instance: Instance
) -> Allocation:
    """Return a decision in which the users who are pinned, (N,), stay at their servers.

    For decisions that took some time, in which such users may have become pinned: they keep the
    grants they have. Where that is more than a server has, all its grants shrink in proportion.
    """
    stays = pinned & (decided.server != before.server)
    if not stays.any():
        return decided
    server = np.where(stays, before.server, decided.server)
    mixed = {
        name: np.where(stays, getattr(before, name), getattr(decided, name))
        for name in ("local_fraction", *(grant.field for grant in GRANTS))
    }
    for name, budget, owner in GRANTS:
        if owner == "server":
            mixed[name] = _within(mixed[name], server, getattr(instance.servers, budget))
    return replace(decided, server=server, **mixed)


def _within(grants: Floats, server: Ints, budget: Floats) -> Floats:
    granted = np.bincount(server, weights=grants, minlength=len(budget))
    return grants * np.minimum(1.0, budget / np.maximum(granted, budget))[server]
