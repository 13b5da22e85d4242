"""Cut layer and server speed chosen for each user, after CARD, docs/model.md section 4."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mecsim.policy import Observation
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim.system.objective import weighted
from mecsim.system.power import shared_drive
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.weights import price_of_own_delay, price_of_own_energy

_SLOWEST = 0.01
_ROUNDING = 1e-9


class Card:
    """CARD: for each user the cut layer and the server's speed of least weighted delay and energy.

    After Z. Li, S. Wu, L. Li and S. Zhang, "Energy-Efficient Split Learning for Fine-Tuning Large Language
    Models in Edge Networks", IEEE Networking Letters 7(3), 2025, arXiv 2412.00090. We hold its abstract, by
    which cut layer and computing resources are decided for least delay and energy, and a summary, by which
    all cuts are tried and the server's speed is a convex problem. The rest is our reconstruction [R]: a user
    costs ``w_t T_n + w_e E_n`` with the scenario's weights and its own; it has the strongest server that it
    may have, equal parts of bandwidth and power, and a speed of at most an equal part, where CARD's devices
    take turns at one server. Work without layers, as the paper's, is cut at the same values of phi.

    Parameters
    ----------
    layers : int
        Layers of the model: phi is one of 0, 1/layers, .. 1, no more than fits into the user's memory.

    Attributes
    ----------
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    def __init__(self, layers: int = 32) -> None:
        self.layers = whole_number("layers", layers, 1)
        self.predicted_scr = float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return each user's best cut and speed at its strongest server."""
        self.predicted_scr = float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance = participants.instance
        split = equal_split(instance, participants.strongest(), 0.0)
        split = replace(split, server_gpu_flops=best_speeds(instance, split))
        cuts = np.arange(self.layers + 1)[:, None] / self.layers
        largest = instance.users.local_fraction_max
        costs = np.where(cuts <= largest * (1.0 + _ROUNDING), cut_costs(instance, split, cuts), np.inf)
        own = replace(split, local_fraction=np.minimum(cuts[costs.argmin(axis=0), 0], largest))
        self.predicted_scr = participants.scr_of_all(observation, instance.scr(own))
        return participants.for_all_users(observation, own)


def best_speeds(instance: Instance, split: Allocation) -> Floats:
    """Return for each user the server's speed g in FLOP/s, (N,), where ``w_t / (G g) + w_e k g^2`` is least.

    That is the cost of a FLOP, so it does not depend on the cut. K users who share GPUs, which draw by the
    sum of the speeds, cost ``w_e k (K g)^2`` a FLOP, and no less below the GPUs' lowest speed. A user gets
    at most its equal part, that of ``split``, and at least a hundredth of it [R].
    """
    s, server = instance.servers, split.server
    together, least = np.ones(len(server)), np.zeros(len(server))
    if instance.power is not None:
        shares, sharers = instance.power.shares_gpu[server], np.bincount(server)[server]
        together = np.where(shares, sharers, 1.0)
        least = np.where(shares, instance.power.servers.min_gpu_flops[server] / sharers, 0.0)
    slope = 2.0 * price_of_own_energy(instance) * s.gpu_count[server] * s.kappa[server] * together**2
    speed = np.cbrt(
        np.divide(price_of_own_delay(instance), slope, out=np.full(len(slope), np.inf), where=slope > 0)
    )
    part = split.server_gpu_flops
    return np.asarray(np.clip(speed, np.minimum(np.maximum(least, _SLOWEST * part), part), part))


def cut_costs(instance: Instance, split: Allocation, phi: Floats) -> Floats:
    """Return ``w_t T_n + w_e E_n`` of every user for each of several phi, (C, N).

    Parameters
    ----------
    instance : Instance
    split : Allocation
        The resources; all users of a server are taken to use its GPUs.
    phi : (C, 1) float
    """
    u, s, server, work = instance.users, instance.servers, split.server, instance.affine_work()
    users, law = np.arange(len(server)), instance.rate_law
    gain, down_gain = instance.gain[users, server], instance.downlink_gain[users, server]
    up_w, down_w = split.user_power_w, split.server_power_w
    up_s = eq.time_for(work.uplink(phi), law.up.rate(split.bandwidth_hz, up_w, gain))
    down_s = eq.time_for(work.downlink(phi), law.down.rate(split.bandwidth_hz, down_w, down_gain))
    drive, g = split.server_gpu_flops**2, split.server_gpu_flops
    if instance.power is not None:
        up_w = up_w + instance.power.electronics_w("user", users, server)
        down_w = down_w + instance.power.electronics_w("server", users, server)
        in_use: Floats = np.bincount(server, weights=g)[server].astype(np.float64)
        shared = shared_drive(in_use, instance.power.servers.min_gpu_flops[server]).value
        drive = np.where(instance.power.shares_gpu[server], shared, drive)
    local_flop, server_flop = work.local(phi) * u.epochs, work.server(phi) * s.epochs[server]
    delay_s = eq.time_for(local_flop, u.gpu_count * split.user_gpu_flops) + up_s
    delay_s = delay_s + eq.time_for(server_flop, s.gpu_count[server] * g) + down_s
    energy_j = (
        eq.gpu_energy(u.kappa, split.user_gpu_flops, local_flop) + s.kappa[server] * drive * server_flop
    )
    energy_j = energy_j + eq.radio_energy(up_w, up_s) + eq.radio_energy(down_w, down_s)
    delay_price, energy_price = price_of_own_delay(instance), price_of_own_energy(instance)
    return np.asarray(weighted(delay_price, delay_s) + weighted(energy_price, energy_j))
