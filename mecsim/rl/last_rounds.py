"""The realised SCR of each epoch as it ends, as ``epochs.realised_scr`` of a finished run has it."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from mecsim.engine.roster import Roster
from mecsim.engine.round import RoundLog
from mecsim.scenario.control import Objective
from mecsim.system.equations import service_cost_ratio

# More than can end at one instant but for rounding: the end of a round is a sum, and may be a bit too late.
_KEPT = 4


class FinishedRound(NamedTuple):
    """A finished round: when it ended, its score, delay in s and energy in J."""

    end_s: float
    score: float
    delay_s: float
    energy_j: float


class Realised(NamedTuple):
    """The terms of a realised SCR; ``scr`` is NaN where somebody who counts has finished no round."""

    scr: float
    score: float
    cost: float


class LastRounds:
    """Keeps the last rounds of each user; ``new`` has user and weighted cost of those of the present epoch.

    Parameters
    ----------
    roster : Roster
    objective : Objective
        Weights of delay and energy.
    """

    def __init__(self, roster: Roster, objective: Objective) -> None:
        self._roster = roster
        self._weights = (objective.delay_weight_per_s, objective.energy_weight_per_j)
        self._rounds: list[deque[FinishedRound]] = [deque(maxlen=_KEPT) for _ in roster.jobs]
        self.new: list[tuple[int, float]] = []

    def take(self, log: RoundLog) -> None:
        """Take a finished round."""
        # Added in the order of the tables: sum() of later Pythons rounds otherwise.
        delay_s = log.time_s[0]
        for part in (*log.time_s[1:], log.stall_s, log.interruption_s):
            delay_s += part
        energy_j = log.energy_j[0]
        for part in log.energy_j[1:]:
            energy_j += part
        done = FinishedRound(log.start_s + delay_s, log.mean_score(), delay_s, energy_j)
        self._rounds[log.user].append(done)
        self.new.append((log.user, self._weights[0] * delay_s + self._weights[1] * energy_j))

    def at(self, end_s: float) -> Realised:
        """Return the realised SCR of an epoch that ends now, at ``end_s``; infinite at the end of the run."""
        score = delay_s = energy_j = 0.0
        complete = not self._roster.changes
        back = self._back_at(end_s)
        for n, rounds in enumerate(self._rounds):
            last = next((done for done in reversed(rounds) if done.end_s <= end_s), None)
            if self._roster.changes:
                if last is None or n in back or not self._is_there(n, end_s):
                    continue
                complete = True
            elif last is None:
                return Realised(math.nan, 0.0, 0.0)
            score += last.score
            energy_j += last.energy_j
            delay_s = max(delay_s, last.delay_s)
        if not complete:
            return Realised(math.nan, 0.0, 0.0)
        by_s, by_j = self._weights
        cost = (by_s * delay_s if by_s else 0.0) + (by_j * energy_j if by_j else 0.0)
        return Realised(service_cost_ratio(score, delay_s, energy_j, by_s, by_j), score, cost)

    def _is_there(self, user: int, end_s: float) -> bool:
        roster = self._roster
        return roster.entered_s[user] < end_s and roster.left_s[user] >= end_s

    def _back_at(self, end_s: float) -> set[int]:
        """Return the users who have come back at this very moment: they count from the next epoch on."""
        found = set()
        for absence in reversed(self._roster.absences):
            if absence.to_s < end_s:
                break
            found.add(absence.user)
        return found
