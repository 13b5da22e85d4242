"""The reference's part 2 where power is not the paper's: shared GPUs, lowest speeds, electronics, in cvxpy.

The energy of shared GPUs is ``A^2 sum (1 - phi) E`` a server, A the sum of the shares of speed of its users
with work there. Below the least speed it falls with A, as the delay does, so no optimum lies there, and A at
least that speed is a constraint.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.dashf_reference.solvers import cvxpy
from mecsim_policies.optim.weights import UserWeights

_LARGEST_FLOOR = 0.95


class _Loads(Protocol):
    @property
    def server_s(self) -> Floats: ...

    @property
    def server_j(self) -> Floats: ...


def parameters(users: int, servers: int) -> dict[str, Any]:
    """Return the parameters that the terms of this file take."""
    cp = cvxpy()
    return {
        "load": cp.Parameter((servers, users), nonneg=True),
        "load_floor": cp.Parameter(servers, nonneg=True),
        **{name: cp.Parameter(users, nonneg=True) for name in ("own_floor", "up_steady", "down_steady")},
    }


def energy(p: dict[str, Any], g: Any, r_u: Any, r_d: Any) -> Any:
    """Return the energies of shared GPUs and of electronics."""
    cp = cvxpy()
    return (
        cp.sum_squares(p["load"] @ g) + p["up_steady"] @ cp.inv_pos(r_u) + p["down_steady"] @ cp.inv_pos(r_d)
    )


def bounds(p: dict[str, Any], g: Any, f: Any) -> list[Any]:
    """Return the bounds of speeds from below."""
    return [p["load"] @ g >= p["load_floor"], f >= p["own_floor"]]


def values(
    instance: Instance,
    server: Ints,
    per_j: float,
    loads: _Loads,
    links_s: tuple[Floats, Floats],
) -> dict[str, Floats]:
    """Return the values of the parameters, and ``server_j`` without the users of shared GPUs.

    Parameters
    ----------
    instance, server
        The snapshot with the association in force.
    per_j : float
        Price of a joule.
    loads
        Times and energies of the servers' training at full speed, phi and weights counted in.
    links_s : pair of (N,) float
        Times of uplinks and downlinks at the rates of the last point.
    """
    power, users = instance.power, np.arange(len(server))
    if power is None:
        return {}
    weights = UserWeights.of(instance)
    per_w = 1.0 if weights is None else weights.joules_per_second
    up_w, down_w = (per_w * power.electronics_w(sender, users, server) for sender in ("user", "server"))
    works, server_j = loads.server_s > 0, loads.server_j
    here = (server == np.arange(instance.server_count)[:, None]) & power.shares_gpu[:, None] & works
    unit = np.sqrt(per_j * (here @ server_j))
    floor = np.minimum(power.servers.min_gpu_flops / instance.servers.max_gpu_flops, _LARGEST_FLOOR)
    return {
        "server_j": np.where(power.shares_gpu[server], 0.0, per_j * server_j),
        "load": here * unit[:, None],
        "load_floor": floor * unit,
        "own_floor": power.users.min_gpu_flops / instance.users.max_gpu_flops,
        "up_steady": per_j * up_w * links_s[0],
        "down_steady": per_j * down_w * links_s[1],
    }


def at_least(instance: Instance, user_gpu_flops: Floats) -> Floats:
    """Return speeds of users that are not below their least by rounding."""
    power = instance.power
    return user_gpu_flops if power is None else np.maximum(user_gpu_flops, power.users.min_gpu_flops)
