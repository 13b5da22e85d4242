"""The state of a round and of a user in the slow reference engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from mecsim.policy import Phase


@dataclass
class Round:
    """One round; lists hold one value for each phase."""

    user: int
    index: int
    start_s: float
    wait_s: float
    server_first: int
    server_last: int
    phi: float
    params: float
    flops_per_param: float
    time_s: list[float] = field(default_factory=lambda: [0.0] * 4)
    energy_j: list[float] = field(default_factory=lambda: [0.0] * 4)
    stall_s: float = 0.0
    interruption_s: float = 0.0
    score_s: float = 0.0
    handovers: int = 0
    moved_bits: float = 0.0
    restarts: int = 0
    epoch: int = 0
    outcome: str = "unfinished"


@dataclass
class User:
    """State of a user: its round, if any, its phase, and the start of its next round."""

    next_start_s: float
    begun: int = 0
    round: Round | None = None
    phase: Phase = Phase.IDLE
    work: float = 0.0
    left: float = 0.0
    interrupted_until_s: float = 0.0
    rate: float = 0.0
    power_w: float = 0.0
    other_w: float = 0.0
