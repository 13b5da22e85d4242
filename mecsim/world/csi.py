"""Channel state information (CSI) of policies: the kind of gain, its age and its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.rng import Purpose, stream
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.units import db_to_linear
from mecsim.world.world import World

WAVES = 64
_EULER = 0.5772156649015329


class CsiModel:
    """The gains that policies see, docs/model.md section 11. No policy can change them.

    ``local_mean`` is path loss x shadowing, ``instantaneous`` has the fast fading too, and
    ``effective`` is the local mean times ``exp(E[ln |h|^2])``: the constant gain whose Shannon
    rate is, at high SNR, the mean rate of the fading one. All are ``csi_delay_s`` old (during the first
    ``csi_delay_s`` of a run they are those of its start) and have an error. ``is_true`` holds if policies
    see the true gains.

    Parameters
    ----------
    world : World
    seed : int

    References
    ----------
    Simon and Alouini (2005), "Digital Communication over Fading Channels": E[ln |h|^2] is minus
    Euler's constant for Rayleigh fading, and ``ln(K / (K + 1)) + E1(K)`` for Rician fading.
    """

    def __init__(self, world: World, seed: int) -> None:
        control, law = world.scenario.reallocation, world.scenario.channel.fading
        self._world, self._servers = world, np.arange(world.server_count)[None, :]
        self._fading = control.csi == "instantaneous"
        self._delay_s = control.csi_delay_s
        self._nlos_factor = self._los_factor = 1.0
        faded = law.model in ("rayleigh", "rician")
        if control.csi == "effective" and faded:
            self._nlos_factor = self._los_factor = math.exp(mean_log_power())
            if law.direct_db is not None:
                self._los_factor = math.exp(mean_log_power(db_to_linear(law.direct_db)))
        self._error: ErrorField | None = None
        if control.csi_error_db > 0:
            self._error = ErrorField.draw(
                seed, world.user_count, world.server_count,
                control.csi_error_db, control.csi_error_decorrelation_s,
            )  # fmt: skip
        unfiltered = self._los_factor == self._nlos_factor == 1.0 and (self._fading or not faded)
        self.is_true = unfiltered and self._delay_s == 0 and self._error is None

    def gains(self, time_s: float, users: Ints) -> Floats:
        """Return the gains of all links of some users (U,) that a policy sees at a time, shape (U, M)."""
        world, since_s = self._world, np.array(self._age(time_s))
        links = users[:, None], self._servers
        gain = (world.gain if self._fading else world.mean_gain)(*links, since_s)
        if self._los_factor != 1.0:
            gain = gain * self._mean_factor(world.line_of_sight(*links, since_s))
        if self._error is not None:
            gain = gain * db_to_linear(self._error.at(time_s, users))
        return gain

    def downlink_shares(self, time_s: float, users: Ints) -> Floats | None:
        """Return the factors of these gains in the downlink, (U, M), or None if all are one."""
        if not self._world.interfered:
            return None
        return self._world.downlink_share(users[:, None], self._servers, np.array(self._age(time_s)))

    def _age(self, time_s: float) -> float:
        return max(0.0, time_s - self._delay_s)

    def _mean_factor(self, los: NDArray[np.bool_] | None) -> float | Floats:
        """Return the factor of the local mean; without line of sight there is no direct wave."""
        if los is None or self._los_factor == self._nlos_factor:
            return self._los_factor
        return np.where(los, self._los_factor, self._nlos_factor)


def mean_log_power(k: float = 0.0) -> float:
    """Return E[ln |h|^2] of fading of unit power, with a direct wave K times the scattered ones."""
    if k == 0:
        return -_EULER
    from scipy.special import exp1

    return math.log(k / (k + 1.0)) + float(exp1(k))


@dataclass(frozen=True, eq=False, slots=True)
class ErrorField:
    """Errors in dB: for each link a Gaussian process with autocorrelation ``exp(-t / decorrelation)``.

    Parameters
    ----------
    sigma_db : float
        Standard deviation in dB.
    wave_rad_per_s : (N, M, WAVES) float
        Angular frequencies.
    phase_rad : (N, M, WAVES) float
        Phases at time 0.

    Notes
    -----
    ``sum_k cos(w_k t + phase_k)`` with w from the spectrum of ``exp(-t / d)``, a Cauchy law of
    scale 1/d, one frequency from each of WAVES equally likely strata of it.
    """

    sigma_db: float
    wave_rad_per_s: Floats
    phase_rad: Floats

    @classmethod
    def draw(cls, seed: int, users: int, servers: int, sigma_db: float, decorrelation_s: float) -> ErrorField:
        """Draw the errors of every user's links from the user's own stream."""
        drawn = np.stack(
            [stream(seed, Purpose.CSI_ERROR, n).random((servers, 2, WAVES)) for n in range(users)], axis=0
        )
        quantile = (np.arange(WAVES) + drawn[:, :, 0]) / WAVES
        wave = np.tan(np.pi * (quantile - 0.5)) / decorrelation_s
        return cls(sigma_db, frozen(wave), frozen(2.0 * np.pi * drawn[:, :, 1]))

    def at(self, time_s: float, users: Ints) -> Floats:
        """Return the errors of the links of some users (U,) in dB, shape (U, M)."""
        angle = self.wave_rad_per_s[users] * time_s + self.phase_rad[users]
        total: Floats = np.cos(angle).sum(axis=-1)
        return self.sigma_db * math.sqrt(2.0 / WAVES) * total
