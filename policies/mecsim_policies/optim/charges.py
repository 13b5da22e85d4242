"""Work with charges, where the ends of phi are cheaper than what lies between: which problem is solved then.

Here ``PHI`` is phi as a part of the largest phi that fits into the user's memory, so it is in [0, 1] and
its ends are those of the allowed interval. The work of a user is a constant at either end and affine in
between, with jumps at the ends. Two problems without jumps stand in for it:

- the *relaxed* one, linear from end to end, which is the convex envelope, as charges only raise the interior;
- the *settled* one, in which users who are at an end stay there and the others move in the interior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim.system.round_work import RoundWork
from mecsim_policies.optim.loads import Loads
from mecsim_policies.optim.work_factors import WorkFactors


class Works(NamedTuple):
    """Work at both ends of an interval of phi: FLOP an epoch and bits, each (2, 2, N).

    The first axis is GPU and radio, the second the user's side (own GPU, uplink) and the server's (its GPU,
    downlink).
    """

    at_0: Floats
    at_1: Floats

    def tiled(self, copies: int) -> Works:
        """Return the same for each of several copies of the users."""
        return self if copies == 1 else Works(*(np.tile(each, (1, 1, copies)) for each in self))

    def loads(self, units: Loads) -> tuple[Loads, Loads]:
        """Return what multiplies ``PHI`` (user's side) and ``1 - PHI`` (server's), and what is added to it.

        ``units`` are the loads of one FLOP an epoch and of one bit.
        """
        linear, fixed = self.at_1 - self.at_0, self.at_0.copy()
        linear[:, 1] *= -1.0
        fixed[:, 1] = self.at_1[:, 1]
        return _loaded(units, linear), _loaded(units, fixed)


@dataclass(frozen=True, eq=False, slots=True)
class Charges:
    """The work of every user at the ends and between them.

    Parameters
    ----------
    ends : Works
        At phi = 0 and at the largest phi.
    inside : Works
        What the affine work between the ends has as limits there, its charges included.
    largest : (N,) float
        The largest phi.
    """

    ends: Works
    inside: Works
    largest: Floats

    @classmethod
    def of(cls, instance: Instance, work: WorkFactors | None = None) -> Charges | None:
        """Return the charges of an instance; None where phi has no bound and the work is the paper's.

        Parameters
        ----------
        instance : Instance
        work : WorkFactors, optional
            What is left of the rounds of users whose phi is fixed, as FLOP an epoch and bits.
        """
        largest = instance.users.local_fraction_max
        if instance.work is None and (largest == 1.0).all():
            return None
        affine = instance.affine_work()
        none = np.zeros_like(largest)
        ends = Works(_at(affine, none), _at(affine, largest))
        inside = Works(
            _stacked(
                affine.local_fixed_flop,
                affine.server_flop + affine.server_fixed_flop,
                affine.uplink_fixed_bits,
                affine.downlink_bits + affine.downlink_fixed_bits,
            ),
            _stacked(
                affine.local_flop * largest + affine.local_fixed_flop,
                affine.server_flop * (1.0 - largest) + affine.server_fixed_flop,
                affine.uplink_bits * largest + affine.uplink_fixed_bits,
                affine.downlink_bits * (1.0 - largest) + affine.downlink_fixed_bits,
            ),
        )
        # Nothing fits: both ends are phi = 0. What is left of a round does not depend on phi either.
        inside = Works(*(np.where(largest > 0.0, each, ends.at_0) for each in inside))
        if work is not None:
            left = _stacked(work.local, work.server, work.uplink, work.downlink)
            ends, inside = (
                Works(*(np.where(work.fixed, left, each) for each in both)) for both in (ends, inside)
            )
        return cls(ends, inside, largest)

    def settled(self, phi: Floats) -> Works:
        """Return the work in which users at an end stay there, for K copies of the users, phi (K N,)."""
        copies = len(phi) // len(self.largest)
        inside = (phi > 0.0) & (phi < 1.0)
        ends, between = self.ends.tiled(copies), self.inside.tiled(copies)
        held = np.where(phi >= 1.0, ends.at_1, ends.at_0)
        return Works(np.where(inside, between.at_0, held), np.where(inside, between.at_1, held))

    def part_of(self, phi: Floats) -> Floats:
        """Return phi, (N,), as a part of the largest one; 0 where nothing fits."""
        part = np.divide(phi, self.largest, out=np.zeros_like(phi), where=self.largest > 0.0)
        return np.minimum(part, 1.0)


def _loaded(units: Loads, works: Floats) -> Loads:
    return Loads(*(unit * works[k % 2] for k, unit in enumerate(units)))


def _at(affine: RoundWork[Floats], phi: Floats) -> Floats:
    return _stacked(affine.local(phi), affine.server(phi), affine.uplink(phi), affine.downlink(phi))


def _stacked(local: Floats, server: Floats, uplink: Floats, downlink: Floats) -> Floats:
    return np.array([[local, server], [uplink, downlink]])
