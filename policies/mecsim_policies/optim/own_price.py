"""Another price for the energy of users' own devices, as another unit of it.

In a snapshot whose users count their own power in a unit of ``1/s`` W, transmit powers, electronics and
kappa are ``s`` times as large, and gains upwards ``1/s`` times: rates, delays and scores stay what they are,
and energies of a user's own device count ``s`` times. So every solver of the library takes own prices.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance


def with_own_factor(instance: Instance, factor: Floats) -> Instance:
    """Return a snapshot in which the energy of each user's own device counts ``factor`` times.

    Parameters
    ----------
    instance : Instance
    factor : (N,) float
        Above 0. The own device draws for local training, sending, and the electronics at its end.
    """
    if (factor == 1.0).all():
        return instance
    users, power = instance.users, instance.power
    if power is not None:
        own = replace(
            power.users,
            circuit_power_w=power.users.circuit_power_w * factor,
            receive_power_w=power.users.receive_power_w * factor,
        )
        power = replace(power, users=own)
    share = np.ones_like(instance.gain) if instance.downlink_share is None else instance.downlink_share
    return replace(
        instance,
        users=replace(users, kappa=users.kappa * factor, max_power_w=users.max_power_w * factor),
        gain=instance.gain / factor[:, None],
        downlink_share=share * factor[:, None],
        power=power,
    )


def to_own_unit(allocation: Allocation, factor: Floats) -> Allocation:
    """Return an allocation of the plain snapshot as one of :func:`with_own_factor`."""
    return replace(allocation, user_power_w=allocation.user_power_w * factor)


def to_watts(allocation: Allocation, factor: Floats, instance: Instance) -> Allocation:
    """Return an allocation of :func:`with_own_factor` as one of the plain snapshot."""
    power_w = np.minimum(allocation.user_power_w / factor, instance.users.max_power_w)
    return replace(allocation, user_power_w=power_w)
