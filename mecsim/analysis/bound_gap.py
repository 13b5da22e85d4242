"""How far decisions are from the upper bound, and which part of the loss is theirs: docs/bound.md."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mecsim.analysis.stats import Interval, t_interval
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.result import Results


class Loss(NamedTuple):
    """What the decisions of one policy lose against the bound; means over epochs after the warm-up.

    Parameters
    ----------
    gap : float
        ``mean of upper_bound / mean of scr - 1``, over the epochs that have both and a bound above 0.
    upper_bound, predicted, realised : float
        Means of ``upper_bound``, ``scr`` and ``realised_scr`` over those of these epochs in which
        ``realised_scr`` is defined.
    epochs : int
        How many these are.
    """

    gap: float
    upper_bound: float
    predicted: float
    realised: float
    epochs: int

    @property
    def decision_share(self) -> float:
        """Share of the loss, from bound to realised, that is the decision's: from bound to predicted."""
        return self._share(self.upper_bound - self.predicted)

    @property
    def world_share(self) -> float:
        """Share of the loss that is the world's, from predicted to realised; below 0 if that is higher."""
        return self._share(self.predicted - self.realised)

    def _share(self, part: float) -> float:
        """Return a part over the whole loss; NaN where nothing is lost."""
        loss = self.upper_bound - self.realised
        return part / loss if loss > 0 else math.nan


class PolicyLoss(NamedTuple):
    """The loss of a policy over replications: the interval of the gap, and the means of its runs."""

    policy: str
    gap: Interval
    mean: Loss


def loss_of(results: Results) -> Loss | None:
    """Return the loss of one run; None unless bounds are recorded."""
    epochs = AfterWarmup(results).epochs
    if "upper_bound" not in epochs:
        return None
    counted = epochs[(epochs["upper_bound"] > 0) & epochs["scr"].notna()]
    realised = counted[counted["realised_scr"].notna()]
    upper, predicted, true = (float(realised[name].mean()) for name in ("upper_bound", "scr", "realised_scr"))
    gap = gap_of_means(counted["upper_bound"], counted["scr"])
    return Loss(gap, upper, predicted, true, len(realised))


def gap_of_means(upper_bound: Iterable[float], scr: Iterable[float]) -> float:
    """Return the gap of the mean of some epochs; infinite if no SCR is above 0, NaN without epochs.

    The mean of their gaps would be infinite with one decision that gives a user nothing.
    """
    most, reached = float(np.sum(list(upper_bound))), float(np.sum(list(scr)))
    if reached > 0:
        return most / reached - 1.0
    return math.inf if most > 0 else math.nan


def loss_of_policy(policy: str, losses: Iterable[Loss]) -> PolicyLoss:
    """Return the loss of a policy from those of its runs, one each.

    Runs without an epoch that counts are left out of the means.
    """
    runs = list(losses)
    gaps = np.array([run.gap for run in runs])
    with np.errstate(invalid="ignore"):  # the mean of an infinite gap has no interval
        gap = t_interval(gaps)
    defined = [run for run in runs if run.epochs]
    upper, predicted, realised = (
        float(np.mean([run[k] for run in defined])) if defined else math.nan for k in (1, 2, 3)
    )
    mean = Loss(float(gap.mean), upper, predicted, realised, sum(run.epochs for run in defined))
    return PolicyLoss(policy, gap, mean)
