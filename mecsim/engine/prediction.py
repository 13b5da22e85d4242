"""What decisions predict, with the gains that the policy saw and with the true ones."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Costs, Instance
from mecsim.system.phases import PHASES, WorkTerms
from mecsim.system.resources import TRANSMIT_POWER
from mecsim.system.round_work import RoundWork
from mecsim.world.world import World

_MOST_DECISIONS, _MOST_USERS = 64, 8192  # computed at once: each user takes some 6 kB meanwhile
_TERMS_OF_USERS = tuple(name for name in WorkTerms._fields if name not in ("bits_per_param", "affine"))


class Prediction(NamedTuple):
    """Totals and ratio of an allocation, docs/model.md section 2; delay and energy that count."""

    score: float
    delay_s: float
    energy_j: float
    scr: float

    @classmethod
    def of(cls, instance: Instance, allocation: Allocation, costs: Costs) -> Prediction:
        """Return the prediction for an allocation on an instance, on which it has these costs."""
        score = float(instance.score(allocation).sum())
        delay_s = instance.total_delay(costs.delay_s.sum(axis=1))
        energy_j = instance.total_energy(costs.energy_j)
        weights = instance.weights
        scr = eq.service_cost_ratio(score, delay_s, energy_j, weights.delay_per_s, weights.energy_per_j)
        return cls(score, delay_s, energy_j, scr)


class _Decision(NamedTuple):
    """What the prediction with true gains is computed from."""

    row: int
    time_s: float
    users: Ints
    instance: Instance
    allocation: Allocation
    costs: Costs
    score: float


class TrueGainPrediction:
    """Predictions with the true gains of the moment, computed for many decisions at a time.

    A link that was seen with a gain of zero, its server being down, has none.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: list[_Decision] = []
        self._users = 0  # of all these
        self._rows = array("q")
        self._found = {name: array("d") for name in ("delay_s", "energy_j", "scr")}

    def add(
        self, row: int, time_s: float, users: Ints, instance: Instance, allocation: Allocation, costs: Costs,
        score: float,
    ) -> None:  # fmt: skip
        """Take a decision for some users, and what it costs with the gains that were seen."""
        self._pending.append(_Decision(row, time_s, users, instance, allocation, costs, score))
        self._users += len(users)
        if len(self._pending) == _MOST_DECISIONS or self._users >= _MOST_USERS:
            self._compute()

    def columns(self, predicted: dict[str, NDArray[np.float64]]) -> dict[str, Floats]:
        """Return the columns ``true_*`` of the epochs; as predicted where no decision was taken.

        Parameters
        ----------
        predicted : dict of (E,) float
            ``delay_s``, ``energy_j`` and ``scr`` of all epochs.
        """
        self._compute()
        table = {}
        for name, values in self._found.items():
            column = predicted[name].copy()
            column[np.asarray(self._rows)] = values
            table[f"true_{name}"] = column
        return table

    def _compute(self) -> None:
        pending, self._pending, self._users = self._pending, [], 0
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
        if self._world.objective is None:
            longest_s = np.maximum.reduceat(delay_s.sum(axis=1), firsts).tolist()
            total_j = np.add.reduceat(energy_j.sum(axis=1), firsts).tolist()
        else:
            parts = [
                (d.instance, slice(first, first + size))
                for d, first, size in zip(pending, firsts, sizes, strict=True)
            ]
            longest_s = [each.total_delay(delay_s[part].sum(axis=1)) for each, part in parts]
            total_j = [each.total_energy(energy_j[part]) for each, part in parts]
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
    ) -> list[tuple[int, Floats, Floats]]:
        """Return each radio phase with the powers and the true times of all users."""
        world = self._world

        def all_of(name: str) -> Floats:
            return np.concatenate([getattr(decision.allocation, name) for decision in pending])

        server = np.concatenate([decision.allocation.server for decision in pending])
        seen = [d.instance.gain[np.arange(len(d.users)), d.allocation.server] for d in pending]
        up = np.where(np.concatenate(seen) > 0, self._gain(users, server, times_s), 0.0)
        down = up * world.downlink_share(users, server, times_s) if world.interfered else up
        terms = [decision.instance.work_terms(decision.allocation) for decision in pending]
        own = {name: np.concatenate([getattr(t, name) for t in terms]) for name in _TERMS_OF_USERS}
        affine = [t.affine for t in terms if t.affine is not None]
        work_terms = WorkTerms(
            **own,
            bits_per_param=world.scenario.workload.bits_per_param,
            affine=RoundWork.joined(affine) if affine else None,
        )
        transfers = []
        for k, phase in enumerate(PHASES):
            if phase.resource.medium == "radio":
                power_w = all_of(TRANSMIT_POWER[phase.payer].field)
                gain = up if phase.payer == "user" else down
                granted = all_of(phase.resource.grant.field)
                law = world.rate_law.up if phase.payer == "user" else world.rate_law.down
                rate = law.rate(granted, power_w, gain)
                seconds = eq.time_for(phase.work(work_terms), rate)
                if world.power is not None:
                    power_w = power_w + world.power.electronics_w(phase.payer, users, server)
                transfers.append((k, power_w, seconds))
        return transfers

    def _gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        return self._world.gain(users, servers, times_s)
