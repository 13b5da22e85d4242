"""What a change of server in mid-round costs, docs/model.md section 12."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.job import Job
from mecsim.engine.round import RoundLog
from mecsim.policy import Phase
from mecsim.scenario.control import Handover
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.units import gbps_to_bps


class HandoverRule(NamedTuple):
    """How long a handover interrupts a round, and whether the round starts again from its uplink.

    ``pins`` says that rounds past their local phase must not be handed over at all.
    """

    latency_s: float
    backhaul_bps: float
    restarts: bool
    pins: bool

    @classmethod
    def of(cls, handover: Handover) -> HandoverRule:
        """Return the rule of a scenario."""
        return cls(
            latency_s=handover.latency_s,
            backhaul_bps=gbps_to_bps(handover.backhaul_gbps),
            restarts=handover.mode == "restart",
            pins=handover.mode == "pin",
        )

    def pause_s(self, held_bits: float) -> float:
        """Return the interruption of a round whose old server holds so many bits of it."""
        return self.latency_s + held_bits / self.backhaul_bps


def held_by_server(job: Job, log: RoundLog) -> float:
    """Return the bits that a server holds for a round: what it has received, or has yet to send."""
    return {
        Phase.LOCAL: 0.0,
        Phase.UPLINK: job.work - job.left,
        Phase.SERVER: log.uplink_bits,
        Phase.DOWNLINK: job.left,
    }[job.phase]


def left_in_place(
    decided: Allocation, before: Allocation, pinned: NDArray[np.bool_], instance: Instance
) -> Allocation:
    """Return a decision without the handovers of users who are pinned, (N,), when it is in force.

    For decisions that took some time, in which such users may have become pinned: they stay, with
    the grants they have. Where that is more than a server has, all its grants shrink in proportion.
    """
    stays = pinned & (decided.server != before.server)
    if not stays.any():
        return decided
    server = np.where(stays, before.server, decided.server)
    names = ("local_fraction", "user_power_w", "user_gpu_flops")
    kept = {name: np.where(stays, getattr(before, name), getattr(decided, name)) for name in names}
    budgets = {
        "bandwidth_hz": instance.servers.bandwidth_hz,
        "server_power_w": instance.servers.max_power_w,
        "server_gpu_flops": instance.servers.max_gpu_flops,
    }
    shared = {
        name: _within(np.where(stays, getattr(before, name), getattr(decided, name)), server, budget)
        for name, budget in budgets.items()
    }
    return replace(decided, server=server, **kept, **shared)


def _within(grants: Floats, server: Ints, budget: Floats) -> Floats:
    granted = np.bincount(server, weights=grants, minlength=len(budget))
    return grants * np.minimum(1.0, budget / np.maximum(granted, budget))[server]
