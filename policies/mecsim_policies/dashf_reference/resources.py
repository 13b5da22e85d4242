"""The reference's part 2: the transform's convex problem for fixed nu, written in cvxpy.

Everything is a share: b/B, q/P, g/F of the server, p/P and f/F of the user. By Shannon a rate is
``rho = a ln(1 + c w / a)`` for the shares a of bandwidth and w of power, c the SNR with all of both. A cap
bounds the power that carries a rate; a mean over fading is replaced by a law that touches it at the last
point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.rates import RateLaw
from mecsim_policies.dashf_reference import power
from mecsim_policies.dashf_reference.rates import conic_constants, conic_rate, has_cap, stays_below_kink
from mecsim_policies.dashf_reference.solvers import Solved, cvxpy, installed, solve_in_turn
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.weights import UserWeights, counts_mean

SOLVERS = ("ECOS", "CLARABEL", "SCS")
_TOLERANCE = 1e-6
_LEAST = 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class Shares:
    """The shares of every user, each (N,)."""

    band: Floats
    down: Floats
    gpu: Floats
    up: Floats
    own: Floats

    @property
    def columns(self) -> tuple[Floats, ...]:
        """All five in the order of the class."""
        return self.band, self.down, self.gpu, self.up, self.own

    @classmethod
    def equal(cls, server: Ints) -> Shares:
        """Return equal parts of every budget, and all of the users' own."""
        part, all_of_it = 1.0 / np.bincount(server)[server], np.ones(len(server))
        return cls(part, part, part, all_of_it, all_of_it)

    @classmethod
    def of(cls, instance: Instance, a: Allocation) -> Shares:
        """Return the shares that an allocation gives, none of them below a tiny one."""
        s, u, m = instance.servers, instance.users, a.server
        columns = (
            a.bandwidth_hz / s.bandwidth_hz[m],
            a.server_power_w / s.max_power_w[m],
            a.server_gpu_flops / s.max_gpu_flops[m],
            a.user_power_w / u.max_power_w,
            a.user_gpu_flops / u.max_gpu_flops,
        )
        return cls(*(np.maximum(column, _LEAST) for column in columns))

    def allocation(self, instance: Instance, server: Ints, phi: Floats) -> Allocation:
        """Return the allocation; no budget or bound is exceeded, not even by rounding.

        Who trains or sends nothing has its own speed or power in full: F leaves it open, part 1 looks at it.
        """
        s, u, work = instance.servers, instance.users, instance.affine_work()
        up = np.where(work.uplink(phi) > 0.0, self.up, 1.0)
        own = np.where(work.local(phi) > 0.0, self.own, 1.0)

        def within(share: Floats, budget: Floats) -> Floats:
            used = np.bincount(server, weights=share, minlength=len(budget))
            granted: Floats = share / np.maximum(1.0, used * (1.0 + 1e-14))[server] * budget[server]
            return granted

        return Allocation(
            server=server,
            local_fraction=phi,
            bandwidth_hz=within(self.band, s.bandwidth_hz),
            user_power_w=np.minimum(up, 1.0) * u.max_power_w,
            server_power_w=within(self.down, s.max_power_w),
            user_gpu_flops=power.at_least(instance, np.minimum(own, 1.0) * u.max_gpu_flops),
            server_gpu_flops=within(self.gpu, s.max_gpu_flops),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Constants:
    """Delays in s and energies in J with all of every resource, and the SNRs; each (N,).

    Phi and the weights of the users are counted in.
    """

    local_s: Floats
    up_s: Floats
    server_s: Floats
    down_s: Floats
    local_j: Floats
    up_j: Floats
    server_j: Floats
    down_j: Floats
    up_snr: Floats
    down_snr: Floats
    rate_law: RateLaw

    @classmethod
    def of(cls, instance: Instance, server: Ints, phi: Floats) -> Constants:
        """Write down docs/model.md section 2 for one association and phi."""
        u, s, m = instance.users, instance.servers, server
        link, B = (np.arange(len(server)), m), s.bandwidth_hz[m]
        work = instance.affine_work()
        local, remote = work.local(phi) * u.epochs, work.server(phi) * s.epochs[m]
        up_s, down_s = (bits * np.log(2.0) / B for bits in (work.uplink(phi), work.downlink(phi)))
        weights = UserWeights.of(instance)
        a, c = (1.0, 1.0) if weights is None else weights
        return cls(
            local_s=a * local / (u.gpu_count * u.max_gpu_flops),
            up_s=a * up_s,
            server_s=a * remote / (s.gpu_count[m] * s.max_gpu_flops[m]),
            down_s=a * down_s,
            local_j=c * u.kappa * u.max_gpu_flops**2 * local,
            up_j=c * u.max_power_w * up_s,
            server_j=c * s.kappa[m] * s.max_gpu_flops[m] ** 2 * remote,
            down_j=c * s.max_power_w[m] * down_s,
            up_snr=instance.gain[link] * u.max_power_w / (instance.noise_w_per_hz * B),
            down_snr=instance.downlink_gain[link] * s.max_power_w[m] / (instance.noise_w_per_hz * B),
            rate_law=instance.rate_law,
        )

    def rates(self, shares: Shares) -> tuple[Floats, Floats]:
        """Return rho of uplink and downlink."""
        a, law = shares.band, self.rate_law
        return law.up.nat_rate(a, shares.up, self.up_snr), law.down.nat_rate(a, shares.down, self.down_snr)


@dataclass(frozen=True, eq=False, slots=True)
class ConvexProblem:
    """The compiled problem of one N and M, and of whether the rates of uplinks and of downlinks have a cap.

    Parameters
    ----------
    problem : cvxpy.Problem
    parameters : dict of str to cvxpy.Parameter
    variables : tuple of cvxpy.Variable
        The shares in the order of :class:`Shares`.
    """

    problem: Any
    parameters: dict[str, Any]
    variables: tuple[Any, ...]

    @classmethod
    def of(
        cls, users: int, servers: int, powered: bool, capped: tuple[bool, bool], mean: bool
    ) -> ConvexProblem:
        """Write the problem of docs/model.md section 7 down; whatever an instance changes is a parameter.

        Up to the kink of a rate with a cap, power and rate belong together. More power is no use to a user;
        a server's counts in score, budget and energy, so a variable of its own carries the rate.
        """
        cp = cvxpy()
        capped_up, capped_down = capped
        names = [*_PER_USER, *(["up_kink", "up_below"] if capped_up else [])]
        names += ["down_kink", "down_below"] if capped_down else []
        p = {name: cp.Parameter(users, nonneg=True) for name in names}
        p["member"] = cp.Parameter((servers, users), nonneg=True)
        p["per_longest"] = cp.Parameter(nonneg=True)
        p["slope"] = cp.Parameter(nonneg=True)
        p |= power.parameters(users, servers) if powered else {}
        shares = tuple(cp.Variable(users) for _ in range(5))
        b, q, g, p_, f = shares
        T, r_u, r_d = cp.Variable(), cp.Variable(users), cp.Variable(users)
        sent = cp.Variable(users) if capped_down else q
        delay = (
            cp.multiply(p["local_s"], cp.inv_pos(f))
            + cp.multiply(p["server_s"], cp.inv_pos(g))
            + cp.multiply(p["up_s"], cp.inv_pos(r_u))
            + cp.multiply(p["down_s"], cp.inv_pos(r_d))
        )
        score = cp.sum(cp.log(1.0 + p["slope"] * (b + q + g)))
        problem = cp.Problem(
            cp.Minimize(p["per_longest"] * T + _energy(p, shares, r_u, r_d) - score),
            [
                cp.sum(delay) / users <= T if mean else delay <= T,
                cp.multiply(p["up_scale"], r_u) <= conic_rate("up", p, b, p_),
                cp.multiply(p["down_scale"], r_d) <= conic_rate("down", p, b, sent),
                *(p["member"] @ share <= 1 for share in (b, q, g)),
                *(share >= 0 for share in shares),
                p_ <= 1,
                f <= 1,
                *(power.bounds(p, g, f) if powered else []),
                *([stays_below_kink("up", p, b, p_)] if capped_up else []),
                *([sent <= q, stays_below_kink("down", p, b, sent)] if capped_down else []),
            ],
        )
        assert problem.is_dpp()
        return cls(problem, p, shares)

    def residual(self) -> float:
        """Return the largest violation of a constraint."""
        if any(v.value is None or not np.isfinite(v.value).all() for v in self.variables):
            return np.inf
        return max(float(np.max(c.violation())) for c in self.problem.constraints)


_PER_USER = (
    *("local_s", "server_s", "up_s", "down_s", "local_j", "server_j"),
    *("up_j_nu", "up_j_over_4nu", "down_j_nu", "down_j_over_4nu"),
    *("up_scale", "up_band", "up_power", "up_log", "down_scale", "down_band", "down_power", "down_log"),
)


def _energy(p: dict[str, Any], shares: tuple[Any, ...], r_u: Any, r_d: Any) -> Any:
    """Return all energies, those of the radio by the transform."""
    cp = cvxpy()
    _, q, g, p_, f = shares
    by_the_paper = (
        p["local_j"] @ cp.square(f)
        + p["server_j"] @ cp.square(g)
        + p["up_j_nu"] @ cp.square(p_)
        + p["up_j_over_4nu"] @ cp.square(cp.inv_pos(r_u))
        + p["down_j_nu"] @ cp.square(q)
        + p["down_j_over_4nu"] @ cp.square(cp.inv_pos(r_d))
    )
    return by_the_paper + power.energy(p, g, r_u, r_d) if "load" in p else by_the_paper


_compiled = lru_cache(maxsize=4)(ConvexProblem.of)


def solve_convex(
    instance: Instance,
    server: Ints,
    phi: Floats,
    price: Price,
    last: Shares,
    solvers: tuple[str, ...] = SOLVERS,
    *,
    tolerance: float = _TOLERANCE,
    options: dict[str, dict[str, Any]] | None = None,
) -> tuple[Shares, float, Solved]:
    """Solve the convex problem with nu = 1 / (2 A r) of the last point.

    Parameters
    ----------
    instance, server, phi
        The snapshot with the association and phi in force.
    price : Price
    last : Shares
        The last point, all shares > 0.
    solvers, tolerance, options
        As for :func:`mecsim_policies.dashf_reference.solvers.solve_in_turn`.

    Returns
    -------
    The shares, the convex problem's value (-F / s1 with the transform's energies), the solver's result.

    Raises
    ------
    NoSolution
        If no solver succeeds.
    """
    k = Constants.of(instance, server, phi)
    law, capped = k.rate_law, (has_cap(k.rate_law.up), has_cap(k.rate_law.down))
    powered, mean = instance.power is not None, counts_mean(instance)
    convex = _compiled(instance.user_count, instance.server_count, powered, capped, mean)
    r_u, r_d = k.rates(last)
    delay_s = k.local_s / last.own + k.server_s / last.gpu + k.up_s / r_u + k.down_s / r_d
    scale_s = max(float(delay_s.max()), 1e-300)
    values = {
        "local_s": k.local_s / scale_s,
        "server_s": k.server_s / scale_s,
        "up_s": k.up_s / r_u / scale_s,
        "down_s": k.down_s / r_d / scale_s,
        "local_j": price.per_j * k.local_j,
        "server_j": price.per_j * k.server_j,
        **_radio_energy("up", price.per_j * k.up_j, last.up, r_u),
        **_radio_energy("down", price.per_j * k.down_j, last.down, r_d),
        **conic_constants("up", law.up, k.up_snr, last.band, last.up, r_u),
        **conic_constants("down", law.down, k.down_snr, last.band, last.down, r_d),
        "member": (server == np.arange(instance.server_count)[:, None]).astype(np.float64),
        "per_longest": price.per_s * scale_s,
        "slope": instance.score_law.slope,
    }
    values |= power.values(instance, server, price.per_j, k, (k.up_s / r_u, k.down_s / r_d))
    for name, value in values.items():
        convex.parameters[name].value = value
    solved = solve_in_turn(convex.problem, installed(solvers), convex.residual, tolerance, options)
    columns = (np.maximum(variable.value, _LEAST) for variable in convex.variables)
    return Shares(*columns), float(convex.problem.value), solved


def _radio_energy(link: str, energy_j: Floats, power: Floats, rate: Floats) -> dict[str, Floats]:
    """Return the transform's constants of one direction, touching at the last point."""
    nu = 0.5 / (power * rate)
    return {f"{link}_j_nu": energy_j * nu, f"{link}_j_over_4nu": energy_j / (4.0 * nu * rate**2)}
