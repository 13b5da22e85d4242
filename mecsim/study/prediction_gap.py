"""The gap between the totals that a decision predicts for a round and those that the round has.

A round that started under decision e is simulated again and again, each time with one more cause
switched on, in this order:

``predicted``
    The decision's own grants for ever, on the gains that it was made with.
``knowledge``
    The true local mean at the time of the decision instead of the gain that the policy saw: this
    covers the kind, the age and the error of the channel state.
``mobility``
    The local mean along the user's trajectory, from the start of the round on.
``fading``
    The fast fading too.
``latency``
    The decision takes effect when it did, and the grants in force before it hold until then; phi is
    that of the round. Changes of server cost nothing yet.
``reallocation``
    Later decisions take effect as well.
``handover``
    Changes of server interrupt the round or restart its upload.
``sharing``
    The round as the engine simulated it: queueing for shared resources, stalls, outages, brown-outs.

Where a later decision grants nothing for a phase, the last grant above zero holds, so that stalls
count as ``sharing`` alone. The part of a cause is the difference that switching it on makes, so the
parts add up to the gap; another order would give other parts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.engine.decisions import Decided
from mecsim.engine.handover import HandoverRule
from mecsim.engine.simulation import Simulation
from mecsim.results.blas import one_blas_thread
from mecsim.study.counterfactual import FixedGains, Gains, Grant, RoundSimulator, RoundTotals
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.runner import as_scenario
from mecsim.system import equations as eq
from mecsim.system.arrays import Floats
from mecsim.system.phases import PHASES, Phase, WorkTerms
from mecsim.world.round_work import affine_work

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mecsim.policy import Policy
    from mecsim.scenario.schema import Scenario
    from mecsim.study.policy_choice import PolicyLike

CAUSES = ("knowledge", "mobility", "fading", "latency", "reallocation", "handover", "sharing")
QUANTITIES = ("delay_s", "energy_j", "score", "scr")

_GRANTS = ("bandwidth_hz", "user_power_w", "server_power_w", "user_gpu_flops", "server_gpu_flops")
_STAGES = len(CAUSES) + 1


@dataclass(frozen=True, eq=False, slots=True)
class PredictionGap:
    """The gap between prediction and outcome, split by cause.

    Every frame has a row for each quantity (``delay_s``, ``energy_j``, ``score``, ``scr``) of a
    round, generation or epoch, with the columns ``predicted``, one for each of :data:`CAUSES`, and
    ``realised``. Generations and epochs (the rounds that started in one) have the sums of docs/model.md
    section 13: the largest delay, the total energy and score, and their ratio. Parts are NaN
    where the prediction is that a round never ends.

    Parameters
    ----------
    rounds, generations, epochs : DataFrame
    """

    rounds: pd.DataFrame
    generations: pd.DataFrame
    epochs: pd.DataFrame


def split_gap(
    scenario: Scenario | str | Path, policy: PolicyLike = "nearest", seed: int = 0, **parameters: Any
) -> PredictionGap:
    """Simulate, and split the gap between predicted and realised totals by cause.

    Parameters are those of :func:`~mecsim.study.runner.simulate`. Every finished round is
    simulated six times more, at some milliseconds each.
    """
    choice = PolicyChoice.of(policy, **parameters)
    return gap_of(choice.make(), choice.label, as_scenario(scenario), seed)


def gap_of(policy: Policy, label: str, scenario: Scenario, seed: int) -> PredictionGap:
    """Return the gap of a run of a policy that is made already."""
    decided: list[Decided] = []
    with one_blas_thread():
        run = Simulation(scenario, policy, seed, label=label, on_decided=decided.append)
        rounds = run.run().rounds
        finished = np.flatnonzero(rounds["outcome"] == "finished")
        table = {name: column[finished] for name, column in rounds.items()}
        stages = _Stages(run, decided).all_of(table)
    return PredictionGap(*_frames(table, stages, run))


class _Stages:
    """Evaluates rounds at every stage between prediction and outcome."""

    def __init__(self, run: Simulation, decided: list[Decided]) -> None:
        self._world = world = run.world
        self._decided = {d.observation.epoch: d for d in decided}
        self._scores: dict[int, Floats] = {}
        in_force = [d for d in decided if np.isfinite(d.in_force_s)]
        self._in_force, self._in_force_s = in_force, [d.in_force_s for d in in_force]
        self._section = run.scenario.workload
        mean, faded = Gains(world, fading=False), Gains(world, fading=True)
        self._mean, self._faded = RoundSimulator(world, mean), RoundSimulator(world, faded)
        self._handed_over = RoundSimulator(world, faded, HandoverRule.of(run.scenario.handover))

    def all_of(self, rounds: Mapping[str, Any]) -> Floats:
        """Return delay, energy and score of every round at every stage, (R, stages, 3)."""
        stages = np.empty((len(rounds["user"]), _STAGES, 3))
        for row in range(len(stages)):
            one = {name: column[row].item() for name, column in rounds.items()}
            stages[row] = [*self._of(one), (one["delay_s"], one["energy_j"], one["score"])]
        return stages

    def _of(self, one: Mapping[str, Any]) -> Iterator[RoundTotals]:
        """Yield a round at all stages but the last."""
        user, start_s = one["user"], one["start_s"]
        decision = self._decided[one["epoch"]]
        grant = self._grant(decision, user)
        predicted_work = self._work(one, self._local_fraction(decision, user))
        for gains in self._fixed(decision, user, grant.server):
            yield RoundSimulator(self._world, gains).simulate(user, start_s, predicted_work, [grant])
        for simulator in (self._mean, self._faded):
            yield simulator.simulate(user, start_s, predicted_work, [grant])
        work, own = self._work(one, one["local_fraction"]), [grant]
        if decision.in_force_s > start_s:
            own = [next(self._history(one)), grant]
        yield self._faded.simulate(user, start_s, work, own)
        for simulator in (self._faded, self._handed_over):
            yield simulator.simulate(user, start_s, work, self._history(one))

    def _fixed(self, decision: Decided, user: int, server: int) -> Iterator[FixedGains]:
        """Yield the gains that the policy saw, and the true local means at that time."""
        seen = decision.observation.instance
        link = int(np.searchsorted(decision.observation.user, user)), server
        yield FixedGains(float(seen.gain[link]), float(seen.downlink_gain[link]))
        here = np.array(user), np.array(server), np.array(decision.observation.time_s)
        gain = float(self._world.mean_gain(*here))
        yield FixedGains(gain, gain * float(self._world.downlink_share(*here)))

    def _work(self, one: Mapping[str, Any], phi: float) -> Callable[[Phase, int], float]:
        user, world = one["user"], self._world
        params, flops_per_param = world.workload.work(np.array([user]), np.array([one["round"]]))
        d, t = float(params[0]), float(flops_per_param[0])
        own_epochs, epochs = float(world.workload.devices["epochs"][user]), world.servers.epochs
        affine = affine_work(self._section, d, t, own_epochs)

        def work_of(phase: Phase, server: int) -> float:
            bits = self._section.bits_per_param
            terms = WorkTerms(phi, d, t, own_epochs, float(epochs[server]), bits, affine)
            return float(PHASES[phase].work(terms))

        return work_of

    def _history(self, one: Mapping[str, Any]) -> Iterator[Grant]:
        """Yield the grants in force at the start of a round, then the later ones."""
        first = bisect_right(self._in_force_s, one["start_s"]) - 1
        while first > 0 and self._in_force[first].observation.epoch > one["epoch"]:
            first -= 1  # decided at the same instant, after the start
        before: Grant | None = None
        for decided in islice(self._in_force, first, None):
            if self._knows(decided, one["user"]):
                before = _without_zeros(self._grant(decided, one["user"]), before)
                yield before

    def _knows(self, decided: Decided, user: int) -> bool:
        users = decided.observation.user
        at = int(np.searchsorted(users, user))
        return at < len(users) and bool(users[at] == user)

    def _local_fraction(self, decided: Decided, user: int) -> float:
        at = int(np.searchsorted(decided.observation.user, user))
        return float(decided.allocation.local_fraction[at])

    def _grant(self, decided: Decided, user: int) -> Grant:
        seen, allocation = decided.observation, decided.allocation
        if seen.epoch not in self._scores:
            self._scores[seen.epoch] = seen.instance.score(allocation)
        at = int(np.searchsorted(seen.user, user))
        server, score = int(allocation.server[at]), float(self._scores[seen.epoch][at])
        grants = {name: float(getattr(allocation, name)[at]) for name in _GRANTS}
        in_use = 0.0
        if seen.instance.power is not None:
            at_server = 1.0 - allocation.local_fraction
            speeds = seen.instance.power.speed_in_use(
                allocation.server, allocation.server_gpu_flops, at_server
            )
            in_use = float(speeds[server])
        return Grant(decided.in_force_s, server, score=score, server_in_use_flops=in_use, **grants)


def _without_zeros(grant: Grant, before: Grant | None) -> Grant:
    """Return a grant with the values of the one before in place of zeros."""
    if before is None:
        return grant
    return grant._replace(**{name: getattr(before, name) for name in _GRANTS if getattr(grant, name) == 0})


def _frames(
    rounds: Mapping[str, Any], stages: Floats, run: Simulation
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    everybody, objective = run.world.user_count, run.world.objective
    if objective is not None:
        stages = stages.copy()
        user = np.repeat(rounds["user"], _STAGES)
        counted = objective.counted(user, stages[..., 0].ravel(), stages[..., 1].ravel())
        stages[..., 0], stages[..., 1] = (column.reshape(-1, _STAGES) for column in counted)
    indices, users = np.unique(rounds["round"], return_counts=True)
    whole = indices[users == everybody]
    keys = {"user": rounds["user"], "round": rounds["round"], "epoch": rounds["epoch"]}
    of_rounds = [stages[row : row + 1] for row in range(len(stages))]
    of_generations = [stages[rounds["round"] == k] for k in whole]
    epochs = np.unique(rounds["epoch"])
    of_epochs = [stages[rounds["epoch"] == e] for e in epochs]
    return (
        _frame(keys, of_rounds, run.scenario),
        _frame({"round": whole}, of_generations, run.scenario),
        _frame({"epoch": epochs}, of_epochs, run.scenario),
    )


def _frame(keys: Mapping[str, Any], groups: list[Floats], scenario: Scenario) -> pd.DataFrame:
    """Return one row for each group and quantity."""
    import pandas as pd

    values = np.array([_sums(group, scenario) for group in groups]).reshape(-1, _STAGES)
    with np.errstate(invalid="ignore"):
        parts = np.diff(values, axis=1)
    parts[~np.isfinite(parts)] = np.nan
    frame = pd.DataFrame({name: np.repeat(column, len(QUANTITIES)) for name, column in keys.items()})
    frame["quantity"] = np.tile(np.array(QUANTITIES), len(groups))
    frame["predicted"] = values[:, 0]
    frame[list(CAUSES)] = parts
    frame["realised"] = values[:, -1]
    return frame


def _sums(group: Floats, scenario: Scenario) -> Floats:
    """Return the quantities of a group of rounds (R, stages, 3) at every stage, (4, stages)."""
    combine = np.mean if scenario.objective.delay == "mean" else np.max
    delay_s, energy_j = combine(group[..., 0], axis=0), group[..., 1].sum(axis=0)
    score = group[..., 2].sum(axis=0)
    weights = scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j
    scr = [eq.service_cost_ratio(*sums, *weights) for sums in zip(score, delay_s, energy_j, strict=True)]
    return np.stack([delay_s, energy_j, score, np.array(scr)])
