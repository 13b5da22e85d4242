"""What decisions promise: on what was seen, and on what was there, as rows of the epochs table."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Phase
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Costs, Instance
from mecsim.world.world import World

_BATCH = 64


class Promise(NamedTuple):
    """The sums and the ratio of docs/model.md section 2; ``delay_s`` is the largest of all users."""

    score: float
    delay_s: float
    energy_j: float
    scr: float

    @classmethod
    def of(cls, instance: Instance, allocation: Allocation, costs: Costs) -> Promise:
        """Return the promise of an allocation on an instance, on which it has these costs."""
        score = float(instance.score(allocation).sum())
        delay_s = float(costs.delay_s.sum(axis=1).max())
        energy_j = float(costs.energy_j.sum())
        weights = instance.weights
        scr = eq.service_cost_ratio(score, delay_s, energy_j, weights.delay_per_s, weights.energy_per_j)
        return cls(score, delay_s, energy_j, scr)


class _Decision(NamedTuple):
    """What the truth of a decision is worked out from."""

    row: int
    time_s: float
    users: Ints
    instance: Instance
    allocation: Allocation
    costs: Costs
    score: float


class Truths:
    """Promises with the true gains of their moment, worked out for many decisions at a time.

    A link that was seen with a gain of zero, its server being down, has none.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: list[_Decision] = []
        self._rows = array("q")
        self._found = {name: array("d") for name in ("delay_s", "energy_j", "scr")}

    def note(
        self, row: int, time_s: float, users: Ints, instance: Instance, allocation: Allocation, costs: Costs,
        score: float,
    ) -> None:  # fmt: skip
        """Take a decision for the given users, and what it costs with the gains that were seen."""
        self._pending.append(_Decision(row, time_s, users, instance, allocation, costs, score))
        if len(self._pending) == _BATCH:
            self._work_out()

    def columns(self, believed: dict[str, NDArray[np.float64]]) -> dict[str, Floats]:
        """Return the columns of the truth; where none was noted, belief is the truth.

        Parameters
        ----------
        believed : dict of (E,) float
            ``delay_s``, ``energy_j`` and ``scr`` of all epochs.
        """
        self._work_out()
        table = {}
        for name, values in self._found.items():
            column = believed[name].copy()
            column[np.asarray(self._rows)] = values
            table[f"true_{name}"] = column
        return table

    def _work_out(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        sizes = [len(decision.users) for decision in pending]
        firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        delay_s = np.concatenate([decision.costs.delay_s for decision in pending])
        energy_j = np.concatenate([decision.costs.energy_j for decision in pending])
        users = np.concatenate([decision.users for decision in pending])
        times_s = np.repeat([decision.time_s for decision in pending], sizes)
        for phase, power_w, seconds in self._transfers(pending, users, times_s):
            delay_s[:, phase] = seconds
            energy_j[:, phase] = eq.radio_energy(power_w, seconds)
        longest_s = np.maximum.reduceat(delay_s.sum(axis=1), firsts).tolist()
        total_j = np.add.reduceat(energy_j.sum(axis=1), firsts).tolist()
        for decision, longest, total in zip(pending, longest_s, total_j, strict=True):
            weights = decision.instance.weights
            scr = eq.service_cost_ratio(
                decision.score, longest, total, weights.delay_per_s, weights.energy_per_j
            )
            self._rows.append(decision.row)
            for name, value in (("delay_s", longest), ("energy_j", total), ("scr", scr)):
                self._found[name].append(value)

    def _transfers(
        self, pending: list[_Decision], users: Ints, times_s: Floats
    ) -> list[tuple[Phase, Floats, Floats]]:
        """Return both radio phases with the powers and the true times of all users."""
        world = self._world

        def all_of(name: str) -> Floats:
            return np.concatenate([getattr(decision.allocation, name) for decision in pending])

        server = np.concatenate([decision.allocation.server for decision in pending])
        params = np.concatenate([decision.instance.users.adapter_params for decision in pending])
        seen = [d.instance.gain[np.arange(len(d.users)), d.allocation.server] for d in pending]
        gain = np.where(np.concatenate(seen) > 0, self._gain(users, server, times_s), 0.0)
        phi, band_hz, noise = all_of("local_fraction"), all_of("bandwidth_hz"), world.noise_w_per_hz
        bits_per_param = world.scenario.workload.bits_per_param
        user_w, server_w = all_of("user_power_w"), all_of("server_power_w")
        down = gain * world.downlink_share(users, server, times_s) if world.interfered else gain
        return [
            (phase, power_w, eq.time_for(bits, world.rate(band_hz, power_w, link, noise)))
            for phase, power_w, link, bits in (
                (Phase.UPLINK, user_w, gain, eq.uplink_bits(phi, params, bits_per_param)),
                (Phase.DOWNLINK, server_w, down, eq.downlink_bits(phi, params, bits_per_param)),
            )
        ]

    def _gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        return self._world.gain(users, servers, times_s)
