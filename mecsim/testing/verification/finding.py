"""Findings of checks: a number, its interval, and the probability that a correct simulator misses it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mecsim.system.arrays import Floats
from mecsim.testing.verification.mutant import Mutant

MAX_Z = 5.0
MAX_KS = 2.69
CHANCE_OF_Z = math.erfc(MAX_Z / math.sqrt(2.0))
CHANCE_OF_KS = 2.0 * math.exp(-2.0 * MAX_KS**2)


class Setting(NamedTuple):
    """How a check is run: the seed of its samples, and how many times the usual sample it takes."""

    seed: int = 0
    size: float = 1.0

    def count(self, usual: int) -> int:
        """Return how many samples to take where the usual number is given."""
        return max(1, round(usual * self.size))


class Law(NamedTuple):
    """A distribution function and its inverse, both of arrays."""

    cdf: Callable[[Floats], Floats]
    ppf: Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False, slots=True)
class Finding:
    """One verdict.

    Parameters
    ----------
    expected, got : float
        The exact value, and what the simulator gives.
    low, high : float
        Where ``got`` must lie.
    chance : float
        Probability that a right simulator is outside; 0 where nothing is drawn.
    sample : array, optional
        Independent values whose law was compared, for the quantile plot.
    law : Law, optional
        What they were compared with.
    """

    expected: float
    got: float
    low: float
    high: float
    chance: float = 0.0
    sample: Floats | None = None
    law: Law | None = None

    @property
    def passed(self) -> bool:
        """Whether ``got`` lies in the interval; NaN does not."""
        return self.low <= self.got <= self.high


Judge = Callable[[Setting], Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table.

    Parameters
    ----------
    name : str
        Row of docs/verification.md and what it is about: ``"C1 power"``.
    says : str
        What is compared, for people.
    judge : callable
        Returns the finding for a setting.
    broken : Mutant
        The product on which the check must fail.
    group : str
        Set by the suite.
    bug_size : float
        Part of the sample that the broken product gets. The default is enough where the bug is at least
        four times as far off as the check allows: it is then still five standard errors outside.
    """

    name: str
    says: str
    judge: Judge
    broken: Mutant
    group: str = field(default="")
    bug_size: float = 0.25

    @property
    def mutant(self) -> str:
        """The bug that the check must reject."""
        return self.broken.bug

    def judge_mutant(self, setting: Setting) -> Finding:
        """Run the same check on the broken product."""
        with self.broken.in_force():
            return self.judge(setting._replace(size=self.bug_size * setting.size))


def mean(sample: ArrayLike, expected: float, sigma: float) -> Finding:
    """Return the verdict on the mean of independent numbers of known deviation: |z| <= 5, p = 5.7e-7."""
    values = np.asarray(sample, dtype=np.float64)
    half = MAX_Z * sigma / math.sqrt(values.size)
    return Finding(expected, float(values.mean()), expected - half, expected + half, CHANCE_OF_Z)


def per_cycle(amounts: ArrayLike, sizes: ArrayLike, expected: float) -> Finding:
    """Return the verdict on a ratio of sums over many independent cycles, whose spread is seen in them."""
    amount, size = np.asarray(amounts, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    off = (amount - expected * size) / size.mean()
    return mean(expected + off, expected, float(off.std()))


def share(hits: ArrayLike, expected: float) -> Finding:
    """Return the verdict on the share of true values among independent ones."""
    return mean(hits, expected, math.sqrt(expected * (1.0 - expected)))


def follows(sample: ArrayLike, law: Law) -> Finding:
    """Return the verdict on a whole law: Kolmogorov-Smirnov, D <= 2.69 / sqrt(n), p = 1e-6."""
    ordered = np.sort(np.asarray(sample, dtype=np.float64).ravel())
    steps = np.arange(ordered.size + 1) / ordered.size
    cdf = law.cdf(ordered)
    distance = float(max(np.max(steps[1:] - cdf), np.max(cdf - steps[:-1])))
    return Finding(0.0, distance, 0.0, MAX_KS / math.sqrt(ordered.size), CHANCE_OF_KS, ordered, law)


def equal(got: float, expected: float, *, rel: float = 0.0, tol: float = 0.0) -> Finding:
    """Return the verdict on a number that is no matter of chance."""
    half = max(tol, rel * abs(expected))
    return Finding(expected, float(got), expected - half, expected + half)


def no_difference(got: ArrayLike, expected: ArrayLike, *, tol: float) -> Finding:
    """Return the verdict on the largest difference of two arrays relative to the expected values."""
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if got.shape != expected.shape:
        return Finding(0.0, math.inf, 0.0, tol)
    scale = np.maximum(np.abs(expected), np.finfo(np.float64).tiny)
    worst = float(np.max(np.abs(got - expected) / scale)) if got.size else math.nan
    return Finding(0.0, worst, 0.0, tol)
