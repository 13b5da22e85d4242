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

    def value(self, shares: Floats, longest_s: float) -> float:
        """Return the function's value, infinite outside its domain."""
        p, moved = self.problem, shares[:, : self.free]
        spare = 1.0 - p.member @ shares[:, :SHARED]
        room = 1.0 - moved[:, SHARED:]
        if moved.min() <= 0 or spare.min() <= 0 or room.min() <= 0:
            return np.inf
        delay_s, energy_j, score = p.evaluate(shares)
        slack_s = longest_s - delay_s
        if not slack_s.min() > 0:
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
        p, free = self.problem, self.free
        band, down, gpu, up, own, phi = shares.T
        rest = 1.0 - phi
        users = len(shares)
        uplink = _Link.of(band, up, p.up_snr)
        downlink = _Link.of(band, down, p.down_snr)
        work_s = phi * p.local_s, phi * p.up_s, rest * p.server_s, rest * p.down_s
        work_j = phi * p.local_j, phi * p.up_j, rest * p.server_j, rest * p.down_j
        delay_s = work_s[0] / own + work_s[1] / uplink.rho + work_s[2] / gpu + work_s[3] / downlink.rho
        pull = 1.0 / (longest_s - delay_s)

        slope_s = np.zeros((users, 6))
        _add_rate(slope_s, uplink, UP, -work_s[1] / uplink.rho**2)
        _add_rate(slope_s, downlink, DOWN, -work_s[3] / downlink.rho**2)
        slope_s[:, GPU] = -work_s[2] / gpu**2
        slope_s[:, OWN] = -work_s[0] / own**2
        slope_j = np.zeros((users, 6))
        curve = np.zeros((users, 6, 6))
        per_j = self.weight * self.price.per_j
        for link, at, power, delay, energy, nu in (
            (uplink, UP, up, work_s[1], work_j[1], None if self.nu is None else self.nu[0]),
            (downlink, DOWN, down, work_s[3], work_j[3], None if self.nu is None else self.nu[1]),
        ):
            touching = 0.5 / (power * link.rho) if nu is None else nu
            _add_rate(slope_j, link, at, -energy / (2.0 * touching * link.rho**3))
            slope_j[:, at] += 2.0 * energy * touching * power
            e = per_j * energy
            square = 2.0 * pull * delay / link.rho**3 + 1.5 * e / (touching * link.rho**4)
            bend = link.k * (pull * delay / link.rho**2 + 0.5 * e / (touching * link.rho**3))
            over = e / (power * link.rho) if nu is None else None
            _add_link(curve, link, at, power, square, bend, 2.0 * e * touching, over)
        slope_j[:, GPU] += 2.0 * work_j[2] * gpu
        slope_j[:, OWN] += 2.0 * work_j[0] * own
        curve[:, GPU, GPU] += 2.0 * pull * work_s[2] / gpu**3 + 2.0 * per_j * work_j[2]
        curve[:, OWN, OWN] += 2.0 * pull * work_s[0] / own**3 + 2.0 * per_j * work_j[0]
        if free == PHI + 1:
            _add_phi(p, shares, uplink, downlink, pull, per_j, slope_s, slope_j, curve)

        worth = p.slope / (1.0 + p.slope * (band + down + gpu))
        spare = 1.0 - p.member @ shares[:, :SHARED]
        moved = shares[:, :free]
        gradient = pull[:, None] * slope_s[:, :free] - 1.0 / moved
        gradient += toward * self.price.per_j * slope_j[:, :free]
        gradient[:, :SHARED] += (1.0 / spare)[p.server] - toward * worth[:, None]
        gradient[:, SHARED:] += 1.0 / (1.0 - moved[:, SHARED:])
        steep = pull[:, None] * slope_s[:, :free]
        blocks = curve[:, :free, :free] + steep[:, :, None] * steep[:, None, :]
        blocks[:, :SHARED, :SHARED] += (self.weight * worth**2)[:, None, None]
        diagonal = 1.0 / moved**2
        diagonal[:, SHARED:] += 1.0 / (1.0 - moved[:, SHARED:]) ** 2
        blocks[:, range(free), range(free)] += diagonal
        return Derivatives(
            gradient=gradient,
            gradient_s=toward * self.price.per_s - float(pull.sum()),
            blocks=blocks,
            border=-pull[:, None] * steep,
            corner=float((pull**2).sum()),
            spare=spare,
        )

    def _transform_excess(self, shares: Floats) -> Floats:
        """Return by how much the transformed energies pass the true ones, (N,)."""
        if self.nu is None:
            return np.zeros(len(shares))
        p = self.problem
        band, down, _, up, _, phi = shares.T
        rho_up = band * np.log1p(p.up_snr * up / band)
        rho_down = band * np.log1p(p.down_snr * down / band)
        excess: Floats = phi * p.up_j * _gap(up, rho_up, self.nu[0])
        excess += (1.0 - phi) * p.down_j * _gap(down, rho_down, self.nu[1])
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
class _Link:
    """rho of a link, its gradient, and k and tilt of its Hessian -k w w' with w = (tilt, -1)."""

    rho: Floats
    by_band: Floats
    by_power: Floats
    k: Floats
    tilt: Floats

    @classmethod
    def of(cls, band: Floats, power: Floats, snr: Floats) -> _Link:
        tilt = power / band
        z = snr * tilt
        log = np.log1p(z)
        by_power = snr / (1.0 + z)
        return cls(band * log, log - z / (1.0 + z), by_power, by_power**2 / band, tilt)


