"""What is left of the rounds in progress, as multiples of whole rounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation, Phase
from mecsim.system import equations as eq
from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.work_factors import WorkFactors

ROUND = (Phase.LOCAL, Phase.UPLINK, Phase.SERVER, Phase.DOWNLINK)


def remaining_work(observation: Observation, users: Ints) -> WorkFactors:
    """Return what is left of the rounds in progress of some users; a whole round for the idle."""
    whole = observation.instance
    phase, phi = observation.phase[users], observation.local_fraction[users]
    fixed = phase != Phase.IDLE
    phi = np.where(fixed, phi, 0.0)
    if whole.work is not None or (whole.users.local_fraction_max < 1.0).any():
        return _in_works(observation, users, phi, fixed)
    u, allocation = whole.users, observation.allocation
    epochs = np.ones(len(users)) if allocation is None else whole.servers.epochs[allocation.server[users]]
    params, flops = u.adapter_params[users], u.flops_per_param[users]
    one = np.ones(len(users))
    bits = eq.uplink_bits(one, params, whole.bits_per_param)
    works = (
        (Phase.LOCAL, phi, eq.local_work(one, params, flops, u.epochs[users])),
        (Phase.UPLINK, phi, bits),
        (Phase.SERVER, 1.0 - phi, eq.server_work(0.0 * one, params, flops, epochs)),
        (Phase.DOWNLINK, 1.0 - phi, bits),
    )
    local, uplink, server, downlink = (
        np.where(fixed, 2.0 * _left(phase, at, part, work, observation.remaining[users]), 1.0)
        for at, part, work in works
    )
    return WorkFactors(local, uplink, server, downlink, fixed)


def _in_works(observation: Observation, users: Ints, phi: Floats, fixed: NDArray[np.bool_]) -> WorkFactors:
    """Return the same where the ends of phi have charges: FLOP an epoch and bits that are left."""
    whole, allocation = observation.instance, observation.allocation
    affine, phase, remaining = (
        whole.affine_work().of_users(users),
        observation.phase[users],
        observation.remaining,
    )
    epochs = np.ones(len(users)) if allocation is None else whole.servers.epochs[allocation.server[users]]
    units = (whole.users.epochs[users], np.ones(len(users)), epochs, np.ones(len(users)))
    works = (affine.local(phi), affine.uplink(phi), affine.server(phi), affine.downlink(phi))
    local, uplink, server, downlink = (
        np.where(phase > at, 0.0, np.where(phase == at, remaining[users] / unit, work))
        for at, unit, work in zip(ROUND, units, works, strict=True)
    )
    return WorkFactors(local, uplink, server, downlink, fixed)


def _left(phase: NDArray[np.int8], at: Phase, part: Floats, work: Floats, remaining: Floats) -> Floats:
    """Return the multiple of a phase's work that is left: none, the rest of it, or its whole part."""
    rest = np.divide(remaining, work, out=np.zeros_like(work), where=work > 0)
    left: Floats = np.where(phase > at, 0.0, np.where(phase == at, rest, part))
    return left
