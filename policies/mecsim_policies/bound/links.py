"""What a transfer costs at the best power for a given share of band, to the accuracy of Newton's method.

With prices a of a second and e of a second's joules at full power, share of band b, reward rho of a share
of power and ``u = snr p / b``, the cost is ``delta u + (k + epsilon u) / z``, where ``z = ln(1 + u)``,
``k = a time_s / b``, ``epsilon = e time_s / snr``, ``delta = -rho b / snr``. Its derivative in z has the sign
of

    Phi(z) = delta z^2 + epsilon (z - 1) + (epsilon - k) e^-z,

which rises from -k: without a reward (rho <= 0) to a single root, else its first root is a local minimum, and
all of the power is another. So these two are alternatives of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.bound.alternatives import Link

_TINY = 1e-12
_COLD_STEPS = 8


class Terms(NamedTuple):
    """The constants of the cost at some shares of band, arrays (R, J) or (R, 1).

    Power lies between ``low`` and ``high``, z between ``least`` and ``most``.
    """

    k: Floats
    epsilon: Floats
    delta: Floats
    least: Floats
    most: Floats
    per_snr: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(
        cls,
        link: Link,
        per_s: Floats,
        per_j: float,
        band: Floats,
        reward: Floats,
        low: Floats,
        high: Floats,
    ) -> Terms:
        """Return the terms for R links and shares of band (R, J).

        Parameters
        ----------
        link : Link
        per_s : (R,) float
            Price of a second of delay.
        per_j : float
            Price of a joule.
        band : (R, J) float
        reward : (R,) float
            What a share of power earns beyond its price.
        low, high : (R,) float
            Least and largest share of power.
        """
        seconds = (per_s + per_j * link.electronics_w) * link.time_s
        per_snr, kink = band / link.snr[:, None], link.kink[:, None]
        epsilon = (per_j * link.power_w * link.time_s / link.snr)[:, None]
        delta = -reward[:, None] * per_snr
        least, most = (np.minimum(np.log1p(power[:, None] / per_snr), kink) for power in (low, high))
        k = seconds[:, None] / band
        return cls(k, epsilon, delta, least, most, per_snr, low[:, None], high[:, None])

    def cost(self, u: Floats, z: Floats) -> Floats:
        """Return the cost of u, whose z is known."""
        cost: Floats = self.delta * u + (self.k + self.epsilon * u) / z
        return cost


class Transfer(NamedTuple):
    """Transfers at the best power, (R, J): z, power and cost, and the derivative of power by its reward."""

    z: Floats
    power: Floats
    cost: Floats
    by_reward: Floats


def best_transfer(terms: Terms, z: Floats | None = None, steps: int = _COLD_STEPS) -> Transfer:
    """Return transfers of a locally least cost, after some steps of Newton's method from ``z`` (R, J)."""
    z = newton(terms, first_z(terms) if z is None else z, steps)
    w = np.exp(z)
    power = np.minimum(np.maximum(terms.per_snr * np.expm1(z), terms.low), terms.high)
    cost = terms.cost(power / terms.per_snr, z)
    rise = (2.0 * terms.delta * z + terms.epsilon) * w + (terms.k - terms.epsilon)
    moves = (rise > 0) & (z < terms.most) & (z > terms.least)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_reward = np.where(moves, (terms.per_snr * z * w) ** 2 / rise, 0.0)
    return Transfer(z, power, cost, by_reward)


def first_z(terms: Terms) -> Floats:
    """Return a z of the size of the root, for Newton's method to start from."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        delta = np.maximum(terms.delta, 0.0)
        start = np.log1p(np.sqrt(2.0 * terms.k / (terms.epsilon + 2.0 * delta)))
        for _ in range(2):  # where e^z is large
            far = np.log1p(terms.k / (start * (terms.epsilon + delta * start)))
            start = np.where(far > 2.0, far, start)
    return np.minimum(np.maximum(np.where(np.isnan(start), terms.most, start), _TINY), terms.most)


def newton(terms: Terms, z: Floats, steps: int) -> Floats:
    """Return the root of Phi, or the largest z where there is none below it."""
    k, epsilon, delta, least, most = terms[:5]
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
    return np.maximum(z, least)
