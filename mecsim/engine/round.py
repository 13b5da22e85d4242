"""What is noted of one training round while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from mecsim.system.phases import WorkTerms


@dataclass(slots=True)
class RoundLog:
    """A round in progress; ``time_s`` and ``energy_j`` hold one value a phase, in order.

    ``terms`` are fixed when the round starts, with the epochs of the server of that moment;
    ``epoch`` is the last decision of the policy before.
    """

    user: int
    index: int
    arrival_s: float
    start_s: float
    server_first: int
    server_last: int
    terms: WorkTerms[float]
    uplink_bits: float
    epoch: int
    time_s: list[float]
    energy_j: list[float]
    stall_s: float = 0.0
    interruption_s: float = 0.0
    score_s: float = 0.0
    last_score: float = 0.0
    handovers: int = 0
    moved_bits: float = 0.0
    restarts: int = 0

    def mean_score(self) -> float:
        """Return the time average of the score over the round so far."""
        elapsed_s = sum(self.time_s) + self.stall_s + self.interruption_s
        return self.score_s / elapsed_s if elapsed_s > 0 else self.last_score
