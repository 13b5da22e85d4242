"""Observations: what a policy sees, as numbers between -1 and 1 in arrays of a fixed shape.

:data:`PARTS` lists the parts in the order in which the flat form has them. Quantities that span many powers
of ten are ``log10(1 + x) / scale``, cut off at 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance

Array = NDArray[np.float32]

GAIN_CENTRE_DB, GAIN_SPAN_DB = -110.0, 60.0
"""A gain of ``c`` dB is shown as ``(c - centre) / span``, cut off at -1 and 1; a link that is down as -1."""
WORK_SCALE = 20.0
"""Of FLOP, bit and FLOP/s: 1 is 10^20."""
DRAWN_SCALE = 8.0
"""Of J."""
POWER_SCALE = 8.0
"""Of mW."""
BANDWIDTH_SCALE = 12.0
"""Of Hz."""


class Part(NamedTuple):
    """One part: ``axes`` says ``slot``, ``server`` or how many; ``low`` is the least value."""

    name: str
    axes: tuple[str | int, ...]
    low: float
    meaning: str


PARTS = (
    Part("time", (1,), 0.0, "time over the length of the run"),
    Part("load", ("server",), 0.0, "users of each server in force, over the slots"),
    Part("bandwidth", ("server",), 0.0, "bandwidth of each server now, in Hz"),
    Part("power", ("server",), 0.0, "transmit power of each server now, in mW"),
    Part("gpu", ("server",), 0.0, "speed of all GPUs of each server now, in FLOP/s"),
    Part("mask", ("slot",), 0.0, "1 where a user is in the slot; all else of an empty slot is 0"),
    Part("gain", ("slot", "server"), -1.0, "gains in dB, as the CSI model shows them"),
    Part("server", ("slot", "server"), 0.0, "1 at the server in force"),
    Part("phase", ("slot", 5), 0.0, "1 at the phase: idle, local, uplink, server, downlink"),
    Part("work_left", ("slot",), 0.0, "work left in the phase, in FLOP or bit"),
    Part("local_fraction", ("slot",), 0.0, "share of the adapter that the user trains in this round"),
    Part("pinned", ("slot",), 0.0, "1 where the user must stay with its server"),
    Part("drawn", ("slot",), 0.0, "energy that the device has drawn since the last decision, in J"),
    Part("round_flop", ("slot",), 0.0, "work of one epoch of the whole adapter, in FLOP"),
    Part("round_bits", ("slot",), 0.0, "size of the whole adapter, in bit"),
    Part("user_power", ("slot",), 0.0, "highest transmit power of the user, in mW"),
    Part("user_gpu", ("slot",), 0.0, "highest speed of all GPUs of the user, in FLOP/s"),
)
"""Every part of an observation."""

_OF_SERVERS = ("bandwidth", "power", "gpu")
_OF_USERS = ("round_flop", "round_bits", "user_power", "user_gpu")


def shapes(slots: int, servers: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each part."""
    size = {"slot": slots, "server": servers}
    return {part.name: tuple(size[a] if isinstance(a, str) else a for a in part.axes) for part in PARTS}


def flat_size(slots: int, servers: int) -> int:
    """Return the length of the flat form."""
    return sum(int(np.prod(shape)) for shape in shapes(slots, servers).values())


def slots_of(size: int, servers: int) -> int | None:
    """Return how many slots a flat observation of a length has; None if it is none of this form."""
    fixed, one = flat_size(0, servers), flat_size(1, servers)
    slots, rest = divmod(size - fixed, one - fixed)
    return slots if rest == 0 and slots > 0 else None


