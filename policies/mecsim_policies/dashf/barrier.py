"""The barrier function of the share problem: value, derivatives, and the Newton step in O(N + M).

``weight (per_s T + per_j sum E - sum score) - sum log(T - T_n) - sum log(room)`` over shares and T,
where room is what is left of every budget and bound. The Hessian is one block a user, three
budgets a server of rank one each, and one row for T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.dashf.shares import BAND, DOWN, GPU, OWN, PHI, SHARED, UP, Price, ShareProblem

# Slacks of T below this, relative to T, are lost in the rounding of the delays.
_GRAIN = 1e-13

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

    def value(self, shares: Floats, longest_s: float) -> float:
        """Return the function's value, infinite outside its domain."""
        p, moved = self.problem, shares[:, : self.free]
        spare = 1.0 - p.member @ shares[:, :SHARED]
        room = 1.0 - moved[:, SHARED:]
        if moved.min() <= 0 or spare.min() <= 0 or room.min() <= 0:
            return np.inf
        delay_s, energy_j, score = p.evaluate(shares)
        slack_s = longest_s - delay_s
        if not slack_s.min() > _GRAIN * longest_s:
            return np.inf
        if self.nu is not None:
            energy_j = energy_j + self._transform_excess(shares)
        objective = self.price.per_s * longest_s + self.price.per_j * energy_j.sum() - score.sum()
        logs = np.log(slack_s).sum() + np.log(spare).sum() + np.log(room).sum() + np.log(moved).sum()
        return float(self.weight * objective - logs)

    def longest_step(self, shares: Floats, move: Floats, keep: float = 0.2) -> float:
        """Return the step that leaves ``keep`` of every budget and bound, at most 1."""
        spare = 1.0 - self.problem.member @ shares[:, :SHARED]
        used = self.problem.member @ move[:, :SHARED]
        moved, change = shares[:, : self.free], move[:, : self.free]
        worst = max(
            float((-change / moved).max()),
            float((used / spare).max()),
            float((change[:, SHARED:] / (1.0 - moved[:, SHARED:])).max()),
        )
        return min(1.0, (1.0 - keep) / worst) if worst > 0 else 1.0

    def newton(self, shares: Floats, longest_s: float, toward: float) -> tuple[Floats, float, float]:
        """Return the Newton step of shares (N, 6) and T, and the squared decrement.

        ``toward`` is the weight in the gradient: that of this barrier, or that of the next one for
        a step along the central path.
        """
        d = self.derivatives(shares, longest_s, toward)
        return _arrow_solve(self.problem, d, _positive(d))

    def derivatives(self, shares: Floats, longest_s: float, toward: float) -> Derivatives:
        """Return gradient and Hessian at shares (N, 6) and T strictly inside the domain."""
        p, free, users = self.problem, self.free, len(shares)
        rows = np.ascontiguousarray(shares.T)
        band = rows[BAND]
        # Row 0 of each pair is the user's side (own GPU, uplink), row 1 the server's (its GPU, downlink).
        part, speed, power = p.parts(shares), rows[[OWN, GPU]], rows[[UP, DOWN]]
        train_s, radio_s = part * p.train_s, part * p.radio_s
        train_j, radio_j = part * p.train_j, part * p.radio_j
        link = _Links.of(band, power, p.snr)
        pull = 1.0 / (longest_s - (train_s / speed + radio_s / link.rho).sum(axis=0))
        per_j = self.weight * self.price.per_j

        flow_s = radio_s / link.rho**2
        slope_s = np.zeros((6, users))
        slope_s[BAND] = -(flow_s * link.by_band).sum(axis=0)
        slope_s[UP], slope_s[DOWN] = -flow_s * link.by_power
        slope_s[OWN], slope_s[GPU] = -train_s / speed**2
        # The transform's energy and curvature at nu, at the touching nu if none is given.
        nu = 0.5 / (power * link.rho) if self.nu is None else np.stack(self.nu)
        flow_j = 0.5 * radio_j / (nu * link.rho**3)
        slope_j = np.zeros((6, users))
        slope_j[BAND] = -(flow_j * link.by_band).sum(axis=0)
        slope_j[UP], slope_j[DOWN] = 2.0 * radio_j * nu * power - flow_j * link.by_power
        slope_j[OWN], slope_j[GPU] = 2.0 * train_j * speed
        square = 2.0 * pull * flow_s / link.rho + 3.0 * per_j * flow_j / link.rho
        bend = link.k * (pull * flow_s + per_j * flow_j)
        bb = square * link.by_band**2 + bend * link.tilt**2
        bp = square * link.by_band * link.by_power - bend * link.tilt
        pp = square * link.by_power**2 + bend + 2.0 * per_j * radio_j * nu
        if self.nu is None:
            # There the transform's Hessian is the true one plus over v v'.
            over = per_j * radio_j / (power * link.rho)
            v_band = power / link.rho * link.by_band
            v_power = 1.0 + power / link.rho * link.by_power
            bb, bp, pp = bb - over * v_band**2, bp - over * v_band * v_power, pp - over * v_power**2
        curve = np.zeros((6, 6, users))
        curve[BAND, BAND] = bb.sum(axis=0)
        curve[BAND, UP], curve[BAND, DOWN] = bp
        curve[UP, BAND], curve[DOWN, BAND] = bp
        curve[UP, UP], curve[DOWN, DOWN] = pp
        curve[OWN, OWN], curve[GPU, GPU] = 2.0 * pull * train_s / speed**3 + 2.0 * per_j * train_j
        if free == PHI + 1:
            _add_phi(p, speed, power, link, pull, per_j, slope_s, slope_j, curve)

        moved, slope_s, slope_j = rows[:free], slope_s[:free], slope_j[:free]
        worth = p.slope / (1.0 + p.slope * rows[:SHARED].sum(axis=0))
        spare = 1.0 - p.member @ shares[:, :SHARED]
        room = 1.0 / (1.0 - moved[SHARED:])
        steep = pull * slope_s
        gradient = steep - 1.0 / moved + (toward * self.price.per_j) * slope_j
        gradient[:SHARED] += (1.0 / spare)[p.server].T - toward * worth
        gradient[SHARED:] += room
        blocks = curve[:free, :free] + steep[:, None] * steep
        blocks[:SHARED, :SHARED] += self.weight * worth**2
        diagonal = blocks.reshape(free * free, users)[:: free + 1]
        diagonal += 1.0 / moved**2
        diagonal[SHARED:] += room**2
        return Derivatives(
            gradient=np.ascontiguousarray(gradient.T),
            gradient_s=toward * self.price.per_s - float(pull.sum()),
            blocks=np.ascontiguousarray(blocks.transpose(2, 0, 1)),
            border=np.ascontiguousarray((-pull * steep).T),
            corner=float((pull**2).sum()),
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
class Derivatives:
    """First and second derivatives of a barrier function.

    ``gradient`` (N, K) and ``gradient_s``; ``blocks`` (N, K, K) of the users without the budgets;
    ``border`` (N, K), the column of T; ``corner``, T's own; ``spare`` (M, 3), whose inverse squares
    are the weights of the budgets' rank-one terms.
    """

    gradient: Floats
    gradient_s: float
    blocks: Floats
    border: Floats
    corner: float
    spare: Floats


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


def _positive(d: Derivatives) -> Floats:
    """Return the blocks, with negative curvature turned positive where there is any."""
    try:
        np.linalg.cholesky(d.blocks)
    except np.linalg.LinAlgError:
        scale = 1.0 / np.sqrt(np.abs(np.diagonal(d.blocks, axis1=1, axis2=2)))
        scaled = d.blocks * scale[:, :, None] * scale[:, None, :]
        values, vectors = np.linalg.eigh(scaled)
        bent = np.matmul(vectors * np.maximum(np.abs(values), 1e-3)[:, None, :], vectors.swapaxes(1, 2))
        positive: Floats = bent / (scale[:, :, None] * scale[:, None, :])
        return positive
    return d.blocks


def _arrow_solve(problem: ShareProblem, d: Derivatives, blocks: Floats) -> tuple[Floats, float, float]:
    """Solve the Newton system: users' blocks, then 3 x 3 a server, then T."""
    users, free = d.gradient.shape
    servers = len(d.spare)
    right = np.zeros((users, free, SHARED + 2))
    right[:, range(SHARED), range(SHARED)] = 1.0
    right[:, :, SHARED] = d.gradient
    right[:, :, SHARED + 1] = d.border
    solved = np.linalg.solve(blocks, right)
    sums = (problem.member @ solved[:, :SHARED].reshape(users, -1)).reshape(servers, SHARED, SHARED + 2)
    budgets = sums[:, :, :SHARED].copy()
    budgets[:, range(SHARED), range(SHARED)] += d.spare**2
    by_server = np.linalg.solve(budgets, sums[:, :, SHARED:])
    left = solved[:, :, SHARED:] - np.matmul(solved[:, :, :SHARED], by_server[problem.server])
    # The corner less border' H^-1 border is positive in exact arithmetic; cancellation must not flip it.
    schur = max(d.corner - float((d.border * left[:, :, 1]).sum()), 1e-14 * d.corner)
    move_s = -(d.gradient_s - float((d.border * left[:, :, 0]).sum())) / schur
    move = np.zeros((users, 6))
    move[:, :free] = -left[:, :, 0] - left[:, :, 1] * move_s
    decrement = -float((d.gradient * move[:, :free]).sum() + d.gradient_s * move_s)
    return move, move_s, decrement
