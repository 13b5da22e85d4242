"""The barrier function of the share problem: value, derivatives, and the Newton step in O(N + M).

``weight (per_s T + per_j sum E - sum score) - sum log(T - T_n) - sum log(room)`` over shares and T,
where room is what is left of every budget and bound. The Hessian is one block a user, three
budgets a server of rank one each, and one row for T. A problem of K copies has K functions, and
all their steps are found together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.optim.newton import Derivatives, Step, arrow_solve, positive
from mecsim_policies.optim.shares import (
    BAND,
    DOWN,
    GPU,
    OWN,
    PHI,
    POWERS,
    SHARED,
    SPEEDS,
    UP,
    Price,
    ShareProblem,
)

# Slacks of T below this, relative to T, are lost in the rounding of the delays.
_GRAIN = 1e-13
# The most that one step may take of a budget or bound, and of a delay's slack, which bends.
_ROOM = 0.8
_SLACK = 0.5

_POWERS_TWICE = ([UP, DOWN], [UP, DOWN])
_SPEEDS_TWICE = ([OWN, GPU], [OWN, GPU])

Transform = tuple[Floats, Floats]  # nu of uplink and downlink


@dataclass(frozen=True, eq=False, slots=True)
class Barrier:
    """The barrier function of one problem, price and weight.

    Parameters
    ----------
    problem, price : ShareProblem, Price
    weight : float
        Weight of the objective against the barrier.
    free : int
        5: the resources; 6: phi as well, the joint step.
    nu : Transform, optional
        With it the energies p / r are replaced by ``p^2 nu + 1 / (4 nu r^2)``, convex and never
        smaller. Without it the energies are the true ones.
    """

    problem: ShareProblem
    price: Price
    weight: float
    free: int = 5
    nu: Transform | None = None

    def __post_init__(self) -> None:
        if self.free > PHI and self.nu is not None:
            raise ValueError("the transform at a fixed nu is for fixed phi: free must be 5")

    def value(self, shares: Floats, longest_s: Floats) -> Floats:
        """Return the function's value of every copy, (K,), infinite outside its domain."""
        p, moved = self.problem, shares[:, : self.free]
        copies = len(p.member)
        with np.errstate(all="ignore"):  # outside the domain
            delay_s, energy_j, score = p.evaluate(shares)
            if self.nu is not None:
                energy_j = energy_j + self._transform_excess(shares)
            slack_s = np.reshape(longest_s, (-1, 1)) - delay_s.reshape(copies, -1)
            rooms = [
                part.reshape(copies, -1) for part in (1.0 - p.used(shares), 1.0 - moved[:, SHARED:], moved)
            ]
            room = np.concatenate([slack_s, *rooms], axis=1)
            own = (self.price.per_j * energy_j - score).reshape(copies, -1).sum(axis=1)
            values = self.weight * (self.price.per_s * longest_s + own) - np.log(room).sum(axis=1)
        inside = (room.min(axis=1) > 0) & (slack_s.min(axis=1) > _GRAIN * longest_s)
        return np.where(inside, values, np.inf)

    def longest_step(self, shares: Floats, move: Floats, growth: Floats | float = 0.0) -> Floats:
        """Return how much of a step leaves enough of every budget, bound and slack, at most 1, (K,).

        ``growth`` (K,) is what the whole step takes of a delay's slack, see :class:`Step`.
        """
        p = self.problem
        moved, change = shares[:, : self.free], move[:, : self.free]
        rates = (
            -change / moved,
            change[:, SHARED:] / (1.0 - moved[:, SHARED:]),
            p.used(move) / (1.0 - p.used(shares)),
        )
        worst = np.concatenate([rate.reshape(len(p.member), -1) for rate in rates], axis=1).max(axis=1)
        steps: Floats = 1.0 / np.maximum(np.maximum(worst / _ROOM, growth / _SLACK), 1.0)
        return steps

    def newton(self, d: Derivatives, toward: float) -> Step:
        """Return the Newton step.

        ``toward`` is the weight in the gradient: that of this barrier, or that of the next one for
        a step along the central path.
        """
        gradient = d.walls + toward * (self.price.per_j * d.energy)
        gradient[:, :SHARED] -= (toward * d.worth)[:, None]
        return arrow_solve(self.problem, d, gradient, d.walls_s + toward * self.price.per_s)

    def derivatives(self, shares: Floats, longest_s: Floats) -> Derivatives:
        """Return gradient and Hessian at shares (K N, 6) and T (K,) strictly inside the domain."""
        p, free, users = self.problem, self.free, len(shares)
        rows = np.ascontiguousarray(shares.T)
        band = rows[BAND]
        # Row 0 of each pair is the user's side (own GPU, uplink), row 1 the server's (its GPU, downlink).
        part, speed, power = p.parts(shares), rows[SPEEDS], rows[POWERS]
        train_s, radio_s = part * p.train_s, part * p.radio_s
        train_j, radio_j = part * p.train_j, part * p.radio_j
        link = _Links.of(band, power, p.snr)
        copies = len(p.member)
        delay_s = train_s / speed + radio_s / link.rho
        pull = 1.0 / (np.repeat(longest_s, users // copies) - delay_s[0] - delay_s[1])
        per_j = self.weight * self.price.per_j

        flow_s = radio_s / link.rho**2
        by_band_s = flow_s * link.by_band
        slope_s = np.zeros((6, users))
        slope_s[BAND] = -(by_band_s[0] + by_band_s[1])
        slope_s[POWERS] = -flow_s * link.by_power
        slope_s[SPEEDS] = -train_s / speed**2
        # The transform's energy and curvature at nu, at the touching nu if none is given.
        nu = 0.5 / (power * link.rho) if self.nu is None else np.stack(self.nu)
        flow_j = 0.5 * radio_j / (nu * link.rho**3)
        by_band_j, bent_j = flow_j * link.by_band, 2.0 * radio_j * nu
        slope_j = np.zeros((6, users))
        slope_j[BAND] = -(by_band_j[0] + by_band_j[1])
        slope_j[POWERS] = bent_j * power - flow_j * link.by_power
        slope_j[SPEEDS] = 2.0 * train_j * speed
        flow = pull * flow_s + per_j * flow_j
        square = (2.0 * flow + per_j * flow_j) / link.rho
        bend, mixed = link.k * flow, square * link.by_band
        bent = bend * link.tilt
        bb = mixed * link.by_band + bent * link.tilt
        bp = mixed * link.by_power - bent
        pp = square * link.by_power**2 + bend + per_j * bent_j
        if self.nu is None:
            # There the transform's Hessian is the true one plus over v v'.
            over = per_j * radio_j / (power * link.rho)
            slant = power / link.rho
            v_band, v_power = slant * link.by_band, 1.0 + slant * link.by_power
            under = over * v_band
            bb, bp, pp = bb - under * v_band, bp - under * v_power, pp - over * v_power**2
        curve = np.zeros((6, 6, users))
        curve[BAND, BAND] = bb[0] + bb[1]
        curve[BAND, POWERS] = curve[POWERS, BAND] = bp
        curve[_POWERS_TWICE] = pp
        curve[_SPEEDS_TWICE] = 2.0 * pull * train_s / speed**3 + 2.0 * per_j * train_j
        if free == PHI + 1:
            _add_phi(p, speed, power, link, pull, per_j, slope_s, slope_j, curve)

        moved, slope_s, slope_j = rows[:free], slope_s[:free], slope_j[:free]
        worth = p.slope / (1.0 + p.slope * rows[:SHARED].sum(axis=0))
        spare = 1.0 - p.used(shares)
        room = 1.0 / (1.0 - moved[SHARED:])
        steep = pull * slope_s
        walls = steep - 1.0 / moved
        walls[:SHARED] += (1.0 / spare)[p.server].T
        walls[SHARED:] += room
        blocks = curve[:free, :free] + steep[:, None] * steep
        blocks[:SHARED, :SHARED] += self.weight * worth**2
        diagonal = blocks.reshape(free * free, users)[:: free + 1]
        diagonal += 1.0 / moved**2
        diagonal[SHARED:] += room**2
        return Derivatives(
            walls=np.ascontiguousarray(walls.T),
            walls_s=-pull.reshape(copies, -1).sum(axis=1),
            energy=slope_j.T,
            worth=worth,
            blocks=positive(np.ascontiguousarray(blocks.transpose(2, 0, 1))),
            border=np.ascontiguousarray((-pull * steep).T),
            pull=pull,
            spare=spare,
        )

    def _transform_excess(self, shares: Floats) -> Floats:
        """Return by how much the transformed energies pass the true ones, (N,)."""
        if self.nu is None:
            return np.zeros(len(shares))
        p = self.problem
        band, power = shares[:, BAND], shares[:, [UP, DOWN]].T
        rho = band * np.log1p(p.snr * power / band)
        excess: Floats = (p.parts(shares) * p.radio_j * _gap(power, rho, np.stack(self.nu))).sum(axis=0)
        return excess


@dataclass(frozen=True, eq=False, slots=True)
class _Links:
    """rho of uplink and downlink, its gradient, and k and tilt of its Hessian -k w w', w = (tilt, -1).

    All of shape (2, N).
    """

    rho: Floats
    by_band: Floats
    by_power: Floats
    k: Floats
    tilt: Floats

    @classmethod
    def of(cls, band: Floats, power: Floats, snr: Floats) -> _Links:
        tilt = power / band
        z = snr * tilt
        log = np.log1p(z)
        by_power = snr / (1.0 + z)
        return cls(band * log, log - tilt * by_power, by_power, by_power**2 / band, tilt)


def _gap(power: Floats, rho: Floats, nu: Floats) -> Floats:
    """Return ``A^2 nu + 1 / (4 nu r^2) - A / r``, a square and so never negative."""
    root = np.sqrt(nu)
    gap: Floats = (power * root - 0.5 / (rho * root)) ** 2
    return gap


def _add_phi(
    p: ShareProblem,
    speed: Floats,
    power: Floats,
    link: _Links,
    pull: Floats,
    per_j: float,
    slope_s: Floats,
    slope_j: Floats,
    curve: Floats,
) -> None:
    """Add phi's derivatives: every delay and energy is linear in it, one side up and the other down."""
    side_s = p.train_s / speed + p.radio_s / link.rho
    side_j = p.train_j * speed**2 + p.radio_j * power / link.rho
    slope_s[PHI], slope_j[PHI] = side_s[0] - side_s[1], side_j[0] - side_j[1]
    flow = (pull * p.radio_s + per_j * p.radio_j * power) / link.rho**2
    by_power = per_j * p.radio_j / link.rho - flow * link.by_power
    by_speed = 2.0 * per_j * p.train_j * speed - pull * p.train_s / speed**2
    cross = np.zeros((PHI, len(pull)))
    cross[BAND] = flow[1] * link.by_band[1] - flow[0] * link.by_band[0]
    cross[UP], cross[DOWN] = by_power[0], -by_power[1]
    cross[OWN], cross[GPU] = by_speed[0], -by_speed[1]
    curve[:PHI, PHI] = curve[PHI, :PHI] = cross
