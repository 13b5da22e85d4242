"""The equations of the static system, docs/model.md section 2.

All in SI units. Functions of :data:`Value` take plain numbers or arrays that broadcast, and return
the same; the others return arrays. A term whose work is zero is zero whatever the rate; a term
with work and a zero rate is infinite.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from mecsim.system.arrays import Floats

_BITS_PER_NAT = 1.0 / math.log(2.0)

Value = TypeVar("Value", float, Floats)


def shannon_rate(
    bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats, noise_w_per_hz: float
) -> Floats:
    """Return ``r = b log2(1 + h p / (N0 b))`` in bit/s; zero where the bandwidth is zero.

    Parameters
    ----------
    bandwidth_hz, power_w, gain : float or array
        Bandwidth b in Hz, transmit power p in W and linear power gain h of each link.
    noise_w_per_hz : float
        Noise power spectral density N0.
    """
    if type(bandwidth_hz) is float and bandwidth_hz > 0 and type(gain) is np.ndarray:
        row = gain * power_w
        row /= noise_w_per_hz * bandwidth_hz
        np.log1p(row, out=row)
        row *= bandwidth_hz * _BITS_PER_NAT
        return row
    bandwidth = np.asarray(bandwidth_hz, dtype=np.float64)
    received_w = np.asarray(gain, dtype=np.float64) * power_w
    noise_w = noise_w_per_hz * bandwidth
    is_wide = noise_w > 0
    if is_wide if is_wide.ndim == 0 else is_wide.all():
        snr = received_w / noise_w
    else:
        snr = np.zeros(np.broadcast(bandwidth, received_w).shape)
        np.divide(received_w, noise_w, out=snr, where=is_wide)
    rate: Floats = (bandwidth * _BITS_PER_NAT) * np.log1p(snr)
    return rate


def time_for(work: Floats, rate: Floats) -> Floats:
    """Return ``work / rate`` in s: 0 without work, infinite with work and a zero rate."""
    if np.shape(work) != np.shape(rate):
        work, rate = np.broadcast_arrays(work, rate)
    time_s = np.where(work > 0, np.inf, 0.0)
    np.divide(work, rate, out=time_s, where=(work > 0) & (rate > 0))
    return time_s


def local_work(local_fraction: Value, adapter_params: Value, flops_per_param: Value, epochs: Value) -> Value:
    """Return the user's training work ``t d phi e_n`` in FLOP."""
    return flops_per_param * adapter_params * local_fraction * epochs


def server_work(local_fraction: Value, adapter_params: Value, flops_per_param: Value, epochs: Value) -> Value:
    """Return the server's training work ``t d (1 - phi) e_m`` in FLOP."""
    return local_work(1.0 - local_fraction, adapter_params, flops_per_param, epochs)


def uplink_bits(local_fraction: Value, adapter_params: Value, bits_per_param: float) -> Value:
    """Return the bits of the locally trained part, ``phi d w_b``."""
    return local_fraction * adapter_params * bits_per_param


def downlink_bits(local_fraction: Value, adapter_params: Value, bits_per_param: float) -> Value:
    """Return the bits of the server-trained part, ``(1 - phi) d w_b``."""
    return uplink_bits(1.0 - local_fraction, adapter_params, bits_per_param)


def gpu_power(gpu_count: Value, kappa: Value, gpu_flops: Value) -> Value:
    """Return the power of G GPUs at speed f each, ``G k f^3`` in W (dynamic voltage scaling)."""
    return gpu_count * kappa * gpu_flops**3


def gpu_energy(kappa: Value, gpu_flops: Value, work: Value) -> Value:
    """Return the energy of training work, ``k f^2 * work`` in J."""
    return kappa * gpu_flops**2 * work


def shared_gpu_energy(kappa: Value, drive: Value, work: Value) -> Value:
    """Return the energy of training work on GPUs that several share, ``k drive work`` in J.

    ``drive`` is the square of the sum A of all speeds in use, see
    :func:`mecsim.system.power.shared_drive`: power ``G k A^3``, of which a user at speed g pays g / A.
    """
    return kappa * drive * work


def radio_energy(power_w: Floats, time_s: Floats) -> Floats:
    """Return ``p T`` in J: zero without a transfer, infinite for one that never ends."""
    power_w, time_s = np.broadcast_arrays(power_w, time_s)
    energy_j = np.where(np.isinf(time_s), np.inf, 0.0)
    np.multiply(power_w, time_s, out=energy_j, where=np.isfinite(time_s))
    return energy_j


def score(
    bandwidth_share: Floats, power_share: Floats, gpu_share: Floats, scale: float, slope: float
) -> Floats:
    """Return the service score ``s1 ln(1 + s2 (b/B + q/P + g/F))``, concave in the shares."""
    result: Floats = scale * np.log(1.0 + slope * (bandwidth_share + power_share + gpu_share))
    return result


def service_cost_ratio(
    total_score: float, total_delay_s: float, total_energy_j: float, delay_per_s: float, energy_per_j: float
) -> float:
    """Return ``SCR = sum v / (w_t D + w_e sum c E)``; zero when the cost is infinite, NaN without cost.

    D is the delay of all users that the objective counts, the largest or the mean one.
    """
    # What has no weight does not count, not even without end.
    cost = (delay_per_s * total_delay_s if delay_per_s else 0.0) + (
        energy_per_j * total_energy_j if energy_per_j else 0.0
    )
    return float(total_score / cost) if cost > 0 else float("nan")
