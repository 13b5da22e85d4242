"""Counts of a run so far."""

from __future__ import annotations

from dataclasses import dataclass

from mecsim.system.arrays import Ints


@dataclass(slots=True)
class Counters:
    """Counts of what has happened so far.

    Parameters
    ----------
    rounds_of_user : (N,) int
        Rounds that each user has finished.
    rounds, epochs, handovers : int
        Rounds finished by all users, decisions asked for, rounds handed over.
    """

    rounds_of_user: Ints
    rounds: int = 0
    epochs: int = 0
    handovers: int = 0
