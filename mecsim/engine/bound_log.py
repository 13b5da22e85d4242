"""The upper bound of every decision of a run, beside the policy: ``record.bound = true``."""

from __future__ import annotations

import math
from array import array

import numpy as np

from mecsim.certificate import RunProver
from mecsim.engine.recorder import Table
from mecsim.policy import Observation
from mecsim.system.bound import EpochBound, gap_to
from mecsim.tables import BOUND

_NOTHING = EpochBound(math.nan, None)
_WORTH = ("per_mhz", "per_w", "per_tflops")


class BoundLog:
    """Keeps the bound of each epoch, and what each server's budgets are worth by it.

    A bound depends on what the policies' observations were so far, and on no decision but through them.

    Parameters
    ----------
    prover : RunProver
        Made for this run.
    server_count : int
    """

    def __init__(self, prover: RunProver, server_count: int) -> None:
        self._prover, self._server_count = prover, server_count
        self._epochs = {column.name: array("d") for column in BOUND["epochs"]}
        self._time_s = array("d")
        self._worth = {name: array("d") for name in _WORTH}

    def add(self, observation: Observation, scr: float) -> None:
        """Take the next epoch: what the policy saw, and the SCR that its decision has there."""
        self._add(observation.time_s, self._prover.bound(observation), scr)

    def add_empty(self, time_s: float) -> None:
        """Take the next epoch, in which nobody is present."""
        self._add(time_s, _NOTHING, math.nan)

    def epochs(self) -> Table:
        """Return the columns of the epochs, (E,)."""
        return {name: np.array(values) for name, values in self._epochs.items()}

    def worth(self) -> Table:
        """Return the table ``worth``: a row for each server of each epoch."""
        count = len(self._time_s)
        return {
            "epoch": np.repeat(np.arange(count), self._server_count),
            "time_s": np.repeat(np.array(self._time_s), self._server_count),
            "server": np.tile(np.arange(self._server_count), count),
            **{name: np.array(values) for name, values in self._worth.items()},
        }

    def _add(self, time_s: float, found: EpochBound, scr: float) -> None:
        self._epochs["upper_bound"].append(found.upper_bound)
        known = not (math.isnan(found.upper_bound) or math.isnan(scr))
        self._epochs["gap"].append(gap_to(found.upper_bound, scr) if known else math.nan)
        self._time_s.append(time_s)
        unknown = [math.nan] * self._server_count
        for name, values in self._worth.items():
            values.extend(unknown if found.prices is None else getattr(found.prices, name).tolist())
