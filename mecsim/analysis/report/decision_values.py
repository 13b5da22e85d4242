"""What a recorded decision asks of radio and GPUs: spectral efficiency, powers, tokens per second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.scenario.memory import activation_bytes, memory_bytes, trained_bytes, weight_bytes
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.phases import Phase
from mecsim.system.resources import GRANTS
from mecsim.world.devices import server_gpus
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


def work_values(decision: Decision, world: World) -> dict[str, Floats]:
    """Return ``flop_per_token``, what a round asks of both sides together for a token, of each user.

    And ``user_tokens_per_s``, ``server_tokens_per_s``: how many such tokens a GPU in use trains on a second,
    a server's for all its users.
    """
    _, instance, allocation = decision
    delay_s, m = instance.costs(allocation).delay_s, allocation.server
    local, server = (_in_use(delay_s[:, phase]) for phase in (Phase.LOCAL, Phase.SERVER))
    f, g = allocation.user_gpu_flops, allocation.server_gpu_flops
    flop = np.where(local, delay_s[:, Phase.LOCAL] * instance.users.gpu_count * f, 0.0)
    flop += np.where(server, delay_s[:, Phase.SERVER] * instance.servers.gpu_count[m] * g, 0.0)
    flop_per_token = flop / _tokens(decision, world)
    return {
        "flop_per_token": flop_per_token[local | server],
        "user_tokens_per_s": f[local] / flop_per_token[local],
        "server_tokens_per_s": _sums(m[server], g[server] / flop_per_token[server]),
    }


def gpu_values(decision: Decision, world: World) -> dict[str, Floats]:
    """Return ``user_gpu_share`` and ``server_gpu_share``: the power of a GPU in use over that of its board.

    Idle power counts where it is metered; a server's GPU has all its users at once.
    """
    users, instance, allocation = decision
    costs, m = instance.costs(allocation), allocation.server
    local, server = (_in_use(costs.delay_s[:, phase]) for phase in (Phase.LOCAL, Phase.SERVER))
    power_w = np.divide(
        costs.energy_j, costs.delay_s, out=np.zeros_like(costs.delay_s), where=costs.delay_s > 0
    )
    own, theirs = user_cards(world.scenario, world.population), world.scenario.servers.gpu_cards()
    own_w, theirs_w = (np.array([card.board_power_w for card in cards]) for cards in (own, theirs))
    own_used_w = (power_w[:, Phase.LOCAL] + world.workload.gpu_idle_w[users]) / instance.users.gpu_count
    theirs_used_w = power_w[:, Phase.SERVER] / instance.servers.gpu_count[m]
    idle_w = server_gpus(world.scenario).idle_w[np.unique(m[server])]
    return {
        "user_gpu_share": (own_used_w / own_w[users])[local],
        "server_gpu_share": (_sums(m[server], theirs_used_w[server]) + idle_w)
        / theirs_w[np.unique(m[server])],
    }


def memory_values(decision: Decision, world: World) -> dict[str, Floats]:
    """Return ``user_memory`` and ``server_memory``: what training takes over what the GPUs have.

    Nothing without a base model, and of devices whose memory is not known.
    """
    users, instance, allocation = decision
    workload, phi, m = world.scenario.workload, allocation.local_fraction, allocation.server
    if workload.base_model is None:
        return {"user_memory": np.empty(0), "server_memory": np.empty(0)}
    held = weight_bytes(workload) + activation_bytes(workload)
    trained = trained_bytes(instance.users.adapter_params)
    part = phi if workload.model == "split" else (phi > 0).astype(np.float64)
    own, theirs = user_cards(world.scenario, world.population), world.scenario.servers.gpu_cards()
    own_bytes = [
        memory_bytes(own[n], count) for n, count in zip(users, instance.users.gpu_count, strict=True)
    ]
    theirs_bytes = [memory_bytes(*each) for each in zip(theirs, instance.servers.gpu_count, strict=True)]
    user_memory = (part * held + phi * trained) / own_bytes
    server_memory = ((held + trained) / np.array(theirs_bytes)[m])[phi < 1]
    return {"user_memory": user_memory[user_memory > 0], "server_memory": server_memory[server_memory > 0]}


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