def _gap(power: Floats, rho: Floats, nu: Floats) -> Floats:
    """Return ``A^2 nu + 1 / (4 nu r^2) - A / r``, a square and so never negative."""
    root = np.sqrt(nu)
    gap: Floats = (power * root - 0.5 / (rho * root)) ** 2
    return gap


def _add_rate(slope: Floats, link: _Link, at: int, factor: Floats) -> None:
    slope[:, BAND] += factor * link.by_band
    slope[:, at] += factor * link.by_power


def _add_link(
    curve: Floats,
    link: _Link,
    at: int,
    power: Floats,
    square: Floats,
    bend: Floats,
    straight: Floats,
    over: Floats | None,
) -> None:
    """Add ``square g g' + bend w w' + straight e e'``, less what the transform bends more than the truth."""
    bb = square * link.by_band**2 + bend * link.tilt**2
    bp = square * link.by_band * link.by_power - bend * link.tilt
    pp = square * link.by_power**2 + bend + straight
    if over is not None:
        # At the touching nu the transform's Hessian is the true one plus over v v'.
        v_band = power / link.rho * link.by_band
        v_power = 1.0 + power / link.rho * link.by_power
        bb = bb - over * v_band**2
        bp = bp - over * v_band * v_power
        pp = pp - over * v_power**2
    curve[:, BAND, BAND] += bb
    curve[:, BAND, at] += bp
    curve[:, at, BAND] += bp
    curve[:, at, at] += pp


def _add_phi(
    p: ShareProblem,
    shares: Floats,
    uplink: _Link,
    downlink: _Link,
    pull: Floats,
    per_j: float,
    slope_s: Floats,
    slope_j: Floats,
    curve: Floats,
) -> None:
    """Add phi's derivatives: every delay and energy is linear in it."""
    _, down, gpu, up, own, _ = shares.T
    slope_s[:, PHI] = p.local_s / own + p.up_s / uplink.rho - p.server_s / gpu - p.down_s / downlink.rho
    slope_j[:, PHI] = (
        p.local_j * own**2 + p.up_j * up / uplink.rho - p.server_j * gpu**2 - p.down_j * down / downlink.rho
    )
    cross = np.zeros((len(shares), PHI))
    _add_rate(cross, uplink, UP, -(pull * p.up_s + per_j * p.up_j * up) / uplink.rho**2)
    _add_rate(cross, downlink, DOWN, (pull * p.down_s + per_j * p.down_j * down) / downlink.rho**2)
    cross[:, UP] += per_j * p.up_j / uplink.rho
    cross[:, DOWN] -= per_j * p.down_j / downlink.rho
    cross[:, OWN] += -pull * p.local_s / own**2 + 2.0 * per_j * p.local_j * own
    cross[:, GPU] += pull * p.server_s / gpu**2 - 2.0 * per_j * p.server_j * gpu
    curve[:, :PHI, PHI] += cross
    curve[:, PHI, :PHI] += cross


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
