"""Constants that follow from an instance and must be numbers that can be computed with."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mecsim.config.base import Path
from mecsim.system import equations as eq
from mecsim.system.arrays import Floats
from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance

SMALLEST, LARGEST = 1e-100, 1e100
_LOCAL_FLOP = "(work.local_flop + work.local_fixed_flop)"

Found: TypeAlias = list[tuple[Path, str]]


def derived_problems(instance: Instance) -> Found:
    """Return each device whose constants overflow or vanish, and why: keys, value and bounds.

    Looked at are the work of a round, the time and the energy for it at full speed, the power of the
    GPUs, the noise over the whole band and the SNR of every link at full power.
    """
    users, servers = instance.users, instance.servers
    with np.errstate(all="ignore"):
        affine = instance.affine_work()
        work, at_server = affine.local(1.0), affine.server(0.0)
        flop = "adapter_params * flops_per_param" if instance.work is None else _LOCAL_FLOP
        problems = _outside("users", f"{flop} * epochs", work * users.epochs)
        problems += _device_problems("users", users, work)
        for each in (float(at_server.min()), float(at_server.max())):
            problems += _device_problems("servers", servers, each)
        noise_w = instance.noise_w_per_hz * servers.bandwidth_hz
        problems += _outside("servers", "noise_w_per_hz * bandwidth_hz", noise_w)
        for name, gain, power_w in (
            (
                "SNR of the uplink",
                instance.gain,
                users.max_power_w[:, None],
            ),
            ("SNR of the downlink", instance.downlink_gain, servers.max_power_w),
        ):
            snr = (gain * power_w / noise_w).max(axis=1)
            problems += _outside("users", name, np.where(snr == 0, 1.0, np.maximum(snr, SMALLEST)))
    return list(dict.fromkeys(problems))


def _device_problems(kind: str, group: Users | Servers, work: float | Floats) -> Found:
    flop = work * group.epochs
    power_w = eq.gpu_power(group.gpu_count, group.kappa, group.max_gpu_flops)
    return [
        *_outside(kind, "gpu_count * kappa * max_gpu_flops^3", power_w),
        *_outside(kind, "work / (gpu_count * max_gpu_flops)", flop / (group.gpu_count * group.max_gpu_flops)),
        *_outside(
            kind, "kappa * max_gpu_flops^2 * work", eq.gpu_energy(group.kappa, group.max_gpu_flops, flop)
        ),
    ]


def _outside(kind: str, what: str, values: Floats) -> Found:
    wrong = np.flatnonzero(~((values >= SMALLEST) & (values <= LARGEST)))
    allowed = f"must be from {SMALLEST:g} to {LARGEST:g}"
    return [((kind, int(i)), f"{what} = {values[i]:g}: {allowed}") for i in wrong]
