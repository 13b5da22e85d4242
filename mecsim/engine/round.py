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
    restarts: int = 0
    epoch: int = 0

    def mean_score(self) -> float:
        """Return the time average of the score over the round so far."""
        elapsed_s = sum(self.time_s) + self.stall_s + self.interruption_s
        return self.score_s / elapsed_s if elapsed_s > 0 else self.last_score


def life_of(user: int, run: Simulation) -> Generator[Event, None, None]:
    """Live through round after round, each of up to four phases: the SimPy process of one user.

    docs/model.md section 10.
    """
    rounds, there = run.scenario.workload.rounds, run.presence.there
    entered_s, limit = run.presence.entered_s[user], int(run.world.population.round_limit[user])
    arrivals_s = run.world.workload.arrivals_s(user, run.scenario.duration_s)
    arrivals_s = arrivals_s[arrivals_s >= entered_s]
    chained = isinstance(rounds, Continuous | Synchronous)
    yield run.clock.event_at(run.clock.now, Kind.START, user)
    if isinstance(rounds, Synchronous) and run.cohort.is_under_way:
        yield run.cohort.next_start()
    index = 0
    while chained or index < len(arrivals_s):
        arrival_s = run.clock.now if index else entered_s
        if not chained:
            arrival_s = float(arrivals_s[index])
        if arrival_s > run.clock.now:
            yield run.clock.event_at(arrival_s, Kind.START, user)
        if not there[user]:
            return
        if isinstance(rounds, Synchronous):
            run.cohort.join(user)
        started_s = run.clock.now
        run.open_round(user, index, arrival_s)
        next_phase = 0
        while next_phase < len(PHASES):
            phase = PHASES[next_phase]
            next_phase += 1
            work = run.work_of(user, phase)
            if work > 0:
                yield run.service.begin(user, phase, work)
                if run.service.take_set_back(user):
                    next_phase = PHASES.index(Phase.UPLINK)
        run.close_round(user)
        at_once = isinstance(rounds, Continuous | Synchronous) and rounds.think_s == 0
        if at_once and run.clock.now - started_s < _SHORTEST_S:
            raise RunFailed(
                f"round {index} of user {user} at t = {started_s!r} s takes less than {_SHORTEST_S:g} s: "
                "too little work, or rates too large, for rounds that follow one another"
            )
        index += 1
        if index >= limit:
            run.presence.leave_done(user)
            return
        if isinstance(rounds, Synchronous):
            yield run.cohort.finished(user)
        if isinstance(rounds, Continuous | Synchronous) and rounds.think_s > 0:
            yield run.clock.event_at(run.clock.now + rounds.think_s, Kind.START, user)
