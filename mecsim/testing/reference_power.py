"""The power of devices in the slow reference engine, where it is not the paper's law."""

from __future__ import annotations

from collections.abc import Iterable

from mecsim.policy import Phase
from mecsim.world.world import World


def shares_gpu(world: World, server: int) -> bool:
    """Return whether a server's GPUs draw by the sum of all speeds in use."""
    return world.power is not None and bool(world.power.shares_gpu[server])


def part_of_cube(world: World, server: int, speed: float, in_use: Iterable[float]) -> float:
    """Return a user's part of the cube of all speeds in use at a server, none of them below its least."""
    whole, power = sum(in_use), world.power
    if power is None or whole == 0:
        return 0.0
    return float(max(whole, power.servers.min_gpu_flops[server]) ** 3 * speed / whole)


def electronics_w(world: World, phase: Phase, user: int, server: int) -> tuple[float, float]:
    """Return what the electronics of the sender and of the receiver of a transfer draw."""
    power = world.power
    if power is None:
        return 0.0, 0.0
    if phase is Phase.UPLINK:
        return float(power.users.circuit_power_w[user]), float(power.servers.receive_power_w[server])
    return float(power.servers.circuit_power_w[server]), float(power.users.receive_power_w[user])
