"""One replication that is stepped from outside: the world, what is seen, and what came of each decision.

It knows no library of reinforcement learning; environments are built on it.
"""

from __future__ import annotations

import math

import numpy as np

from mecsim.engine.policy_caller import Answer
from mecsim.engine.simulation import Simulation
from mecsim.errors import MecsimError
from mecsim.policy import Observation
from mecsim.results.blas import OneBlasThread
from mecsim.results.result import Results
from mecsim.rl.last_rounds import LastRounds
from mecsim.rl.rewards import Epoch
from mecsim.scenario.schema import Scenario
from mecsim.system.allocation import Allocation


class _Outside:
    """Stands where a run has its policy; it is never asked."""

    def allocate(self, observation: Observation) -> Allocation | None:
        return None


class SteppedRun:
    """A run whose decisions come from outside, one step for each.

    The bits are those of :func:`mecsim.simulate` under a policy that decides the same. A decision takes no
    CPU time that a ``decision_latency = "measured"`` would count.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        The replication: the world is that of a run with this seed.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._one_thread = OneBlasThread()
        self.seed, self.is_over, self.rounds_finished = seed, False, 0
        with self._one_thread:
            self.simulation = Simulation(scenario, _Outside(), seed, label="action")
            self._last = LastRounds(self.simulation.roster, scenario.objective)
            self.simulation.recorder.on_finished = self._last.take
            self.observation = self._advance()

    @property
    def now_s(self) -> float:
        """Simulated time."""
        return float(self.simulation.clock.now)

    def step(self, allocation: Allocation) -> Epoch:
        """Put a decision in force, go on to the next one, and return what came of it.

        Raises
        ------
        InvalidAllocation
            If it is not feasible, and the scenario says ``on_invalid = "raise"``.
        MecsimError
            If the run is over.
        """
        seen, simulation = self.observation, self.simulation
        if seen is None or self.is_over:
            raise MecsimError("the run is over: there is nothing to decide")
        before = simulation.counters.rounds
        self._last.new.clear()
        with self._one_thread:
            decision = simulation.guard.judge(Answer(allocation, 0.0, 0, math.nan), seen)
            simulation.decisions.take(decision)
            self.observation = self._advance()
        self.rounds_finished = simulation.counters.rounds - before
        realised = self._last.at(math.inf if self.is_over else self.now_s)
        return Epoch(seen, decision.allocation, self.observation, self.now_s, realised, simulation)

    def finished_costs(self) -> list[tuple[int, float]]:
        """Return user and weighted delay and energy of each round that was finished in the last epoch."""
        return list(self._last.new)

    def results(self) -> Results:
        """Return the tables of the run once it is over; its manifest has the counts alone.

        Raises
        ------
        MecsimError
            If it is not over.
        """
        if not self.is_over:
            raise MecsimError("the run is not over: it has no tables yet")
        with self._one_thread:
            record = self.simulation.record()
        return Results.of(record, self.simulation.world, {"counts": dict(record.counts)})

    def _advance(self) -> Observation | None:
        observation = self.simulation.advance()
        if observation is None:
            self.is_over = True
            if self.simulation.roster.present_count:
                return self.simulation.observer.observe(self.now_s)
        return observation

    def positions_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where the users are who are there now, (N, 2), and the servers, (M, 2), in m."""
        world, users = self.simulation.world, self.simulation.roster.users
        return world.position_m(users, np.full(len(users), self.now_s)), world.server_position_m
