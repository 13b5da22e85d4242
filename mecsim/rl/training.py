"""Trains the agents of this package in worlds of given seeds, a step at a time, so that it can be resumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.rl.agent_file import AgentFile, read_agent
from mecsim.rl.bandit import SHAPES as BANDIT
from mecsim.rl.bandit import Bandit
from mecsim.rl.linear_rule import SHAPES as RULE
from mecsim.rl.linear_rule import SIZE, START, LinearRule
from mecsim.rl.stepped_run import SteppedRun
from mecsim.rng import Purpose, stream
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints

CANDIDATES, ELITE, WORLDS = 12, 3, 2
"""Of one step of the search: rules tried, best ones that are kept, and worlds in which each is tried."""

_EXPLORATION = 1.0
_SPREAD = 1.0
_LEAST_SPREAD = 0.05
# Rewards of about one: a round costs some ten.
_REWARD_SCALE = 0.1

OnTraining = Callable[[int, dict[str, float]], None]
"""Called with the number of worlds done, and the last row of the curve."""


def train_bandit(scenario: Scenario, seeds: Sequence[int], file: AgentFile | None) -> Iterator[AgentFile]:
    """Yield the bandit after the episode of each world; goes on from a file, if there is one.

    Parameters
    ----------
    scenario : Scenario
    seeds : sequence of int
        All worlds, those that the file has seen first.
    file : AgentFile or None
    """
    bandit, done, curve = Bandit(exploration=_EXPLORATION), [], []
    if file is not None:
        bandit.take(file)
        done, curve = list(file.training_seeds), list(file.curve)
    for seed in seeds[len(done) :]:
        done.append(seed)
        curve.append({"worlds": float(len(done)), "scr": _bandit_episode(scenario, bandit, seed)})
        numbers = {"gram": bandit.gram, "response": bandit.response}
        yield AgentFile("bandit", scenario.sha256, list(done), numbers, list(curve))


def train_rule(scenario: Scenario, seeds: Sequence[int], file: AgentFile | None) -> Iterator[AgentFile]:
    """Yield the rule after each step of a cross-entropy search; goes on from a file, if there is one.

    Each step draws rules from a normal distribution, tries all of them in the same next worlds, and moves the
    distribution to the best ones. The draws are a function of the first seed and the number of the step.

    References
    ----------
    Rubinstein and Kroese (2004), "The cross-entropy method".
    """
    centre, spread = START, np.full(SIZE, _SPREAD)
    done: list[int] = []
    curve: list[dict[str, float]] = []
    if file is not None:
        centre, spread = file.numbers["weights"], file.numbers["spread"]
        done, curve = list(file.training_seeds), list(file.curve)
    while len(done) < len(seeds):
        worlds = seeds[len(done) : len(done) + WORLDS]
        draws = stream(seeds[0], Purpose.POLICY, len(done)).standard_normal((CANDIDATES, SIZE))
        draws[0] = 0.0  # the centre itself
        rules = centre + spread * draws
        scr = np.array([np.mean([rule_episode(scenario, rule, k) for k in worlds]) for rule in rules])
        best = rules[np.argsort(-scr, kind="stable")[:ELITE]]
        centre, spread = best.mean(axis=0), np.maximum(best.std(axis=0), _LEAST_SPREAD)
        done += worlds
        curve.append({"worlds": float(len(done)), "scr": float(scr.mean()), "best_scr": float(scr.max())})
        numbers = {"weights": centre, "spread": spread}
        yield AgentFile("linear_rule", scenario.sha256, list(done), numbers, list(curve))


LEARNERS: dict[str, tuple[Callable[..., Iterator[AgentFile]], Mapping[str, tuple[int, ...]]]] = {
    "bandit": (train_bandit, BANDIT),
    "linear_rule": (train_rule, RULE | {"spread": (SIZE,)}),
}
"""The policies that can be trained: what trains them, and the arrays in their files."""


def train(
    scenario: Scenario,
    policy: str,
    seeds: Sequence[int],
    path: Path,
    on_training: OnTraining | None = None,
) -> AgentFile:
    """Train a policy in the worlds of some seeds and write it; go on where a file has stopped.

    Parameters
    ----------
    scenario : Scenario
    policy : {"bandit", "linear_rule"}
    seeds : sequence of int
    path : Path
        Written after each step. If it is there, its training must have been the beginning of this one.
    on_training : callable, optional

    Raises
    ------
    MecsimError
        If there is no such policy, a seed occurs twice, or the file is of another training.
    """
    if policy not in LEARNERS:
        hint = nearest(policy, LEARNERS)
        raise MecsimError(f"policy = {policy}: must be {either(tuple(LEARNERS))} to be trained{hint}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise MecsimError("seeds: must be at least one, and each once")
    learner, shapes = LEARNERS[policy]
    begun = read_agent(path, policy, shapes) if path.exists() else None
    file = begun
    if file is not None:
        if file.scenario_sha256 != scenario.sha256:
            raise MecsimError(f"{path}: was trained in another scenario; take another --out")
        if list(file.training_seeds) != list(seeds[: len(file.training_seeds)]):
            raise MecsimError(f"{path}: was trained with other seeds; take another --out")
    for trained in learner(scenario, seeds, begun):
        file = trained
        file.write(path)
        if on_training is not None:
            on_training(len(file.training_seeds), file.curve[-1])
    assert file is not None
    return file


def rule_episode(scenario: Scenario, weights: Floats, seed: int) -> float:
    """Return the mean realised SCR of a rule in one world."""
    return _episode(scenario, LinearRule(weights.tolist()), seed, None)


def _bandit_episode(scenario: Scenario, bandit: Bandit, seed: int) -> float:
    begun_with: dict[int, Floats] = {}

    def learn(run: SteppedRun, users: Ints, features: Floats) -> None:
        """Reward what was decided when a round began; the next round begins with what is decided now."""
        now = dict(zip(users.tolist(), features, strict=True))
        for user, features_of_user in now.items():
            begun_with.setdefault(user, features_of_user)
        for user, cost in run.finished_costs():
            if user in begun_with:
                bandit.learn(begun_with[user], -_REWARD_SCALE * cost)
            if user in now:
                begun_with[user] = now[user]

    return _episode(scenario, bandit, seed, learn)


def _episode(
    scenario: Scenario, policy: Any, seed: int, learn: Callable[[SteppedRun, Ints, Floats], None] | None
) -> float:
    """Return the mean of the realised SCR over the epochs of an episode after the warm-up."""
    run, found = SteppedRun(scenario, seed), list[float]()
    while not run.is_over and run.observation is not None:
        users = run.observation.user
        epoch = run.step(policy.allocate(run.observation))
        if learn is not None:
            learn(run, users, policy.chosen_features)
        if epoch.observation.time_s >= scenario.warmup_s and not math.isnan(epoch.realised.scr):
            found.append(epoch.realised.scr)
    return float(np.mean(found)) if found else 0.0
