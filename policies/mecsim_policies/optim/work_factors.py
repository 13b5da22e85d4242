"""How much of each user's work counts in an optimisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats

HALF = 0.5


@dataclass(frozen=True, eq=False, slots=True)
class WorkFactors:
    """How much of each user's work counts, as multiples of a whole round's work.

    A user whose phi is fixed gets ``phi = 1/2`` in the optimisation and twice the work that is left,
    so that every equation stays what it is. Where the ends of phi have charges, these are instead what is
    left of such a user's work, in FLOP an epoch and bits, without a meaning for the others.

    Parameters
    ----------
    local, uplink, server, downlink : (N,) float
        What to multiply the work of a whole adapter with, phase by phase; 1 for a whole round.
    fixed : (N,) bool
        Users whose phi is not to be chosen.
    """

    local: Floats
    uplink: Floats
    server: Floats
    downlink: Floats
    fixed: NDArray[np.bool_]
