"""The work of a round where it is more than the adapter's share: affine in phi, with charges at the ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.equations import Value


@dataclass(frozen=True, eq=False, slots=True)
class RoundWork(Generic[Value]):
    """The work of a round, docs/model.md section 2, before the epochs: arrays (N,), or numbers for one user.

    Parameters
    ----------
    local_flop, local_fixed_flop
        The user trains ``local_flop phi``, and ``local_fixed_flop`` besides if phi > 0; FLOP an epoch.
    server_flop, server_fixed_flop
        The server trains ``server_flop (1 - phi)``, and ``server_fixed_flop`` besides if phi < 1.
    uplink_bits, uplink_fixed_bits, uplink_data_bits
        The user sends ``uplink_bits phi``, and ``uplink_fixed_bits`` besides if both train
        (0 < phi < 1), or ``uplink_data_bits`` if the server trains alone (phi = 0).
    downlink_bits, downlink_fixed_bits
        The server sends ``downlink_bits (1 - phi)``, and ``downlink_fixed_bits`` besides if both train.
    """

    local_flop: Value
    local_fixed_flop: Value
    server_flop: Value
    server_fixed_flop: Value
    uplink_bits: Value
    uplink_fixed_bits: Value
    uplink_data_bits: Value
    downlink_bits: Value
    downlink_fixed_bits: Value

    def local(self, phi: Any) -> Any:
        """Return the FLOP of the user in one epoch."""
        return self.local_flop * phi + self.local_fixed_flop * (phi > 0.0)

    def server(self, phi: Any) -> Any:
        """Return the FLOP of the server in one epoch."""
        return self.server_flop * (1.0 - phi) + self.server_fixed_flop * (phi < 1.0)

    def uplink(self, phi: Any) -> Any:
        """Return the bits that the user sends."""
        charge = self.uplink_fixed_bits * ((phi > 0.0) & (phi < 1.0)) + self.uplink_data_bits * (phi <= 0.0)
        return self.uplink_bits * phi + charge

    def downlink(self, phi: Any) -> Any:
        """Return the bits that the server sends."""
        return self.downlink_bits * (1.0 - phi) + self.downlink_fixed_bits * ((phi > 0.0) & (phi < 1.0))

    def of_users(self, chosen: Ints | NDArray[np.bool_]) -> RoundWork[Any]:
        """Return the work of some of the users, by index or mask."""
        return RoundWork(**{name: column[chosen] for name, column in self._columns()})

    @classmethod
    def joined(cls, parts: Sequence[RoundWork[Floats]]) -> RoundWork[Floats]:
        """Return the work of the users of all parts, one after the other."""
        columns = zip(*(part._columns() for part in parts), strict=True)
        return RoundWork(*(np.concatenate([column for _, column in each]) for each in columns))

    def made_read_only(self) -> RoundWork[Any]:
        """Return the same with read-only arrays of floats."""
        return RoundWork(**{name: frozen(column) for name, column in self._columns()})

    def problems(self, users: int) -> Iterator[str]:
        """Yield what is wrong with the arrays for so many users."""
        for name, column in self._columns():
            if np.shape(column) != (users,):
                yield f"work.{name}: the shape is {np.shape(column)}, must be {(users,)}"
                return
        for name, column in self._columns():
            wrong = np.flatnonzero(~(np.isfinite(column) & (column >= 0)))
            yield from (f"users[{n}].work.{name} = {column[n]}: must be a finite number >= 0" for n in wrong)
        for n in np.flatnonzero(np.asarray(self.uplink_data_bits > self.uplink_fixed_bits)):
            value = self.uplink_data_bits[n]  # type: ignore[index]  # an array here
            yield f"users[{n}].work.uplink_data_bits = {value}: must be <= uplink_fixed_bits"

    def _columns(self) -> Iterator[tuple[str, Any]]:
        return ((field.name, getattr(self, field.name)) for field in fields(self))


def work_of_the_paper(
    adapter_params: Floats, flops_per_param: Floats, bits_per_param: float
) -> RoundWork[Floats]:
    """Return the paper's work in this form: that of the adapter alone, without charges."""
    flop, bits, none = adapter_params * flops_per_param, adapter_params * bits_per_param, 0.0 * adapter_params
    return RoundWork(flop, none, flop, none, bits, none, none, bits, none)
