"""Queues by recursion over jobs and by Markov chains, with which the runs of the engine are compared."""

from __future__ import annotations

import math

import numpy as np

from mecsim.system.arrays import Floats


def lindley_waits(arrivals_s: Floats, work_s: Floats) -> Floats:
    """Return the wait of every job of one server, first come first served: W' = max(0, W + S - A)."""
    waits = [0.0]
    for gap_s, job_s in zip(np.diff(arrivals_s).tolist(), work_s.tolist(), strict=False):
        waits.append(max(0.0, waits[-1] + job_s - gap_s))
    return np.array(waits)


def shared_ends(arrivals_s: Floats, work_s: Floats) -> Floats:
    """Return the end of each job if all jobs present share one server equally."""
    ends_s, now_s, left = np.empty(len(work_s)), 0.0, dict[int, float]()
    for k, arrival_s in enumerate([*arrivals_s.tolist(), math.inf]):
        while left:
            first = min(left, key=left.__getitem__)
            end_s = now_s + left[first] * len(left)
            if end_s > arrival_s:
                break
            served_s, now_s = left.pop(first), end_s
            left = {job: size_s - served_s for job, size_s in left.items()}
            ends_s[first] = end_s
        if k < len(work_s):
            left = {job: size_s - (arrival_s - now_s) / len(left) for job, size_s in left.items()}
            now_s, left[k] = arrival_s, float(work_s[k])
    return ends_s


def stationary_law(rate: float, ends: Floats) -> Floats:
    """Return the law of the number of jobs, 0 to K, for Poisson arrivals; k jobs end at rate ``ends[k - 1]``.

    The last entry is the share of arrivals that a system with K places refuses.
    """
    weights = np.cumprod(np.append(1.0, rate / ends))
    law: Floats = weights / weights.sum()
    return law


def sigma_of_refusals(rate: float, ends: Floats) -> float:
    """Return the deviation of the refused share times the root of the number of arrivals.

    From the Markov chain of what arrivals find: the ends until the next arrival have the law
    ``a (a - D)^-1``, D the generator of pure death and a the rate of arrivals.
    """
    places = len(ends)
    states, all_ends = np.arange(places + 1), np.append(0.0, ends)
    death = np.diag(-all_ends) + np.diag(all_ends[1:], -1)
    between = rate * np.linalg.inv(rate * np.eye(places + 1) - death)
    step = between[np.minimum(states + 1, places)]
    stationary = stationary_law(rate, ends)
    refused = (states == places) - stationary[places]
    summed = np.linalg.inv(np.eye(places + 1) - step + stationary) @ refused
    return math.sqrt(float((stationary * refused) @ (2.0 * summed - refused)))