class ObservationCode:
    """Turns observations of policies into arrays.

    Parameters
    ----------
    slots, servers : int
    duration_s : float
        Length of the run.
    """

    def __init__(self, slots: int, servers: int, duration_s: float) -> None:
        self._slots, self._servers, self._duration_s = slots, servers, duration_s
        self._buffer: Array = np.zeros(flat_size(slots, servers), dtype=np.float32)
        self._parts: dict[str, Array] = {}
        self._known_servers: Servers | None = None
        self._known_users: Users | None = None
        self._of_servers: tuple[Floats, ...] = ()
        self._of_users: tuple[Floats, ...] = ()
        first = 0
        for name, shape in shapes(slots, servers).items():
            beyond = first + int(np.prod(shape))
            self._parts[name] = self._buffer[first:beyond].reshape(shape)
            first = beyond

    def flat(self, observation: Observation | None, slot: Ints) -> Array:
        """Return an observation as one array; zeros for None, when nobody is there."""
        self._fill(observation, slot)
        return self._buffer.copy()

    def parts(self, observation: Observation | None, slot: Ints) -> dict[str, Array]:
        """Return an observation as an array for each part; zeros for None, when nobody is there."""
        self._fill(observation, slot)
        return {name: part.copy() for name, part in self._parts.items()}

    def _fill(self, seen: Observation | None, slot: Ints) -> None:
        parts = self._parts
        self._buffer.fill(0.0)
        if seen is None:
            return
        there = slot >= 0
        everybody = bool(there.all())
        seated = slice(None) if everybody else there
        at: Ints = slot if everybody else slot[there]
        parts["time"][0] = min(1.0, seen.time_s / self._duration_s)
        parts["mask"][at] = 1.0
        parts["gain"][at] = gain_level(seen.instance.gain[seated])
        if seen.allocation is not None:
            server = seen.allocation.server
            parts["load"][:] = np.minimum(np.bincount(server, minlength=self._servers) / self._slots, 1.0)
            parts["server"][at, server[seated]] = 1.0
        parts["phase"][at, seen.phase[seated] + 1] = 1.0
        parts["work_left"][at] = level(seen.remaining[seated], WORK_SCALE)
        parts["local_fraction"][at] = np.fmax(seen.local_fraction[seated], 0.0)  # NaN becomes 0
        parts["pinned"][at] = seen.pinned[seated]
        parts["drawn"][at] = level(seen.spent_j[seated], DRAWN_SCALE)
        self._fill_devices(seen.instance, at, seated)

    def _fill_devices(self, instance: Instance, at: Ints, seated: slice | NDArray[np.bool_]) -> None:
        """Fill what seldom changes: within a run, objects that are the same hold the same."""
        parts, servers, users = self._parts, instance.servers, instance.users
        if servers is not self._known_servers:
            self._known_servers = servers
            self._of_servers = (
                level(servers.bandwidth_hz, BANDWIDTH_SCALE),
                level(1e3 * servers.max_power_w, POWER_SCALE),
                level(servers.gpu_count * servers.max_gpu_flops, WORK_SCALE),
            )
        if users is not self._known_users:
            self._known_users = users
            self._of_users = (
                level(users.adapter_params * users.flops_per_param, WORK_SCALE),
                level(users.adapter_params * instance.bits_per_param, WORK_SCALE),
                level(1e3 * users.max_power_w, POWER_SCALE),
                level(users.gpu_count * users.max_gpu_flops, WORK_SCALE),
            )
        for name, values in zip(_OF_SERVERS, self._of_servers, strict=True):
            parts[name][:] = values
        for name, values in zip(_OF_USERS, self._of_users, strict=True):
            parts[name][at] = values[seated]


def level(amounts: Floats, scale: float) -> Floats:
    """Return ``log10(1 + amounts) / scale``, cut off at 1."""
    # What was drawn is a difference of sums, which may be below zero by its rounding.
    return np.minimum(np.log10(1.0 + np.maximum(amounts, 0.0)) / scale, 1.0)


def gain_level(gain: Floats) -> Floats:
    """Return gains as they are shown, from -1 to 1."""
    decibels = 10.0 * np.log10(np.maximum(gain, 1e-30))
    return np.minimum(np.maximum((decibels - GAIN_CENTRE_DB) / GAIN_SPAN_DB, -1.0), 1.0)
