"""What a transfer costs at the best power for a given share of band, to the accuracy of Newton's method.

With prices a of a second and e of a second's joules at full power, share of band b, reward rho of a share
of power and ``u = snr p / b``, the cost is ``delta u + (k + epsilon u) / z``, where ``z = ln(1 + u)``,
``k = a time_s / b``, ``epsilon = e time_s / snr``, ``delta = -rho b / snr``. Its derivative in z has the sign
of

    Phi(z) = delta z^2 + epsilon (z - 1) + (epsilon - k) e^-z,

which rises from -k: without a reward (rho <= 0) to a single root, else the first root is a local minimum, and
all of the power is the other candidate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.bound.alternatives import Link

_TINY = 1e-12
_COLD_STEPS = 8


class Terms(NamedTuple):
    """The constants of the cost at some shares of band, arrays (R, J) or (R, 1), and the largest z there."""

    k: Floats
    epsilon: Floats
    delta: Floats
    most: Floats
    per_snr: Floats

    @classmethod
    def of(cls, link: Link, per_s: Floats, per_j: float, band: Floats, reward: Floats | float) -> Terms:
        """Return the terms for R links and shares of band (R, J).

        Parameters
        ----------
        link : Link
        per_s : (R,) float
            Price of a second of delay.
        per_j : float
            Price of a joule.
        band : (R, J) float
        reward : (R,) float, or 0.0
            What a share of power earns beyond its price.
        """
        seconds = (per_s + per_j * link.electronics_w) * link.time_s
        per_snr = band / link.snr[:, None]
        epsilon = (per_j * link.power_w * link.time_s / link.snr)[:, None]
        delta = -np.reshape(reward, (-1, 1)) * per_snr
        most = np.minimum(np.log1p(1.0 / per_snr), link.kink[:, None])
        return cls(seconds[:, None] / band, epsilon, delta, most, per_snr)


class Transfer(NamedTuple):
    """Transfers at the best power, (R, J): z, power and cost, and the derivative of power by its reward."""

    z: Floats
    power: Floats
    cost: Floats
    by_reward: Floats


def best_transfer(terms: Terms, z: Floats | None = None, steps: int = _COLD_STEPS) -> Transfer:
    """Return the transfers of least cost, after some steps of Newton's method from ``z`` (R, J)."""
    k, epsilon, delta, most, per_snr = terms
    z = newton(terms, first_z(terms) if z is None else z, steps)
    u = np.expm1(z)
    cost = delta * u + (k + epsilon * u) / z
    power = per_snr * u
    rise = ((2.0 * delta * z + epsilon) * (1.0 + u) + (k - epsilon)) * (z < most)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_reward = np.where(rise > 0, (per_snr * z * (1.0 + u)) ** 2 / rise, 0.0)
    if (delta < 0).any():
        whole = 1.0 / per_snr
        at_whole = delta * whole + (k + epsilon * whole) / most
        better = at_whole < cost
        z, power, cost = np.where(better, (most, np.ones_like(most), at_whole), (z, power, cost))
        by_reward = np.where(better, 0.0, by_reward)
    return Transfer(z, power, cost, by_reward)


def first_z(terms: Terms) -> Floats:
    """Return a z of the size of the root, for Newton's method to start from."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        delta = np.maximum(terms.delta, 0.0)
        start = np.log1p(np.sqrt(2.0 * terms.k / (terms.epsilon + 2.0 * delta)))
        for _ in range(2):  # where e^z is large
            far = np.log1p(terms.k / (start * (terms.epsilon + delta * start)))
            start = np.where(far > 2.0, far, start)
    return np.clip(np.where(np.isnan(start), terms.most, start), _TINY, terms.most)


def newton(terms: Terms, z: Floats, steps: int) -> Floats:
    """Return the root of Phi, or the largest z where there is none below it."""
    k, epsilon, delta, most, _ = terms
    excess, rewarded = k - epsilon, bool((delta < 0).any())
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(steps):
            fade = excess * np.exp(-z)
            bend = delta * z
            value = (bend + epsilon) * z - epsilon - fade
            slope = 2.0 * bend + epsilon + fade
            step = z - value / slope
            if rewarded:
                step = np.where(slope > 0.0, step, np.inf)
            z = np.minimum(np.maximum(np.minimum(step, 3.0 * z + 1.0), z / 3.0), most)
    return z
