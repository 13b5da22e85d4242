"""What a policy decides, and whether it keeps the constraints."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import InvalidAllocation
from mecsim.messages import counted
from mecsim.overview import Overview, Shown
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.devices import Devices
from mecsim.system.power import PowerSpec
from mecsim.system.resources import GRANTS

TOLERANCE = 1e-6
_MOST_ROWS = 12


class Violation(NamedTuple):
    """One broken constraint: ``where``'s ``field`` is ``value`` although ``rule``.

    ``excess`` is how far the bound is passed, relative to the bound (infinite where no size
    can be given: NaN, a wrong shape, an unknown server).
    """

    field: str
    where: str
    value: object
    rule: str
    excess: float

    def __str__(self) -> str:
        return f"{self.field} of {self.where} = {self.value}: {self.rule}"


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Allocation(Shown):
    """One decision for every user, docs/model.md section 1. Arrays are copied and read-only.

    Parameters
    ----------
    server : (N,) int
        Index of the serving server, m(n).
    local_fraction : (N,) float
        Share of the adapter that the user trains, phi in [0, 1].
    bandwidth_hz : (N,) float
        Bandwidth of the user's link, b.
    user_power_w, server_power_w : (N,) float
        Transmit power of the user, p, and of its server towards it, q.
    user_gpu_flops, server_gpu_flops : (N,) float
        Speed of one GPU in FLOP/s: the user's, f, and the server's for this user, g.

    Raises
    ------
    InvalidAllocation
        If a field cannot be read as an array of numbers, or a server is not a whole number.
    """

    server: Ints
    local_fraction: Floats
    bandwidth_hz: Floats
    user_power_w: Floats
    server_power_w: Floats
    user_gpu_flops: Floats
    server_gpu_flops: Floats

    def __post_init__(self) -> None:
        for name in _NAMES:
            array = _numbers(name, getattr(self, name))
            object.__setattr__(self, name, frozen(array, np.int64 if name == "server" else np.float64))

    @property
    def columns(self) -> tuple[Floats, ...]:
        """All fields but ``server``, in the order of the class."""
        return (
            self.local_fraction,
            self.bandwidth_hz,
            self.user_power_w,
            self.server_power_w,
            self.user_gpu_flops,
            self.server_gpu_flops,
        )

    def overview(self) -> Overview:
        """Return the grants of the first users, a row each."""
        rows = [(f"user {n}", self._row(n)) for n in range(min(self.server.size, _MOST_ROWS))]
        left = self.server.size - len(rows)
        rows += [("...", f"and {counted(left, 'more user')}")] if left else []
        return Overview(f"Allocation for {counted(self.server.size, 'user')}", rows)

    def _row(self, n: int) -> str:
        """Return the grants of one user in words."""
        phi, bandwidth_hz, *rest = (column.ravel()[n] for column in self.columns)
        up_w, down_w, user_flops, server_flops = rest
        return (
            f"server {self.server.ravel()[n]}, phi {phi:.3g}, {bandwidth_hz / 1e6:.4g} MHz, {up_w:.3g} W up, "
            f"{down_w:.3g} W down, GPUs {user_flops / 1e12:.3g} and {server_flops / 1e12:.3g} TFLOP/s"
        )

    def violations(self, instance: Devices, tolerance: float = TOLERANCE) -> tuple[Violation, ...]:
        """Return every broken constraint of docs/model.md section 1, none for a feasible allocation.

        Parameters
        ----------
        instance : Devices
            The system that the allocation is for, usually an instance: N users, M servers, their budgets.
        tolerance : float
            A bound may be passed by this much, relative to it.
        """
        misshapen = _wrong_shapes(self, instance)
        if misshapen:
            return misshapen
        found = _unknown_servers(self, instance)
        known = not found
        users = instance.users
        most = users.local_fraction_max
        found += _out_of_range("local_fraction", self.local_fraction, most, -tolerance, tolerance)
        for name, budget, owner in GRANTS:
            values = getattr(self, name)
            if owner == "user":
                bound = getattr(users, budget)
                found += _out_of_range(name, values, bound, -tolerance * bound, tolerance)
                continue
            budgets = getattr(instance.servers, budget)
            wrong = _out_of_range(name, values, None, -tolerance * budgets.max(), tolerance)
            if known and not wrong:
                wrong = _over_budget(name, values, self.server, budgets, tolerance)
            found += wrong
        return found if instance.power is None else found + _too_slow(self, instance.power, tolerance)


_NAMES = tuple(field.name for field in fields(Allocation))
_COLUMN_NAMES = _NAMES[1:]


def _numbers(name: str, given: object) -> NDArray[Any]:
    """Return a field as an array of numbers; raise InvalidAllocation if it holds others."""
    whole = name == "server"
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InvalidAllocation(_no_numbers(name, given, whole)) from error
    if array.dtype.kind not in "iuf" or (whole and not _are_whole(array)):
        raise InvalidAllocation(_no_numbers(name, given, whole))
    return array


def _no_numbers(field: str, given: object, whole: bool) -> str:
    shown = " ".join(repr(given).split())
    shown = shown if len(shown) <= 200 else f"{shown[:200]}..."
    return f"{field} = {shown}: must be an array of {'whole numbers' if whole else 'numbers'}"


def _are_whole(array: NDArray[Any]) -> bool:
    if array.dtype.kind != "f":
        return True
    exact = np.isfinite(array) & (np.abs(array) < 2.0**53) & (array == np.rint(array))
    return bool(exact.all())


def _wrong_shapes(allocation: Allocation, instance: Devices) -> tuple[Violation, ...]:
    expected = instance.users.adapter_params.shape
    return tuple(
        Violation(
            name, "all users", f"array of shape {values.shape}", f"the shape must be {expected}", np.inf
        )
        for name, values in zip(_NAMES, (allocation.server, *allocation.columns), strict=True)
        if values.shape != expected
    )


def _unknown_servers(allocation: Allocation, instance: Devices) -> tuple[Violation, ...]:
    count = len(instance.servers.bandwidth_hz)
    wrong = np.flatnonzero((allocation.server < 0) | (allocation.server >= count))
    rule = f"must be a server, 0 to {count - 1}"
    return tuple(Violation("server", f"user {n}", int(allocation.server[n]), rule, np.inf) for n in wrong)


def _out_of_range(
    name: str, values: Floats, upper: Floats | None, low: float | Floats, tolerance: float
) -> tuple[Violation, ...]:
    good = np.isfinite(values) & (values >= low)
    if upper is not None:
        good &= values <= upper * (1.0 + tolerance)
    if good.all():
        return ()
    bound, found = np.full(values.shape, np.inf) if upper is None else upper, []
    for n in np.flatnonzero(~good):
        value = float(values[n])
        if not np.isfinite(value):
            rule, excess = "must be a finite number", np.inf
        elif value < 0:
            rule, excess = "must be >= 0", -value / bound[n] if 0 < bound[n] < np.inf else np.inf
        else:
            rule = f"must be <= {bound[n]:.9g}"
            if name == "local_fraction" and bound[n] < 1:
                rule += ", what fits into the memory of its GPUs"
            excess = value / bound[n] - 1.0 if bound[n] > 0 else np.inf
        found.append(Violation(name, f"user {n}", value, rule, float(excess)))
    return tuple(found)


def _too_slow(allocation: Allocation, power: PowerSpec, tolerance: float) -> tuple[Violation, ...]:
    """Return the users with work of their own whose GPUs are slower than they can be."""
    speed, least = allocation.user_gpu_flops, power.users.min_gpu_flops
    slow = (allocation.local_fraction > 0) & (speed >= 0) & (speed < least * (1.0 - tolerance))
    return tuple(
        Violation(
            "user_gpu_flops",
            f"user {n}",
            float(speed[n]),
            f"must be >= {least[n]:.9g} with work of its own (gpu_min)",
            float(1.0 - speed[n] / least[n]),
        )
        for n in np.flatnonzero(slow)
    )


def _over_budget(
    name: str, values: Floats, server: Ints, budget: Floats, tolerance: float
) -> tuple[Violation, ...]:
    used = np.bincount(server, weights=values, minlength=len(budget))
    return tuple(
        Violation(
            name,
            f"server {m}",
            float(used[m]),
            f"the sum over its users must be <= {budget[m]:.9g}",
            float(used[m] / budget[m] - 1.0),
        )
        for m in np.flatnonzero(used > budget * (1.0 + tolerance))
    )
