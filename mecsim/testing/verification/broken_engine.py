"""Engines broken on purpose, for the mutants of the checks that run the engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np

from mecsim.engine.recorder import RunRecord
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.registry import make_policy
from mecsim.system.allocation import Allocation
from mecsim.testing.verification.mutant import Mutant, replaced


def other_scenario(bug: str, module: ModuleType, changes: dict[str, Any]) -> Mutant:
    """Return the mutant whose engine runs another scenario than it was given.

    Parameters
    ----------
    bug : str
    module : module
        The checks; their ``Simulation`` is replaced.
    changes : dict
        As of ``Scenario.with_changes``.
    """

    def make(simulation: Any) -> Any:
        return lambda scenario, *rest: simulation(scenario.with_changes(changes), *rest)

    return replaced(bug, module, "Simulation", make)


def other_record(bug: str, module: ModuleType, change: Callable[[RunRecord], RunRecord]) -> Mutant:
    """Return the mutant whose engine records something else."""

    class Recorded:
        def __init__(self, simulation: Any) -> None:
            self._simulation = simulation

        def run(self) -> RunRecord:
            return change(self._simulation.run())

    return replaced(bug, module, "Simulation", lambda simulation: lambda *args: Recorded(simulation(*args)))


def zeroed(table: str, column: str) -> Callable[[RunRecord], RunRecord]:
    """Return a change of a record that sets a column of a table to zero."""

    def change(record: RunRecord) -> RunRecord:
        columns = dict(getattr(record, table))
        columns[column] = np.zeros_like(columns[column])
        changed: dict[str, Any] = {table: columns}
        return replace(record, **changed)

    return change


def smaller_grants(bug: str, module: ModuleType) -> Mutant:
    """Return the mutant whose engine puts 1 % less in force than the policy has decided."""

    def make(simulation: Any) -> Any:
        return lambda scenario, policy, seed: simulation(scenario, Scaled(policy, lambda: 0.99), seed)

    return replaced(bug, module, "Simulation", make)


def other_seeds(bug: str, module: ModuleType) -> Mutant:
    """Return the mutant whose engine gives every run another seed."""
    runs = count()

    def make(simulation: Any) -> Any:
        return lambda scenario, policy, seed: simulation(scenario, policy, seed + next(runs))

    return replaced(bug, module, "Simulation", make)


def stateful_policies(bug: str, module: ModuleType) -> Mutant:
    """Return the mutant whose policies depend on how many decisions the process has made before."""
    decisions = count(1)

    def make(make_policy: Any) -> Any:
        return lambda name: Scaled(make_policy(name), lambda: 1.0 / next(decisions))

    return replaced(bug, module, "make_policy", make)


class Scaled:
    """A policy that grants a part of what another one would grant.

    Parameters
    ----------
    policy : Policy
    factor : callable
        Returns the factor of a decision's speeds and bandwidths, at most 1.
    """

    def __init__(self, policy: Policy, factor: Callable[[], float]) -> None:
        self._policy, self._factor = policy, factor

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Reset the other policy."""
        reset = getattr(self._policy, "reset", None)
        if reset is not None:
            reset(info, rng)

    def allocate(self, observation: Observation) -> Allocation | None:
        """Return the scaled allocation."""
        answer = self._policy.allocate(observation)
        if answer is None:
            return None
        names = ("bandwidth_hz", "user_gpu_flops", "server_gpu_flops")
        factor = self._factor()
        return replace(answer, **{name: factor * getattr(answer, name) for name in names})


class DependsOnTheProcess(Scaled):
    """A policy whose decisions depend on the number of the process."""

    def __init__(self) -> None:
        super().__init__(make_policy("gucaa"), lambda: 1.0 - os.getpid() % 9973 / 20_000)
