"""Random streams keyed by (seed, purpose, entity).

A stream depends on its key alone: not on the order in which streams are made, not on how many
others exist. Adding a user, a server or a policy therefore never moves another one's numbers.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

DOUBLES_A_STEP = 4
"""Uniform doubles that a stream draws with each step of its counter, by which ``advance`` skips."""


class Purpose(IntEnum):
    """What a stream is for. Values are part of the results: never renumber, only add."""

    PLACEMENT = 1
    MOBILITY_START = 2
    MOBILITY_LEGS = 3
    SHADOWING = 4
    FADING = 5
    WORKLOAD_USER = 6
    WORKLOAD_ROUND = 7
    ARRIVALS = 8
    POLICY = 9
    LINE_OF_SIGHT = 10
    MOBILITY_GROUP_START = 11
    MOBILITY_GROUP_LEGS = 12
    USER_ARRIVALS = 20
    USER_STAY = 21
    USER_CLASS = 22
    FLASH_CROWD = 23
    CROWD_PLACE = 24
    BATTERY = 25
    FAILURES = 26
    CSI_ERROR = 27
    RESAMPLING = 40


def stream(seed: int, purpose: Purpose, *entity: int) -> np.random.Generator:
    """Return the generator of one (seed, purpose, entity) key.

    Parameters
    ----------
    seed : int
        Seed of the run, not negative.
    purpose : Purpose
        What the numbers are for.
    *entity : int
        Which user, server, chunk, ...: any number of non-negative integers.

    References
    ----------
    Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3" (Philox).
    """
    key = np.random.SeedSequence(entropy=seed, spawn_key=(int(purpose), *entity))
    return np.random.Generator(np.random.Philox(key))
