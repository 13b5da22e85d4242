"""An association's resources and phi as shares of budgets, and the delays, energies and scores they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.rates import RateLaw
from mecsim_policies.optim.charges import Charges, Works
from mecsim_policies.optim.loads import Loads
from mecsim_policies.optim.power_terms import PowerTerms
from mecsim_policies.optim.price import Price, Totals
from mecsim_policies.optim.weights import counts_mean
from mecsim_policies.optim.work_factors import WorkFactors

BAND, DOWN, GPU, UP, OWN, PHI = range(6)
SHARED = 3
# The two sides of a user as rows of shares.T: its own first, then the server's; slices make views.
SPEEDS = slice(OWN, DOWN, -2)
POWERS = slice(UP, BAND, -2)


@dataclass(frozen=True, eq=False, slots=True)
class ShareProblem:
    """What the columns of ``shares`` (K N, 6) decide for K associations of N users; K is mostly 1.

    ``BAND, DOWN, GPU`` are b/B, q/P, g/F of the server, ``UP, OWN`` are p/P and f/F of the user, and
    ``PHI`` is phi, in parts of the largest that fits the user's memory. With ``rho(a, c, w)`` the rate in nat
    of the instance's rate law, by Shannon ``a ln(1 + c w / a)``, the delays and energies of a user are

    ======== ============================== ================================
    local    ``phi train_s0 / own``         ``phi train_j0 own^2``
    uplink   ``phi radio_s0 / rho(band, snr0, up)``  ``phi radio_j0 up / rho``
    server   ``(1-phi) train_s1 / gpu``     ``(1-phi) train_j1 gpu^2``
    downlink ``(1-phi) radio_s1 / rho(band, snr1, down)``  ``(1-phi) radio_j1 down / rho``
    ======== ============================== ================================

    The constants are those of the whole work, times and energies with the weights of users. ``train_s``,
    ``radio_s``, ``train_j``, ``radio_j`` and ``snr`` have shape (2, K N): row 0 is the user's side (own GPU,
    uplink), row 1 the server's. With ``power`` the GPUs of a server may be shared, where ``drive(A)`` takes
    the place of ``gpu^2``, and links have electronics. ``server`` (K N,) counts the servers of all copies,
    ``k M + m``; ``member`` (K, M, N) is 1 where the user is the server's. Copies share nothing: each has its
    own largest delay, or mean one where ``mean`` says so. ``fixed`` is added to what ``PHI`` multiplies. With
    ``charges`` the constants are those of one FLOP an epoch and one bit, work jumps at the ends of phi;
    :meth:`relaxed` or :meth:`settled` is solved instead.
    """

    server: Ints
    member: Floats
    train_s: Floats
    radio_s: Floats
    train_j: Floats
    radio_j: Floats
    snr: Floats
    slope: float
    rate_law: RateLaw
    power: PowerTerms | None = None
    fixed: Loads | None = None
    charges: Charges | None = None
    mean: bool = False

    @classmethod
    def of(cls, instance: Instance, server: Ints, work: WorkFactors | None = None) -> ShareProblem:
        """Return the problem of an instance with the association fixed, of whole rounds by default."""
        s, charges, link = instance.servers, Charges.of(instance, work), (np.arange(len(server)), server)
        noise_w = instance.noise_w_per_hz * s.bandwidth_hz[server]
        up = instance.gain[link] * instance.users.max_power_w / noise_w
        down = instance.downlink_gain[link] * s.max_power_w[server] / noise_w
        return cls(
            **Loads.of(instance, server, work, units=charges is not None)._asdict(),
            server=server,
            member=(server == np.arange(instance.server_count)[:, None])[None].astype(np.float64),
            snr=np.stack([up, down]),
            slope=instance.score_law.slope,
            rate_law=instance.rate_law,
            power=PowerTerms.of(instance, server),
            charges=charges,
            mean=counts_mean(instance),
        )

    @classmethod
    def stack(cls, everyone_at: tuple[ShareProblem, ...], servers: Ints) -> ShareProblem:
        """Return the problem of many associations at once.

        Parameters
        ----------
        everyone_at : tuple of ShareProblem
            For each server m the problem in which every user is with m.
        servers : (K, N) int
            The associations.
        """
        (copies, users), count = servers.shape, len(everyone_at)

        def each(name: str) -> Any:
            table = np.stack([getattr(problem, name) for problem in everyone_at])
            return np.ascontiguousarray(table[servers, :, np.arange(users)].reshape(copies * users, 2).T)

        server = (servers + count * np.arange(copies)[:, None]).ravel()
        powers = [problem.power for problem in everyone_at if problem.power is not None]
        return cls(
            server=server,
            member=(servers[:, None, :] == np.arange(count)[:, None]).astype(np.float64),
            **{name: each(name) for name in (*Loads._fields, "snr")},
            slope=everyone_at[0].slope,
            rate_law=everyone_at[0].rate_law,
            power=PowerTerms.stack(powers, servers, server) if powers else None,
            charges=everyone_at[0].charges,
            mean=everyone_at[0].mean,
        )

    def take(self, copies: NDArray[np.bool_]) -> ShareProblem:
        """Return the problem of some of the copies."""
        _, servers, users = self.member.shape
        chosen = np.flatnonzero(copies)
        of_users = (chosen[:, None] * users + np.arange(users)).ravel()
        own = self.server[of_users].reshape(-1, users) - servers * chosen[:, None]
        server = (own + servers * np.arange(len(chosen))[:, None]).ravel()
        return replace(
            self,
            server=server,
            power=None if self.power is None else self.power.take(of_users, server, servers * len(chosen)),
            member=self.member[chosen],
            **{name: getattr(self, name)[:, of_users] for name in (*Loads._fields, "snr")},
            fixed=None if self.fixed is None else Loads(*(each[:, of_users] for each in self.fixed)),
        )

    def smoothed(self, width: float, speed_width: float = 0.0) -> ShareProblem:
        """Return the problem with the kinks of its rates and of shared GPUs smoothed; itself without any."""
        law, power = self.rate_law.smoothed(width), self.power
        power = None if power is None else power.smoothed(speed_width)
        same = law is self.rate_law and power is self.power
        return self if same else replace(self, rate_law=law, power=power)

    def used(self, shares: Floats) -> Floats:
        """Return the used part of each server's three budgets, (K M, 3)."""
        copies, servers, users = self.member.shape
        used = self.member @ shares[:, :SHARED].reshape(copies, users, SHARED)
        return np.asarray(used.reshape(copies * servers, SHARED))

    def sharers(self) -> Floats:
        """Return the number of users of each user's server, (K N,)."""
        return np.asarray(self.member.sum(axis=2).ravel()[self.server])

    def evaluate(self, shares: Floats) -> tuple[Floats, Floats, Floats]:
        """Return delay in s, energy in J and score / s1 of every user, each (N,)."""
        rows = shares.T
        if self.charges is not None:
            return self.settled(rows[PHI]).evaluate(shares)
        part, band, speed, power = self.parts(rows[PHI]), rows[BAND], rows[SPEEDS], rows[POWERS]
        rate, fixed, effort = self.rate_law.nat_rates(band, power, self.snr), self.fixed, speed**2
        if self.power is not None and self.power.shares:
            effort = self.power.effort(self.loads(rows[PHI]).train_s[1], speed)
        per_rate = part / rate
        train_s, radio_s = self.train_s * part / speed, self.radio_s * per_rate
        sides_j = self.train_j * part * effort + self.radio_j * power * per_rate
        if fixed is not None:
            train_s, radio_s = train_s + fixed.train_s / speed, radio_s + fixed.radio_s / rate
            sides_j = sides_j + fixed.train_j * effort + fixed.radio_j * power / rate
        if self.power is not None:
            sides_j = sides_j + self.power.electronics_w * radio_s
        score, sides_s = np.log1p(self.slope * (band + rows[DOWN] + rows[GPU])), train_s + radio_s
        return sides_s[0] + sides_s[1], sides_j[0] + sides_j[1], score

    def loads(self, phi: Floats) -> Loads:
        """Return times and energies with all of every resource for phi, (K N,)."""
        part, whole = self.parts(phi), (self.train_s, self.radio_s, self.train_j, self.radio_j)
        if self.fixed is None:
            return Loads(*(part * each for each in whole))
        return Loads(*(part * each + fixed for each, fixed in zip(whole, self.fixed, strict=True)))

    def load_at(self, shares: Floats) -> Loads:
        """Return the loads at the phi of shares, the true ones at its ends."""
        return self.settled(shares[:, PHI]).loads(shares[:, PHI])

    def relaxed(self) -> ShareProblem:
        """Return the problem whose work is linear from end to end of phi; this one without charges."""
        return self if self.charges is None else self._between(self.charges.ends.tiled(len(self.member)))

    def settled(self, phi: Floats) -> ShareProblem:
        """Return the problem in which users at an end of phi, (K N,), stay there whatever ``PHI`` is."""
        return self if self.charges is None else self._between(self.charges.settled(phi))

    def _between(self, works: Works) -> ShareProblem:
        linear, fixed = works.loads(Loads(self.train_s, self.radio_s, self.train_j, self.radio_j))
        return replace(self, **linear._asdict(), fixed=fixed, charges=None)

    @staticmethod
    def parts(phi: Floats) -> Floats:
        """Return phi and 1 - phi, shape (2, N)."""
        part = np.empty((2, len(phi)))
        part[0], part[1] = phi, 1.0 - phi
        return part

    def costs(self, price: Price, shares: Floats) -> Floats:
        """Return ``per_s D + per_j sum E - sum score / s1`` of every copy, which is -F / s1, (K,)."""
        delay_s, energy_j, score = self.evaluate(shares)
        own = (price.per_j * energy_j - score).reshape(len(self.member), -1)
        return np.asarray(price.per_s * self.counted_s(delay_s) + own.sum(axis=1))

    def counted_s(self, delay_s: Floats) -> Floats:
        """Return the delay that counts of every copy, (K,): the largest or the mean one."""
        each = delay_s.reshape(len(self.member), -1)
        return np.asarray(each.mean(axis=1) if self.mean else each.max(axis=1))

    def totals(self, shares: Floats) -> Totals:
        """Return the totals of a problem with one copy."""
        delay_s, energy_j, score = self.evaluate(shares)
        return Totals(float(self.counted_s(delay_s)[0]), float(energy_j.sum()), float(score.sum()))

    def cost(self, price: Price, shares: Floats) -> float:
        """Return the cost of a problem with one copy."""
        return self.totals(shares).cost(price)

    def scr(self, instance: Instance, shares: Floats) -> float:
        """Return the service-cost ratio of a problem with one copy."""
        return self.totals(shares).scr(instance)

    def equal_split(self, local_fraction: Floats, fill: float = 0.9) -> Floats:
        """Return shares strictly inside all bounds: every budget split equally, ``fill`` of it used."""
        users = self.sharers()
        shares = np.full((len(users), 6), fill)
        shares[:, :SHARED] = (fill / users)[:, None]
        shares[:, PHI] = local_fraction
        if self.power is not None:
            shares[:, OWN] = self.power.own_floor + fill * (1.0 - self.power.own_floor)
        return shares

    def of_allocation(self, instance: Instance, allocation: Allocation) -> Floats:
        """Return the shares that an allocation with this association gives."""
        s, u, m = instance.servers, instance.users, self.server
        columns = (
            allocation.bandwidth_hz / s.bandwidth_hz[m],
            allocation.server_power_w / s.max_power_w[m],
            allocation.server_gpu_flops / s.max_gpu_flops[m],
            allocation.user_power_w / u.max_power_w,
            allocation.user_gpu_flops / u.max_gpu_flops,
            allocation.local_fraction,
        )
        if self.charges is not None:
            columns = (*columns[:-1], self.charges.part_of(columns[-1]))
        return np.stack(columns, axis=1)

    def inside(self, shares: Floats, margin: float, *, move_phi: bool = False) -> Floats:
        """Return interior shares: every budget and bound of resources keeps a slack of ``margin``.

        Shares are at least ``margin`` of an equal part too: one that is too small costs a Newton
        step for each doubling. With ``move_phi`` phi is moved inside its bounds as well.
        """
        users = self.sharers()
        inner: Floats = np.maximum(shares, margin * 10.0 / np.maximum(users, 10.0)[:, None])
        inner[:, UP:PHI] = np.minimum(inner[:, UP:PHI], 1.0 - margin)
        used = self.used(inner)[self.server]
        inner[:, :SHARED] *= np.minimum(1.0, (1.0 - margin) / used)
        inner[:, PHI] = phi = shares[:, PHI]
        if move_phi:
            inner[:, PHI] = np.clip(phi, 2.0 * margin, 1.0 - 2.0 * margin)
            if self.charges is not None:  # who is at an end stays there
                inner[:, PHI] = np.where(np.isin(phi, (0.0, 1.0)), phi, inner[:, PHI])
            # A user at phi = 0 does not use these, so any value will do; phi itself must be able to leave 0.
            inner[phi <= 0, UP:PHI] = np.minimum(inner[phi <= 0, UP:PHI], 0.5)
        if self.power is not None:
            room = margin * (1.0 - self.power.own_floor)
            inner[:, OWN] = np.clip(inner[:, OWN], self.power.own_floor + room, 1.0 - room)
        return inner

    def own_in_full(self, shares: Floats) -> Floats:
        """Return shares with p and f at their bounds for users who do not need them (phi = 0).

        It costs nothing, and serves rounds that were begun with another phi.
        """
        full, unused = shares.copy(), shares[:, PHI] == 0.0
        full[unused, OWN] = 1.0
        if self.charges is not None or self.fixed is not None:  # data may have to be sent
            unused &= self.relaxed().loads(np.zeros(len(shares))).radio_s[0] == 0.0
        full[unused, UP] = 1.0
        return full

    def allocation(self, instance: Instance, shares: Floats) -> Allocation:
        """Return the allocation of shares, scaled back where it would exceed a budget."""
        s, u, m = instance.servers, instance.users, self.server
        used, sharers = self.used(shares)[m], self.sharers()
        # What rounding can add to the sum of k grants must not pass the budget either.
        grain = 1.0 + np.finfo(np.float64).eps * (sharers + 2.0)
        shared = shares[:, :SHARED] / np.maximum(used * grain[:, None], 1.0)
        own = np.minimum(self.own_in_full(shares)[:, UP:PHI], 1.0)
        return Allocation(
            server=m,
            local_fraction=shares[:, PHI] * (1.0 if self.charges is None else self.charges.largest),
            bandwidth_hz=shared[:, BAND] * s.bandwidth_hz[m],
            user_power_w=own[:, 0] * u.max_power_w,
            server_power_w=shared[:, DOWN] * s.max_power_w[m],
            user_gpu_flops=own[:, 1] * u.max_gpu_flops,
            server_gpu_flops=shared[:, GPU] * s.max_gpu_flops[m],
        )
