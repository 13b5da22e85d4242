"""What a user can do as seen from the prices: a server and an end of phi, with the work that is left there.

At given shares delay and energy are affine in phi and the score does not depend on it, so the best phi of an
interval is at one of its ends; charges only raise the cost between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.power import PowerSpec
from mecsim.system.rate_spec import SpectralEfficiency
from mecsim_policies.optim.weights import UserWeights

_LN_2 = float(np.log(2.0))


class Link(NamedTuple):
    """One direction of the links of K alternatives, arrays (K,).

    With shares of band b and power p, ``u = snr p / b`` and ``z = min(ln(1 + u), kink)``, a transfer takes
    ``time_s / (b z)`` and draws ``power_w p + electronics_w``. Without a transfer ``time_s`` is 0.
    """

    time_s: Floats
    snr: Floats
    kink: Floats
    power_w: Floats
    electronics_w: Floats

    def take(self, rows: Any) -> Link:
        """Return some of the rows."""
        return Link(*(column[rows] for column in self))


class Ends(NamedTuple):
    """Which alternatives to describe: arrays (K,), sorted by user.

    ``inside`` marks limits from between the ends of phi, where both sides train. A downlink has a share of
    the server's power between ``least_power`` and ``most_power``. ``whole`` marks those who take nearly the
    most of it; the others are before them, with the same work and less power.
    """

    user: Ints
    server: Ints
    phi: Floats
    inside: NDArray[np.bool_]
    least_power: Floats
    most_power: Floats
    whole: NDArray[np.bool_]

    def take(self, rows: Any) -> Ends:
        """Return some of the rows."""
        return Ends(*(column[rows] for column in self))


@dataclass(frozen=True, eq=False, slots=True)
class Alternatives:
    """The work of K alternatives, arrays (K,), sorted by user; speeds and powers are shares of the largest.

    Times and energies count with the weights of their users.

    Parameters
    ----------
    ends : Ends
    own_s, own_j : time in s and energy in J of the user's training at full speed
    own_floor : least share of the user's speed
    gpu_s, gpu_j : those of the server's training
    up, down : Link
    """

    ends: Ends
    own_s: Floats
    own_j: Floats
    own_floor: Floats
    gpu_s: Floats
    gpu_j: Floats
    up: Link
    down: Link

    @classmethod
    def of(cls, instance: Instance, ends: Ends) -> Alternatives:
        """Return the work at some ends of phi; constants that are not finite are those of no alternative."""
        n, m = ends.user, ends.server
        u, s = instance.users, instance.servers
        power = instance.power or PowerSpec.plain(instance.user_count, instance.server_count)
        local, server, up_bits, down_bits = _work(instance, ends)
        local, server = local * u.epochs[n], server * s.epochs[m]
        noise_w = instance.noise_w_per_hz * s.bandwidth_hz[m]
        band_hz, rate = s.bandwidth_hz[m], instance.rate
        weights = UserWeights.of(instance)
        a, c = (1.0, 1.0) if weights is None else (weights.delay[n], weights.energy[n])
        per_w = 1.0 if weights is None else weights.joules_per_second[n]
        return cls(
            ends=ends,
            own_s=a * local / (u.gpu_count[n] * u.max_gpu_flops[n]),
            own_j=c * u.kappa[n] * u.max_gpu_flops[n] ** 2 * local,
            own_floor=power.users.min_gpu_flops[n] / u.max_gpu_flops[n],
            gpu_s=a * server / (s.gpu_count[m] * s.max_gpu_flops[m]),
            gpu_j=c * s.kappa[m] * s.max_gpu_flops[m] ** 2 * server,
            up=_link(
                rate.up,
                a * up_bits / band_hz,
                instance.gain[n, m] * u.max_power_w[n] / noise_w,
                per_w * u.max_power_w[n],
                per_w * power.electronics_w("user", n, m),
            ),
            down=_link(
                rate.down,
                a * down_bits / band_hz,
                instance.downlink_gain[n, m] * s.max_power_w[m] / noise_w,
                per_w * s.max_power_w[m],
                per_w * power.electronics_w("server", n, m),
            ),
        )

    @property
    def possible(self) -> NDArray[np.bool_]:
        """Where every work can be done in a finite time, (K,)."""
        good = np.ones(len(self.own_s), dtype=bool)
        for link in (self.up, self.down):
            good &= (link.time_s == 0) | (link.snr > _LEAST_SNR)
        for column in (self.own_s, self.own_j, self.gpu_s, self.gpu_j, self.up.time_s, self.down.time_s):
            good &= np.isfinite(column)
        return good

    def take(self, rows: Any) -> Alternatives:
        """Return some of the rows, by mask or sorted indices."""
        own, own_floor = (self.own_s[rows], self.own_j[rows]), self.own_floor[rows]
        links = self.up.take(rows), self.down.take(rows)
        return Alternatives(self.ends.take(rows), *own, own_floor, self.gpu_s[rows], self.gpu_j[rows], *links)

    def with_power(self, low: Floats, high: Floats) -> Alternatives:
        """Return these with downlinks whose shares of power are in other ranges, (K,)."""
        whole = np.zeros(len(low), dtype=bool)
        return replace(self, ends=self.ends._replace(least_power=low, most_power=high, whole=whole))


# With less a full transmission carries less than 1e-100 nat a second and hertz.
_LEAST_SNR = 1e-100


def ends_of_phi(instance: Instance, allowed: NDArray[np.bool_]) -> Ends:
    """Return the two ends of phi of every user at every server that it may have, (N, M)."""
    n, m = np.nonzero(allowed)
    user, server = np.repeat(n, 2), np.repeat(m, 2)
    most = instance.users.local_fraction_max
    phi = np.stack([np.zeros(len(n)), most[n]], axis=1).ravel()
    once = (most[user] > 0) | (np.arange(len(user)) % 2 == 0)
    none, any_power = np.zeros(len(user), dtype=bool), (np.zeros(len(user)), np.ones(len(user)))
    return with_whole_power(Ends(user, server, phi, none, *any_power, none).take(once))[0]


def with_whole_power(ends: Ends) -> tuple[Ends, Ints]:
    """Return ends of phi that have a downlink twice, and which they were."""
    copies = 1 + (ends.inside | (ends.phi < 1.0))
    row = np.repeat(np.arange(len(copies)), copies)
    again = np.append(False, row[1:] == row[:-1])
    return ends.take(row)._replace(whole=again), row


def _work(instance: Instance, ends: Ends) -> Iterator[Floats]:
    """Yield FLOP an epoch of the user and of the server, and bits up and down, each (K,)."""
    work, phi = instance.affine_work().of_users(ends.user), ends.phi
    both = ends.inside | ((phi > 0.0) & (phi < 1.0))
    yield work.local_flop * phi + work.local_fixed_flop * (both | (phi > 0.0))
    yield work.server_flop * (1.0 - phi) + work.server_fixed_flop * (both | (phi < 1.0))
    data = work.uplink_data_bits * (~both & (phi <= 0.0))
    yield work.uplink_bits * phi + work.uplink_fixed_bits * both + data
    yield work.downlink_bits * (1.0 - phi) + work.downlink_fixed_bits * both


def _link(
    law: SpectralEfficiency, bits_per_hz: Floats, snr: Floats, power_w: Floats, electronics_w: Floats
) -> Link:
    time_s = bits_per_hz * _LN_2 / ((1.0 - law.overhead) * law.efficiency)
    kink = np.full(len(snr), law.cap_bps_hz * _LN_2 / law.efficiency)
    return Link(time_s, snr / law.gap, kink, power_w, electronics_w)
