"""The barrier function of the share problem: value, derivatives, and the Newton step in O(N + M).

``weight (per_s T + per_j sum E - sum score) - sum log(T - T_n) - sum log(slack)`` over shares and T,
where the slacks are those of every budget and bound. Where the mean delay counts, it takes the place
of T, and T and its slacks drop out. The Hessian is one block a user, three budgets a server of rank
one each, and one row for T. A problem of K copies has K functions, and all their steps are found
together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.optim.newton import Derivatives, SharedHessian, Step, arrow_solve, positive
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import BAND, GPU, OWN, PHI, POWERS, SHARED, ShareProblem
from mecsim_policies.optim.user_terms import UserTerms

# Slacks of T below this, relative to T, are lost in the rounding of the delays.
_GRAIN = 1e-13
# The most that one step may take of the slack of a budget or bound, and of a delay, which is curved.
_MAX_BOUND_USE = 0.8
_MAX_DELAY_USE = 0.5
# Kinks of the rates and of shared GPUs are smoothed by so much over the weight, as the barrier smooths a
# constraint.
_KINK = 8.0
_ROUNDING = 1.0
_WIDEST = 0.1

Transform = tuple[Floats, Floats]
"""nu of the energies of uplink and downlink, each (N,)."""


@dataclass(frozen=True, eq=False, slots=True)
class Barrier:
    """The barrier function of one problem, price and weight.

    Parameters
    ----------
    problem, price : ShareProblem, Price
    weight : float
        Weight of the objective against the barrier.
    move_phi : bool
        Whether phi moves with the resources, as in the joint step.
    nu : Transform, optional
        With it the energies p / r are replaced by ``p^2 nu + 1 / (4 nu r^2)``, convex and never
        smaller. Without it the energies are the true ones.

    Attributes
    ----------
    smooth : ShareProblem
        What the function is made of: the problem with its kinks smoothed as far as the weight allows, and so
        with delays and energies that are never smaller than the true ones.

    Raises
    ------
    ValueError
        If phi is to move and nu is given.
    """

    problem: ShareProblem
    price: Price
    weight: float
    move_phi: bool = False
    nu: Transform | None = None
    smooth: ShareProblem = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "smooth", self._smoothed())
        if self.move_phi and self.nu is not None:
            raise ValueError("the transform at a fixed nu is for a fixed phi: move_phi must be False")

    @property
    def per_user_s(self) -> float:
        """Price of a second of one user's delay where the mean counts."""
        return self.price.per_s / int(self.problem.member.shape[2])

    @property
    def free(self) -> int:
        """How many of the six shares of each user move: the first five, or all."""
        return PHI + 1 if self.move_phi else PHI

    def value(self, shares: Floats, longest_s: Floats) -> Floats:
        """Return the function's value of every copy, (K,), infinite outside its domain."""
        p, moved = self.smooth, shares[:, : self.free]
        copies = len(p.member)
        with np.errstate(all="ignore"):  # outside the domain
            delay_s, energy_j, score = p.evaluate(shares)
            if self.nu is not None:
                energy_j = energy_j + self._transform_excess(shares)
            slack_s = np.reshape(longest_s, (-1, 1)) - delay_s.reshape(copies, -1)
            above = self._above(moved)
            slacks = [
                part.reshape(copies, -1) for part in (1.0 - p.used(shares), 1.0 - moved[:, SHARED:], above)
            ]
            slack = np.concatenate(slacks if p.mean else [slack_s, *slacks], axis=1)
            own = (self.price.per_j * energy_j - score).reshape(copies, -1).sum(axis=1)
            counted_s = p.counted_s(delay_s) if p.mean else longest_s
            values = self.weight * (self.price.per_s * counted_s + own) - np.log(slack).sum(axis=1)
        inside = slack.min(axis=1) > 0
        if not p.mean:
            inside &= slack_s.min(axis=1) > _GRAIN * longest_s
        return np.where(inside, values, np.inf)

    def longest_step(self, shares: Floats, move: Floats, growth: Floats | float = 0.0) -> Floats:
        """Return how much of a step leaves enough slack in every budget, bound and delay, at most 1, (K,).

        ``growth`` (K,) is what the whole step takes of a delay's slack, see :class:`Step`.
        """
        p = self.problem
        moved, change = shares[:, : self.free], move[:, : self.free]
        uses = (
            -change / self._above(moved),
            change[:, SHARED:] / (1.0 - moved[:, SHARED:]),
            p.used(move) / (1.0 - p.used(shares)),
        )
        worst = np.concatenate([use.reshape(len(p.member), -1) for use in uses], axis=1).max(axis=1)
        steps: Floats = 1.0 / np.maximum(np.maximum(worst / _MAX_BOUND_USE, growth / _MAX_DELAY_USE), 1.0)
        return steps

    def newton(self, d: Derivatives, toward: float) -> Step:
        """Return the Newton step.

        ``toward`` is the weight in the gradient: that of this barrier, or that of the next one for
        a step along the central path.
        """
        gradient = d.barrier_gradient + toward * (self.price.per_j * d.energy_gradient)
        gradient[:, :SHARED] -= (toward * d.score_gradient)[:, None]
        if d.delay_gradient is not None:
            gradient += toward * self.per_user_s * d.delay_gradient
            return arrow_solve(self.problem, d, gradient, d.barrier_gradient_s)
        return arrow_solve(self.problem, d, gradient, d.barrier_gradient_s + toward * self.price.per_s)

    def derivatives(self, shares: Floats, longest_s: Floats) -> Derivatives:
        """Return gradient and Hessian at shares (K N, 6) and T (K,) strictly inside the domain."""
        rows = np.ascontiguousarray(shares.T)
        prices = self.weight * self.per_user_s, self.weight * self.price.per_j
        terms = UserTerms.at(self.smooth, rows, longest_s, *prices)
        slope_s, slope_j, curve = terms.derivatives(None if self.nu is None else np.stack(self.nu))
        if self.move_phi:
            terms.add_phi(slope_s, slope_j, curve)
        p, free, users = self.problem, self.free, len(shares)
        slack = 1.0 - p.used(shares)
        joint_slack, shared = self._add_shared(rows[GPU], terms, slope_j, slack)
        inverse_slack = np.ones(users) if p.mean else terms.inverse_slack
        moved, slope_s, slope_j = rows[:free], slope_s[:free], slope_j[:free]
        score_gradient = p.slope / (1.0 + p.slope * rows[:SHARED].sum(axis=0))
        to_bound = 1.0 / (1.0 - moved[SHARED:])
        above = self._above(moved.T).T
        steep = np.zeros_like(slope_s) if p.mean else inverse_slack * slope_s  # the mean has no T
        gradient = steep - 1.0 / above
        gradient[:SHARED] += (1.0 / slack)[p.server].T
        gradient[SHARED:] += to_bound
        blocks = curve[:free, :free] + steep[:, None] * steep
        blocks[:SHARED, :SHARED] += self.weight * score_gradient**2
        diagonal = blocks.reshape(free * free, users)[:: free + 1]
        diagonal += 1.0 / above**2
        diagonal[SHARED:] += to_bound**2
        return Derivatives(
            barrier_gradient=np.ascontiguousarray(gradient.T),
            barrier_gradient_s=(steep[0] if p.mean else -inverse_slack)
            .reshape(len(p.member), -1)
            .sum(axis=1),
            energy_gradient=slope_j.T,
            delay_gradient=slope_s.T if p.mean else None,
            score_gradient=score_gradient,
            blocks=positive(np.ascontiguousarray(blocks.transpose(2, 0, 1))),
            border=np.ascontiguousarray((-inverse_slack * steep).T),
            inverse_slack=inverse_slack,
            slack=joint_slack,
            shared=shared,
        )

    def _smoothed(self) -> ShareProblem:
        return self.problem.smoothed(min(_KINK / self.weight, _WIDEST), _ROUNDING / self.weight)

    def _above(self, moved: Floats) -> Floats:
        """Return how far shares (K N, F) lie above their lower bounds."""
        power = self.problem.power
        if power is None or not power.own_floor.any():
            return moved
        above = moved.copy()
        above[:, OWN] -= power.own_floor
        return above

    def _add_shared(
        self, gpu: Floats, terms: UserTerms, slope_j: Floats, slack: Floats
    ) -> tuple[Floats, SharedHessian | None]:
        """Add the gradient of shared GPUs' energy; return slacks that have its Hessian, and the rest of that.

        In the speeds of all users of a server it has the form of a budget's, and joins that. Where only some
        users have work there, it is a term of its own.
        """
        power = self.smooth.power
        if power is None or not power.shares:
            return slack, None
        found = power.gradient(terms.load, gpu, terms.per_j)
        slope_j[GPU] += found.by_speed
        joined = (found.weight > 0)[self.problem.server]
        if (found.counts >= joined).all():
            joint = slack.copy()
            joint[:, GPU] = 1.0 / np.sqrt(1.0 / slack[:, GPU] ** 2 + found.weight)
            return joint, None
        softness = np.divide(1.0, found.weight, out=np.ones_like(found.weight), where=found.weight > 0)
        vectors = np.zeros((len(gpu), self.free))
        vectors[:, GPU] = found.counts * joined
        return slack, SharedHessian(vectors, softness)

    def _transform_excess(self, shares: Floats) -> Floats:
        """Return by how much the transformed energies pass the true ones, (N,).

        ``p^2 nu + 1 / (4 nu r^2) - p / r`` is a square and so never negative.
        """
        if self.nu is None:
            return np.zeros(len(shares))
        p, rows, root = self.smooth, shares.T, np.sqrt(np.stack(self.nu))
        power = rows[POWERS]
        rate = p.rate_law.nat_rates(rows[BAND], power, p.snr)
        gap = (power * root - 0.5 / (rate * root)) ** 2
        excess: Floats = (p.loads(rows[PHI]).radio_j * gap).sum(axis=0)
        return excess
