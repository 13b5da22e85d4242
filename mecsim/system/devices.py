"""The devices of a system, and the two laws of its objective: what an instance is made of."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from mecsim.errors import InstanceError
from mecsim.system.arrays import Floats, frozen
from mecsim.system.power import PowerSpec


@dataclass(frozen=True, eq=False, slots=True)
class Users:
    """The users' devices and the work of one round each; arrays of shape (N,).

    Parameters
    ----------
    adapter_params : count of adapter parameters, d_n
    flops_per_param : FLOP of all tokens per adapter parameter, t_n
    epochs : local training epochs, e_n
    gpu_count : GPUs of the user, G_n
    max_gpu_flops : top speed of one GPU in FLOP/s, F_n
    kappa : power growth rate of one GPU in W/(FLOP/s)^3, k_n
    max_power_w : transmit power budget in W, P_n
    local_fraction_max : largest phi whose part of the model fits into the memory of the GPUs, in [0, 1]; 1 if
        left out
    """

    adapter_params: Floats
    flops_per_param: Floats
    epochs: Floats
    gpu_count: Floats
    max_gpu_flops: Floats
    kappa: Floats
    max_power_w: Floats
    local_fraction_max: Floats = field(default=None)  # type: ignore[arg-type]  # ones, below

    def __post_init__(self) -> None:
        if self.local_fraction_max is None:
            object.__setattr__(self, "local_fraction_max", np.ones(np.shape(self.adapter_params)))
        _freeze_all(self, "users")


@dataclass(frozen=True, eq=False, slots=True)
class Servers:
    """The servers; arrays of shape (M,).

    Parameters
    ----------
    bandwidth_hz : bandwidth to share out, B_m
    epochs : training epochs at the server, e_m
    gpu_count : GPUs of the server, G_m
    max_gpu_flops : top speed of one GPU in FLOP/s, F_m
    kappa : power growth rate of one GPU in W/(FLOP/s)^3, k_m
    max_power_w : transmit power budget in W, P_m
    """

    bandwidth_hz: Floats
    epochs: Floats
    gpu_count: Floats
    max_gpu_flops: Floats
    kappa: Floats
    max_power_w: Floats

    def __post_init__(self) -> None:
        _freeze_all(self, "servers")


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the cost: w_t in 1/s for the largest delay, w_e in 1/J for the total energy."""

    delay_per_s: float = 0.5
    energy_per_j: float = 0.005


@dataclass(frozen=True, slots=True)
class Score:
    """Range s1 and normalisation s2 of the service score."""

    scale: float = 1000.0 / float(np.log(2.0))
    slope: float = 1.0 / 3.0


class Devices(Protocol):
    """Anything with users, servers and their power law, as an instance has them."""

    @property
    def users(self) -> Users:
        """The N users."""
        ...

    @property
    def servers(self) -> Servers:
        """The M servers."""
        ...

    @property
    def power(self) -> PowerSpec | None:
        """Their power law; None for the paper's."""
        ...


def _freeze_all(group: Any, kind: str) -> None:
    """Make every field of Users or Servers a read-only (N,) array of positive numbers, or of fractions."""
    problems = []
    size: int | None = None
    for each in fields(group):
        array = frozen(getattr(group, each.name))
        object.__setattr__(group, each.name, array)
        size = array.size if size is None else size
        if array.shape != (size,):
            problems.append(f"{kind}.{each.name}: the shape is {array.shape}, must be {(size,)}")
            continue
        good, allowed = np.isfinite(array) & (array > 0), "must be a finite number > 0"
        if each.name == "local_fraction_max":
            good, allowed = (array >= 0) & (array <= 1), "must be a number from 0 to 1"
        problems += [f"{kind}[{i}].{each.name} = {array[i]}: {allowed}" for i in np.flatnonzero(~good)]
    if not size:
        problems.append(f"{kind}: there must be at least one")
    if problems:
        raise InstanceError(kind, problems)
