"""Loads: what the work of a round takes of time and energy with all of every resource."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system import equations as eq
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.optim.weights import UserWeights
from mecsim_policies.optim.work_factors import WorkFactors


class Loads(NamedTuple):
    """Times in s and energies in J with all of every resource; (2, K N), the user's side and the server's."""

    train_s: Floats
    radio_s: Floats
    train_j: Floats
    radio_j: Floats

    @classmethod
    def of(cls, instance: Instance, server: Ints, work: WorkFactors | None, *, units: bool) -> Loads:
        """Return the loads of whole rounds by the paper's work, or of one FLOP an epoch and of one bit.

        Times and energies are as the objective counts them: times the weights of the users.
        """
        u, s = instance.users, instance.servers
        one = np.ones(instance.user_count)
        params, flops = (one, one) if units else (u.adapter_params, u.flops_per_param)
        local_flop, server_flop = (eq.local_work(one, params, flops, e) for e in (u.epochs, s.epochs[server]))
        bits = eq.uplink_bits(one, params, 1.0 if units else instance.bits_per_param)
        # Rates in nat/s at the full bandwidth, so that rho needs no logarithm to base 2.
        uplink_s = downlink_s = bits * np.log(2.0) / s.bandwidth_hz[server]
        if work is not None and not units:
            local_flop, server_flop = local_flop * work.local, server_flop * work.server
            uplink_s, downlink_s = uplink_s * work.uplink, downlink_s * work.downlink
        server_flops = s.gpu_count[server] * s.max_gpu_flops[server]
        local_j = eq.gpu_energy(u.kappa, u.max_gpu_flops, local_flop)
        server_j = eq.gpu_energy(s.kappa[server], s.max_gpu_flops[server], server_flop)
        loads = cls(
            train_s=np.stack([local_flop / (u.gpu_count * u.max_gpu_flops), server_flop / server_flops]),
            radio_s=np.stack([uplink_s, downlink_s]),
            train_j=np.stack([local_j, server_j]),
            radio_j=np.stack([u.max_power_w * uplink_s, s.max_power_w[server] * downlink_s]),
        )
        return loads.weighted(UserWeights.of(instance))

    def weighted(self, weights: UserWeights | None) -> Loads:
        """Return the loads times the users' weights."""
        if weights is None:
            return self
        a, c = weights
        return Loads(a * self.train_s, a * self.radio_s, c * self.train_j, c * self.radio_j)
