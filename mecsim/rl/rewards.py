"""Rewards of an epoch: the realised SCR, any metric, or a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mecsim.engine.simulation import Simulation
from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.policy import Observation
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.metrics import METRIC
from mecsim.results.result import Results
from mecsim.rl.last_rounds import Realised
from mecsim.system.allocation import Allocation

REALISED_SCR = "realised_scr"


@dataclass(frozen=True, eq=False, slots=True)
class Epoch:
    """What a reward is computed from: one decision, and what came of it until the next.

    Parameters
    ----------
    observation, allocation : Observation, Allocation
        What was seen, and what was decided.
    next_observation : Observation or None
        What is seen at the next decision; None at the end of the run, or if nobody is there.
    end_s : float
        When the next decision is, or the run ends, in s.
    realised : Realised
        The realised SCR at the end, with its numerator and denominator.
    simulation : Simulation
        The run, for rewards that need more.
    """

    observation: Observation
    allocation: Allocation
    next_observation: Observation | None
    end_s: float
    realised: Realised
    simulation: Simulation


RewardFunction: TypeAlias = Callable[[Epoch], float]
"""The reward of an epoch; NaN where it is not defined, which the environment turns into 0 and marks."""


def reward_function(reward: str | RewardFunction) -> RewardFunction:
    """Return the function of a reward: ``realised_scr``, the name of a metric, or a function as it is.

    A metric is computed from the epoch as from a run of its length: from the rounds that ended in it. One of
    which less is better is negated. It takes milliseconds a step.

    Raises
    ------
    MecsimError
        If there is no such metric, or it needs a deadline.
    """
    if callable(reward):
        return reward
    if reward in (REALISED_SCR, "scr"):
        return lambda epoch: epoch.realised.scr
    names = (REALISED_SCR, *METRIC)
    if reward not in names:
        hint = nearest(str(reward), names)
        raise MecsimError(f"reward = {reward!r}: must be a function of an epoch, or {either(names)}{hint}")
    metric = METRIC[reward]
    if metric.needs_deadline:
        raise MecsimError(f"reward = {reward}: needs a deadline, so it must be another metric or a function")
    return lambda epoch: metric.sign * metric.compute(AfterWarmup(_as_a_run(epoch)))


def _as_a_run(epoch: Epoch) -> Results:
    """Return the tables of one epoch as those of a run without warm-up."""
    import pandas as pd

    simulation, begin_s = epoch.simulation, epoch.observation.time_s
    rounds, epochs = simulation.recorder.rounds(), simulation.recorder.epochs()
    ends_s = rounds["start_s"] + rounds["delay_s"]
    own = (ends_s > begin_s) & (ends_s <= epoch.end_s) & (rounds["outcome"] != "unfinished")
    recent = epochs["time_s"] >= begin_s
    objective = simulation.scenario.objective
    empty = pd.DataFrame()
    return Results(
        rounds=pd.DataFrame({name: column[own] for name, column in rounds.items()}),
        epochs=pd.DataFrame({name: column[recent] for name, column in epochs.items()}),
        generations=empty,
        positions=empty,
        allocations=empty,
        manifest={
            "warmup_s": 0.0,
            "duration_s": epoch.end_s - begin_s,
            "users": simulation.scenario.users.count,
            "objective": objective.model_dump(),
        },
    )


def defined(reward: float) -> tuple[float, bool]:
    """Return a reward as a number and whether it is defined; one that is not is 0.

    Raises
    ------
    MecsimError
        If it is no number, or infinite.
    """
    if not isinstance(reward, int | float | np.floating | np.integer) or math.isinf(reward):
        raise MecsimError(f"reward = {reward!r}: must be a finite number, or NaN where it is not defined")
    return (0.0, False) if math.isnan(reward) else (float(reward), True)
