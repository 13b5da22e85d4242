"""What a recorded decision asks of radio and GPUs: spectral efficiency, powers, tokens per second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.phases import Phase
from mecsim.system.resources import GRANTS
from mecsim.world.workload import user_cards
from mecsim.world.world import World

if TYPE_CHECKING:
    from mecsim.results.result import Results

MOST_DECISIONS = 20
"""Decisions of a run that are looked at, spread evenly over it."""


class Decision(NamedTuple):
    """A decision and the snapshot at the moment it took effect, of the users present, by index."""

    users: Ints
    instance: Instance
    allocation: Allocation


def decisions(results: Results, world: World) -> list[Decision]:
    """Return some decisions of a run as they took effect, with the true gains of that moment."""
    table = results.allocations
    in_force_s = results.epochs.set_index("epoch")["in_force_s"]
    epochs = table["epoch"].unique()
    chosen = epochs[np.unique(np.linspace(0, len(epochs) - 1, MOST_DECISIONS).round().astype(int))]
    found = []
    for epoch in chosen:
        rows = table[table["epoch"] == epoch]
        users, time_s = rows["user"].to_numpy(np.int64), float(in_force_s[epoch])
        instance = world.instance(time_s, _rounds_at(results, time_s, world.user_count)).of_users(users)
        names = ("server", "local_fraction", *(grant.field for grant in GRANTS))
        columns: dict[str, Any] = {name: rows[name].to_numpy() for name in names}
        found.append(Decision(users, instance, Allocation(**columns)))
    return found


def radio_values(decision: Decision) -> dict[str, Floats]:
    """Return spectral efficiencies in bit/s/Hz and radiated powers in W, of the links in use.

    ``uplink_efficiency``, ``downlink_efficiency`` and ``user_power_w`` have a value for each user,
    ``server_power_w`` the sum of each server.
    """
    _, instance, allocation = decision
    delay_s = instance.costs(allocation).delay_s
    up, down = (_in_use(delay_s[:, phase]) for phase in (Phase.UPLINK, Phase.DOWNLINK))
    pair, law = (np.arange(instance.user_count), allocation.server), instance.rate_law
    b, p, q = allocation.bandwidth_hz, allocation.user_power_w, allocation.server_power_w
    return {
        "uplink_efficiency": law.up.rate(b, p, instance.gain[pair])[up] / b[up],
        "downlink_efficiency": law.down.rate(b, q, instance.downlink_gain[pair])[down] / b[down],
        "user_power_w": p[up],
        "server_power_w": _sums(allocation.server[down], q[down]),
    }


def gpu_values(decision: Decision, world: World) -> dict[str, Floats]:
    """Return what rounds ask of one GPU of each device in use.

    ``flop_per_token`` of a round, on both sides together; ``user_tokens_per_s``, ``server_tokens_per_s``;
    ``user_gpu_share``, ``server_gpu_share``, its power over that of its board. A server's are those of all
    its users at once.
    """
    users, instance, allocation = decision
    costs, m = instance.costs(allocation), allocation.server
    local, server = (_in_use(costs.delay_s[:, phase]) for phase in (Phase.LOCAL, Phase.SERVER))
    power_w = np.divide(
        costs.energy_j, costs.delay_s, out=np.zeros_like(costs.delay_s), where=costs.delay_s > 0
    )
    user_gpus, server_gpus = instance.users.gpu_count, instance.servers.gpu_count[m]
    f, g = allocation.user_gpu_flops, allocation.server_gpu_flops
    flop = np.where(local, costs.delay_s[:, Phase.LOCAL] * user_gpus * f, 0.0)
    flop += np.where(server, costs.delay_s[:, Phase.SERVER] * server_gpus * g, 0.0)
    flop_per_token = flop / _tokens(decision, world)
    user_board_w = np.array([card.board_power_w for card in user_cards(world.scenario, world.population)])
    server_board_w = np.array([card.board_power_w for card in world.scenario.servers.gpu_cards()])
    user_share = power_w[:, Phase.LOCAL] / (user_gpus * user_board_w[users])
    server_share = power_w[:, Phase.SERVER] / (server_gpus * server_board_w[m])
    return {
        "flop_per_token": flop_per_token[local | server],
        "user_tokens_per_s": f[local] / flop_per_token[local],
        "server_tokens_per_s": _sums(m[server], g[server] / flop_per_token[server]),
        "user_gpu_share": user_share[local],
        "server_gpu_share": _sums(m[server], server_share[server]),
    }


def _in_use(delay_s: Floats) -> NDArray[np.bool_]:
    return np.asarray((delay_s > 0) & np.isfinite(delay_s))


def _sums(server: Ints, values: Floats) -> Floats:
    """Return the sum of the values of each server that has one."""
    which = np.unique(server, return_inverse=True)[1]
    return np.bincount(which, weights=values).astype(np.float64)


def _tokens(decision: Decision, world: World) -> Floats:
    """Return the tokens that the rounds train on, every epoch counted."""
    _, instance, allocation = decision
    tokens = instance.users.flops_per_param / world.scenario.workload.flops_per_param_and_token
    phi, server_epochs = allocation.local_fraction, instance.servers.epochs[allocation.server]
    return np.asarray(tokens * (phi * instance.users.epochs + (1.0 - phi) * server_epochs))


def _rounds_at(results: Results, time_s: float, users: int) -> Ints:
    """Return the round of each user at a time: the last that has begun, or the first."""
    begun = results.rounds.loc[results.rounds["start_s"] <= time_s, "user"].to_numpy()
    return np.maximum(np.bincount(begun, minlength=users) - 1, 0)
