"""One moment of a world as an instance: the users present, the servers as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mecsim.errors import MecsimError
from mecsim.system.instance import Instance
from mecsim.world.csi import CsiModel
from mecsim.world.world import World


def instance_at(world: World, seed: int, time_s: float, *, csi: bool = False) -> Instance:
    """Return the instance of a world at a time.

    It has the users who are present, each with the work of its first round. Servers have the budgets that
    brown-outs leave them, and one that is down has gains of 0.

    Parameters
    ----------
    world : World
    seed : int
        That of the world.
    time_s : float
        From 0 to the duration of the scenario.
    csi : bool
        Gains as policies see them, by ``reallocation.csi``, instead of the true ones.

    Raises
    ------
    MecsimError
        If the time is out of bounds, or nobody is present.
    """
    scenario, population = world.scenario, world.population
    if not 0.0 <= time_s <= scenario.duration_s:
        raise MecsimError(
            f"time = {time_s:g} s: must be from 0 to {scenario.duration_s:g}, the duration of {scenario.name}"
        )
    there = (population.enters_s <= time_s) & (time_s < population.leaves_s)
    there &= ~world.is_away(np.arange(world.user_count), np.array(time_s))
    present = np.flatnonzero(there)
    if present.size == 0:
        raise MecsimError(f"time = {time_s:g} s: no user of {scenario.name} is present then")
    instance = world.instance(time_s).of_users(present)
    if csi:
        model = CsiModel(world, seed)
        shares = model.downlink_shares(time_s, present)
        instance = replace(instance, gain=model.gains(time_s, present), downlink_share=shares)
    conditions = world.conditions.at(time_s)
    up, bandwidth, gpu = np.array(conditions, dtype=np.float64).T
    servers = replace(
        instance.servers,
        bandwidth_hz=instance.servers.bandwidth_hz * bandwidth,
        max_gpu_flops=instance.servers.max_gpu_flops * gpu,
    )
    name = f"{scenario.name}, seed {seed}, {time_s:g} s"
    return replace(instance, name=name, servers=servers, gain=instance.gain * up)
