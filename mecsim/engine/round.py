"""One training round: what is noted while it runs, and the life of a user, round after round."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simpy import Event

from mecsim.engine.clock import Kind
from mecsim.errors import RunFailed
from mecsim.policy import Phase
from mecsim.scenario.workload import Continuous, Synchronous

if TYPE_CHECKING:
    from mecsim.engine.simulation import Simulation

_SHORTEST_S = 1e-9

PHASES = (Phase.LOCAL, Phase.UPLINK, Phase.SERVER, Phase.DOWNLINK)


@dataclass(slots=True)
class RoundLog:
    """A round in progress; the lists hold one value a phase, in order."""

    user: int
    index: int
    arrival_s: float
    start_s: float
    server_first: int
    server_last: int
    local_fraction: float
    adapter_params: float
    flops_per_param: float
    uplink_bits: float
    time_s: list[float] = field(default_factory=lambda: [0.0] * 4)
    energy_j: list[float] = field(default_factory=lambda: [0.0] * 4)
    stall_s: float = 0.0
    interruption_s: float = 0.0
    score_s: float = 0.0
    last_score: float = 0.0
    handovers: int = 0
    moved_bits: float = 0.0

    def mean_score(self) -> float:
        """Return the time average of the score over the round so far."""
        elapsed_s = sum(self.time_s) + self.stall_s + self.interruption_s
        return self.score_s / elapsed_s if elapsed_s > 0 else self.last_score


def life_of(user: int, run: Simulation) -> Generator[Event, None, None]:
    """Live through round after round, each of up to four phases: the SimPy process of one user.

    MODEL.md section 10.
    """
    rounds = run.scenario.workload.rounds
    arrivals_s = run.world.workload.arrivals_s(user, run.scenario.duration_s)
    chained = isinstance(rounds, Continuous | Synchronous)
    yield run.clock.event_at(0.0, Kind.START, user)
    index = 0
    while chained or index < len(arrivals_s):
        arrival_s = run.clock.now if chained else float(arrivals_s[index])
        if arrival_s > run.clock.now:
            yield run.clock.event_at(arrival_s, Kind.START, user)
        run.open_round(user, index, arrival_s)
        for phase in PHASES:
            work = run.work_of(user, phase)
            if work > 0:
                yield run.service.begin(user, phase, work)
        run.close_round(user)
        at_once = isinstance(rounds, Continuous | Synchronous) and rounds.think_s == 0
        if at_once and run.clock.now - arrival_s < _SHORTEST_S:
            raise RunFailed(
                f"round {index} of user {user} at t = {arrival_s!r} s takes less than {_SHORTEST_S:g} s: "
                "too little work, or rates too large, for rounds that follow one another"
            )
        index += 1
        if isinstance(rounds, Synchronous):
            yield run.cohort_finished()
        if isinstance(rounds, Continuous | Synchronous) and rounds.think_s > 0:
            yield run.clock.event_at(run.clock.now + rounds.think_s, Kind.START, user)
