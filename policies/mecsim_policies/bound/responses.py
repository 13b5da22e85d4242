"""The best answer of every alternative to given prices, accurate enough to choose prices by, not to prove.

The score is linearised, ``ln(1 + s2 S) = min over sigma of sigma S + sigma / s2 - 1 - ln(sigma / s2)``. At a
given sigma the GPUs separate from the links, and links from each other but for the band that they share. So
an answer is a sigma, a share of band, and what is best for those. All are moved in sweeps from the last
answer; a finite number of them leaves errors of second order in the value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.bound.alternatives import Alternatives, Link
from mecsim_policies.bound.gpus import own_speed, server_speed
from mecsim_policies.bound.links import Terms, best_transfer, first_z
from mecsim_policies.bound.vertex import Vertex

_LEAST_LOG_BAND = -25.0
_WIDE = np.linspace(-11.0, 0.0, 45)
_NARROW = np.array([-0.05, 0.0, 0.05])
_POLISHING = (1.0, 0.2)
_WARM_STEPS, _COLD_STEPS = 2, 12
# How many sweeps at most; the change of band, and the error of the value, at which there are no more.
_ROUGH, _SETTLED = (6, 0.15, 1e-4), (12, 0.04, 1e-8)
_NARROW_BRACKET = 1e-3
_ROOT_STEPS = 4


class Prices(NamedTuple):
    """Prices in score / s1: of shares, (K, 3) for band, power and GPU, of a second, (K,), and of a joule.

    ``softness`` rounds the corner of ``max(0, x)``, what a share earns that only raises the score.
    """

    share: Floats
    per_s: Floats
    per_j: float
    softness: float

    def take(self, rows: Ints) -> Prices:
        """Return the prices of some alternatives."""
        return self._replace(share=self.share[rows], per_s=self.per_s[rows])


class Answers(NamedTuple):
    """What alternatives are worth and take, arrays (K,): value, shares (K, 3), delay, energy, and sigma."""

    value: Floats
    share: Floats
    delay_s: Floats
    energy_j: Floats
    sigma: Floats


class _Part(NamedTuple):
    """Links or GPUs at a sigma: value, sum of the shares, time, energy, derivative of that sum by sigma."""

    value: Floats
    taken: Floats
    time_s: Floats
    energy_j: Floats
    slope: Floats


@dataclass(eq=False)
class Responder:
    """The answers of some alternatives, from the last ones.

    Parameters
    ----------
    alternatives : Alternatives
    score_slope : float
        s2, above 0.

    Attributes
    ----------
    sigma, band, power, gpu : (K,) float
        Of the last answers.
    matters : (K,) bool
        Which answers must have settled.
    """

    alternatives: Alternatives
    score_slope: float
    sigma: Floats = field(init=False)
    band: Floats = field(init=False)
    power: Floats = field(init=False)
    gpu: Floats = field(init=False)
    matters: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        a, count = self.alternatives, len(self.alternatives.own_s)
        up, down = np.flatnonzero(a.up.time_s > 0), np.flatnonzero(a.down.time_s > 0)
        self._rows, self._uplinks = np.concatenate([up, down]), len(up)
        self._link = Link(*map(np.concatenate, zip(a.up.take(up), a.down.take(down), strict=True)))
        most = a.ends.most_power
        self._low = np.where(a.ends.whole, most, a.ends.least_power)[self._rows]
        self._most = most[self._rows]
        self._low[: len(up)], self._most[: len(up)] = 0.0, 1.0
        used = np.zeros((count, 3), dtype=bool)
        used[:, 0] = (a.up.time_s > 0) | (a.down.time_s > 0)
        used[:, 1], used[:, 2] = a.down.time_s > 0, a.gpu_s > 0
        self._used, self._unused = used, (~used).astype(np.float64)
        self.matters = np.ones(count, dtype=bool)
        self.sigma = np.full(count, self.score_slope / (1.0 + self.score_slope))
        self.restart()

    def restart(self) -> None:
        """Forget the last shares, which are sought everywhere the next time."""
        self._z: Floats | None = None
        self._high = self._most.copy()
        self.band, self.gpu = np.full(len(self.sigma), 0.1), np.ones(len(self.sigma))
        self._cold = True

    def answer(self, prices: Prices, *, settled: bool = False) -> Answers:
        """Return the answers to some prices, after few sweeps unless they are to be settled."""
        s2 = self.score_slope
        low, high = np.full(len(self.sigma), s2 / (1.0 + 3.0 * s2)), np.full(len(self.sigma), s2)
        start = self.sigma if self._cold else self._sigma_of(prices, self.sigma)
        sigma = np.clip(start, low, high)
        most_sweeps, close, enough = _SETTLED if settled else _ROUGH
        for sweep in range(most_sweeps):
            wide = self._cold and sweep == 0
            before = self.band
            radio = self._radio(prices, sigma, None if wide else _NARROW)
            training = self._training(prices, sigma, _COLD_STEPS if wide else _WARM_STEPS)
            filler, filler_slope = self._fillers(prices, sigma)
            self._tilt = 1.0 / s2 - 1.0 / sigma + radio.taken + training.taken
            self._bend = 1.0 / sigma**2 + radio.slope + training.slope
            tilt, bend = self._tilt + filler.sum(axis=1), self._bend + filler_slope
            near = np.abs(self.band - before) < close * before
            at_rest = near & ((tilt**2 < enough * bend) | (high - low < _NARROW_BRACKET * sigma))
            if at_rest[self.matters].all():
                break
            low, high = np.where(tilt < 0, sigma, low), np.where(tilt > 0, sigma, high)
            if sweep + 1 < most_sweeps:
                sigma = self._following(prices, sigma, low, high)
        self.sigma, self._cold = sigma, False
        own_s, own_j, own_cost = self._own(prices)
        value = sigma / s2 - 1.0 - np.log(sigma / s2) - own_cost
        value = value + radio.value + training.value + self._fillers_value(prices, sigma, settled)
        delay_s = own_s + radio.time_s + training.time_s
        share = filler + np.stack([radio.taken - self.power, self.power, training.taken], axis=1)
        return Answers(value, share, delay_s, own_j + radio.energy_j + training.energy_j, sigma)

    def _following(self, prices: Prices, sigma: Floats, low: Floats, high: Floats) -> Floats:
        """Return sigmas closer to where the tilt is 0, which is between ``low`` and ``high``."""
        near, step = prices.softness, self._sigma_of(prices, sigma)
        inside = (step > low - near) & (step < high + near)
        return np.asarray(np.where(inside, np.minimum(np.maximum(step, low), high), 0.5 * (low + high)))

    def _sigma_of(self, prices: Prices, sigma: Floats) -> Floats:
        """Return where the tilt is 0 if that of the shares in use is linear, (K,).

        Shares that only raise the score are taken where sigma exceeds their price: a step of the tilt each,
        rounded. From where it is 0 with steps that are not, Newton's method finds the root between bounds.
        """
        first, second = np.sort(np.where(self._used, np.inf, prices.share)[:, 1:], axis=1).T
        tilt, bend = self._tilt, self._bend
        root = [sigma - (tilt + taken) / bend for taken in (0.0, 1.0, 2.0)]
        low, high = root[2], root[0]
        step = np.maximum(low, np.minimum(second, np.maximum(root[1], np.minimum(first, high))))
        for _ in range(_ROOT_STEPS):
            filler, slope = self._fillers(prices, step)
            value = tilt + bend * (step - sigma) + filler.sum(axis=1)
            low, high = np.where(value < 0, step, low), np.where(value > 0, step, high)
            step = step - value / (bend + slope)
            step = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        return np.asarray(step)

    def only(self, rows: NDArray[np.bool_]) -> Responder:
        """Return the responder of some alternatives, (K,) bool, that goes on from the last answers."""
        part = Responder(self.alternatives.take(rows), self.score_slope)
        part.sigma, part.band, part.gpu = self.sigma[rows], self.band[rows], self.gpu[rows]
        links = rows[self._rows]
        part._high, part._cold = self._high[links], self._cold
        part._z = None if self._z is None else self._z[links]
        if not self._cold:
            part.power, part._tilt, part._bend = self.power[rows], self._tilt[rows], self._bend[rows]
        return part

    def limit_power(self, most: Floats) -> None:
        """Let alternatives have at most these shares of power, (K,), until the next restart."""
        down = slice(self._uplinks, None)
        self._high[down] = most[self._rows[down]]

    def polish(self, prices: Prices) -> None:
        """Move the shares of the last answers closer to the best for their sigmas."""
        for width in _POLISHING:
            self._radio(prices, self.sigma, width * _NARROW)
        self._training(prices, self.sigma, _COLD_STEPS)

    def _own(self, prices: Prices) -> tuple[Floats, Floats, Floats]:
        """Return time, energy and cost of the users' own training, which no sigma changes."""
        a = self.alternatives
        per_s, per_j = prices.per_s * a.own_s, prices.per_j * a.own_j
        speed = own_speed(per_s, per_j, a.own_floor)
        return a.own_s / speed, a.own_j * speed**2, per_s / speed + per_j * speed**2

    def _training(self, prices: Prices, sigma: Floats, steps: int) -> _Part:
        a, used = self.alternatives, self._used[:, 2]
        reward = sigma - prices.share[:, 2]
        per_s, per_j = prices.per_s * a.gpu_s, prices.per_j * a.gpu_j
        speed = server_speed(reward, per_s, per_j, self.gpu, steps)
        self.gpu = speed.share
        gpu = np.where(used, speed.share, 0.0)
        time_s, energy_j = a.gpu_s / speed.share, a.gpu_j * gpu**2
        value = reward * gpu - prices.per_s * time_s - prices.per_j * energy_j
        return _Part(value, gpu, time_s, energy_j, np.where(used, speed.slope, 0.0))

    def _fillers(self, prices: Prices, sigma: Floats) -> tuple[Floats, Floats]:
        """Return the shares that are taken for the score alone, (K, 3), and what they rise by with sigma.

        The corner at which they are worth their price is rounded.
        """
        share = self._unused * (
            0.5 + 0.5 * np.tanh((0.5 / prices.softness) * (sigma[:, None] - prices.share))
        )
        slope: Floats = (share * (1.0 - share)).sum(axis=1) / prices.softness
        return share, slope

    def _fillers_value(self, prices: Prices, sigma: Floats, exact: bool) -> Floats:
        excess = (sigma[:, None] - prices.share) / prices.softness
        earned = np.maximum(0.0, excess) if exact else np.logaddexp(0.0, excess)
        value: Floats = prices.softness * (self._unused * earned).sum(axis=1)
        return value

    def _radio(self, prices: Prices, sigma: Floats, offsets: Floats | None) -> _Part:
        """Return the links at the best of some shares of band, around the last ones or everywhere."""
        if offsets is None:
            log_band = np.broadcast_to(_WIDE, (len(sigma), len(_WIDE)))
        else:
            log_band = (
                np.minimum(np.maximum(np.log(self.band), _LEAST_LOG_BAND), -offsets[-1])[:, None] + offsets
            )
        band = np.exp(log_band)
        links, z = self._transfers(prices, sigma, band, warm=offsets is not None)
        # Value, power, time, energy, derivative of the power by its reward, band.
        table = np.zeros((6, *band.shape))
        table[0], table[5] = (sigma - prices.share[:, 0])[:, None] * band, band
        up, down = self._rows[: self._uplinks], self._rows[self._uplinks :]
        for row in (0, 2, 3):  # a user's power is not a share of the server's
            table[row, up] += links[row, : self._uplinks]
        table[0:5, down] += links[:, self._uplinks :]
        at = Vertex.of(table[0], float(log_band[0, 1] - log_band[0, 0]))
        self._z = z[np.arange(len(z)), at.nearest()[self._rows]]
        used = self._used[:, 0]
        value, power, time_s, energy_j, by_reward, best_band = at(table) * used
        following = np.exp(np.minimum(np.maximum(at.beyond(log_band), _LEAST_LOG_BAND), 0.0))
        self.band, self.power = np.where(used, following, self.band), power
        return _Part(
            value, best_band + power, time_s, energy_j, by_reward + _by_band(at, band, table[1]) * used
        )

    def _transfers(self, prices: Prices, sigma: Floats, band: Floats, *, warm: bool) -> tuple[Floats, Floats]:
        """Return value, power, time, energy and derivative by the reward, (5, R, J), and z of all links."""
        rows, link = self._rows, self._link
        reward = (sigma - prices.share[:, 1])[rows]
        reward[: self._uplinks] = 0.0
        terms = Terms.of(link, prices.per_s[rows], prices.per_j, band[rows], reward, self._low, self._high)
        if warm and self._z is not None:
            # Where power was at its most, a smaller share may have become better.
            start = np.where(self._z[:, None] < terms.most, self._z[:, None], first_z(terms))
            found = best_transfer(terms, start, _WARM_STEPS)
        else:
            found = best_transfer(terms)
        time_s = link.time_s[:, None] / (band[rows] * found.z)
        energy_j = (link.power_w[:, None] * found.power + link.electronics_w[:, None]) * time_s
        return np.stack([-found.cost, found.power, time_s, energy_j, found.by_reward]), found.z


def _by_band(at: Vertex, band: Floats, power: Floats) -> Floats:
    """Return how much band and power at the vertex change with sigma by way of the band, (K,)."""
    rows = np.arange(len(at.first))
    left, right = (rows, at.first), (rows, at.first + 2)
    both = 1.0 + (power[right] - power[left]) / (band[right] - band[left])
    with np.errstate(divide="ignore"):
        return np.where(at.bend < 0, (both * at(band)) ** 2 / -at.bend, 0.0)
