"""First and second derivatives of every user's delay and energy in its shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.link_law import RateDerivatives
from mecsim_policies.optim.loads import Loads
from mecsim_policies.optim.shares import BAND, DOWN, GPU, OWN, PHI, POWERS, SPEEDS, UP, ShareProblem

_POWERS_TWICE = ([UP, DOWN], [UP, DOWN])
_SPEEDS_TWICE = ([OWN, GPU], [OWN, GPU])


@dataclass(frozen=True, eq=False, slots=True)
class UserTerms:
    """The parts of delay and energy at a point; N users, in all copies.

    Arrays of shape (2, N) have the user's side (own GPU, uplink) in row 0 and the server's in row 1.

    Parameters
    ----------
    problem : ShareProblem
    load : Loads
        Times and energies with all of every resource for phi.
    own_j : (2, N) float
        Energies of training that the user's share of speed alone decides: all but those of shared GPUs.
    speed, power : (2, N) float
        Shares of GPU speed and power.
    link : RateDerivatives
        Rates rho of uplink and downlink with their derivatives, (2, N).
    inverse_slack : (N,) float
        One over T - T_n; where the mean delay counts, weight of the objective times the price of a second of
        one user's delay.
    per_j : float
        Weight of the objective times the price of a joule.
    """

    problem: ShareProblem
    load: Loads
    own_j: Floats
    speed: Floats
    power: Floats
    link: RateDerivatives
    inverse_slack: Floats
    per_j: float

    @classmethod
    def at(
        cls, problem: ShareProblem, rows: Floats, longest_s: Floats, per_user_s: float, per_j: float
    ) -> UserTerms:
        """Return the terms at shares, given as rows (6, N), and T of every copy, (K,)."""
        users = rows.shape[1]
        speed, power = rows[SPEEDS], rows[POWERS]
        link = problem.rate_law.nat_derivatives(rows[BAND], power, problem.snr)
        load = problem.loads(rows[PHI])
        own_j = load.train_j if problem.power is None else problem.power.own(load.train_j)
        if problem.mean:
            return cls(problem, load, own_j, speed, power, link, np.full(users, per_user_s), per_j)
        delay_s = load.train_s / speed + load.radio_s / link.rate
        slack_s = np.repeat(longest_s, users // len(longest_s)) - delay_s[0] - delay_s[1]
        return cls(problem, load, own_j, speed, power, link, 1.0 / slack_s, per_j)

    def derivatives(self, nu: Floats | None) -> tuple[Floats, Floats, Floats]:
        """Return the gradients of delay and energy, (6, N), and the Hessian of the weighted sum, (6, 6, N).

        The Hessian is ``inverse_slack T_n'' + per_j E_n''``. phi counts as fixed: its rows are zero.

        Parameters
        ----------
        nu : (2, N) float, optional
            Replaces the energies p / r by the transform's; without it they are the true ones.
        """
        link, load, users = self.link, self.load, len(self.inverse_slack)
        flow_s = load.radio_s / link.rate**2
        by_band_s = flow_s * link.by_bandwidth
        slope_s = np.zeros((6, users))
        slope_s[BAND] = -(by_band_s[0] + by_band_s[1])
        slope_s[POWERS] = -flow_s * link.by_power
        slope_s[SPEEDS] = -load.train_s / self.speed**2
        # The transform's energy and curvature at nu, at the touching nu if none is given.
        touching = 0.5 / (self.power * link.rate) if nu is None else nu
        flow_j = 0.5 * load.radio_j / (touching * link.rate**3)
        by_band_j, bent_j = flow_j * link.by_bandwidth, 2.0 * load.radio_j * touching
        slope_j = np.zeros((6, users))
        slope_j[BAND] = -(by_band_j[0] + by_band_j[1])
        slope_j[POWERS] = bent_j * self.power - flow_j * link.by_power
        slope_j[SPEEDS] = 2.0 * self.own_j * self.speed
        flow = self.inverse_slack * flow_s
        if self.problem.power is not None:  # the electronics draw a constant power for this time
            steady_j = self.problem.power.electronics_w * flow_s
            slope_j[BAND] -= (steady_j * link.by_bandwidth).sum(axis=0)
            slope_j[POWERS] -= steady_j * link.by_power
            flow = flow + self.per_j * steady_j
        bb, bp, pp = self._radio_hessian(flow, flow_j, bent_j, true_energy=nu is None)
        curve = np.zeros((6, 6, users))
        curve[BAND, BAND] = bb[0] + bb[1]
        curve[BAND, POWERS] = curve[POWERS, BAND] = bp
        curve[_POWERS_TWICE] = pp
        curve[_SPEEDS_TWICE] = (
            2.0 * self.inverse_slack * load.train_s / self.speed**3 + 2.0 * self.per_j * self.own_j
        )
        return slope_s, slope_j, curve

    def _radio_hessian(
        self, flow: Floats, flow_j: Floats, bent_j: Floats, *, true_energy: bool
    ) -> tuple[Floats, Floats, Floats]:
        """Return the second derivatives by bandwidth twice, bandwidth and power, power twice, (2, N)."""
        link, per_j = self.link, self.per_j
        flow = flow + per_j * flow_j
        square = (2.0 * flow + per_j * flow_j) / link.rate
        bend, mixed = link.curvature * flow, square * link.by_bandwidth
        bent = bend * link.tilt
        bb = mixed * link.by_bandwidth + bent * link.tilt
        bp = mixed * link.by_power - bent
        pp = square * link.by_power**2 + bend + per_j * bent_j
        if not true_energy:
            return bb, bp, pp
        # At the touching nu the transform's Hessian is the true one plus over v v'.
        over = per_j * self.load.radio_j / (self.power * link.rate)
        slant = self.power / link.rate
        v_band, v_power = slant * link.by_bandwidth, 1.0 + slant * link.by_power
        under = over * v_band
        return bb - under * v_band, bp - under * v_power, pp - over * v_power**2

    def add_phi(self, slope_s: Floats, slope_j: Floats, curve: Floats) -> None:
        """Add phi's derivatives: delay and energy are linear in it, one side rising, the other falling."""
        p, link, per_j = self.problem, self.link, self.per_j
        side_s = p.train_s / self.speed + p.radio_s / link.rate
        radio_j, worth = p.radio_j * self.power, per_j * p.radio_j * self.power
        own_j, effort = p.train_j, self.speed**2
        if p.power is not None:
            steady_j = p.power.electronics_w * p.radio_s
            radio_j, worth = radio_j + steady_j, worth + per_j * steady_j
            own_j, effort = p.power.own(p.train_j), p.power.effort(self.load.train_s[1], self.speed)
        side_j = p.train_j * effort + radio_j / link.rate
        slope_s[PHI], slope_j[PHI] = side_s[0] - side_s[1], side_j[0] - side_j[1]
        flow = (self.inverse_slack * p.radio_s + worth) / link.rate**2
        by_power = per_j * p.radio_j / link.rate - flow * link.by_power
        by_speed = 2.0 * per_j * own_j * self.speed - self.inverse_slack * p.train_s / self.speed**2
        cross = np.zeros((PHI, len(self.inverse_slack)))
        cross[BAND] = flow[1] * link.by_bandwidth[1] - flow[0] * link.by_bandwidth[0]
        cross[UP], cross[DOWN] = by_power[0], -by_power[1]
        cross[OWN], cross[GPU] = by_speed[0], -by_speed[1]
        curve[:PHI, PHI] = curve[PHI, :PHI] = cross
