"""The slow reference engine with users of traces, who come, are away and go; docs/world.md."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np

from mecsim.policy import Observation, Phase, Policy
from mecsim.scenario.schema import Scenario
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.devices import Users
from mecsim.testing.reference_engine import ReferenceEngine


class VisitsEngine(ReferenceEngine):
    """For `continuous` rounds, decisions that take no time, and somebody there at every decision.

    A round in progress is dropped when its user goes. Who comes, for the first time or again, waits for a
    decision that includes it; its next round has the next index.
    """

    def __init__(self, scenario: Scenario, policy: Policy, seed: int) -> None:
        super().__init__(scenario, policy, seed)
        population, until_s = self.world.population, scenario.duration_s
        self.visits_s: list[list[tuple[float, float]]] = []
        for n in range(self.world.user_count):
            edges = [float(population.enters_s[n])]
            for absence in self.world.absences_s[n : n + 1]:
                edges += [edge for pair in absence for edge in pair]
            edges.append(min(float(population.leaves_s[n]), 2.0 * until_s))
            self.visits_s.append(list(zip(edges[::2], edges[1::2], strict=True)))
        count = self.world.user_count
        self.since_s = [self._visit(n) for n in range(count)]
        self.has_grants = [False] * count
        self.given: set[int] = set()
        for user in self.users:
            user.next_start_s = math.inf

    def _visit(self, n: int) -> float | None:
        """Return since when a user is there, or None."""
        return next((begin for begin, end in self.visits_s[n] if begin <= self.now_s < end), None)

    def _next_visit_s(self) -> float:
        edges = (edge for visits in self.visits_s for pair in visits for edge in pair)
        return min((edge for edge in edges if edge > self.now_s), default=math.inf)

    def _come_and_go(self) -> None:
        for n, user in enumerate(self.users):
            since_s = self._visit(n)
            if since_s == self.since_s[n]:
                continue
            if user.round:
                user.round.outcome = "dropped"
                self.ended.append(user.round)
                user.round, user.phase, user.left = None, Phase.IDLE, 0.0
            self.since_s[n], self.has_grants[n], user.next_start_s = since_s, False, math.inf
            self.given.discard(n)

    def _start_round(self, n: int) -> None:
        """Start a round; the first one of a visit has waited since the user came."""
        came_s, super_start = self.since_s[n], super()._start_round
        is_first = not self.has_grants[n]
        self.has_grants[n] = True
        super_start(n)
        user = self.users[n]
        if is_first and came_s is not None and user.round:
            user.round.wait_s = self.now_s - came_s

    def _put_in_force(self, decided: Allocation | None) -> None:
        """Give those present what was decided, nobody else anything; newcomers may begin."""
        present = self._present()
        if decided is not None:
            count = self.world.user_count
            columns = {}
            for column in fields(Allocation):
                values = np.asarray(getattr(decided, column.name))
                columns[column.name] = np.zeros(count, dtype=values.dtype)
                columns[column.name][present] = values
            decided = Allocation(**columns)
            self.given = set(present.tolist())
        super()._put_in_force(decided)
        for n in sorted(self.given):
            if not self.has_grants[n] and self.users[n].next_start_s == math.inf:
                self.users[n].next_start_s = self.now_s

    def _held(self, present: Ints, gain: Floats) -> Allocation:
        """Return what those present have; newcomers have nothing, at their strongest server."""
        grants = self._grants()
        columns = {column.name: getattr(grants, column.name)[present] for column in fields(Allocation)}
        new = ~np.isin(present, sorted(self.given))
        columns["server"] = np.where(new, gain.argmax(axis=1), columns["server"])
        return Allocation(**columns)

    def _present(self) -> Ints:
        return np.flatnonzero([since_s is not None for since_s in self.since_s])

    def _observe(self) -> Observation:
        whole, present = super()._observe(), self._present()
        users = whole.instance.users
        chosen = Users(**{field.name: getattr(users, field.name)[present] for field in fields(Users)})
        instance = self.world.snapshot(chosen, whole.instance.gain[present], None, present)
        return replace(
            whole,
            instance=instance,
            phase=frozen(whole.phase[present], np.int8),
            remaining=frozen(whole.remaining[present]),
            local_fraction=frozen(whole.local_fraction[present]),
            pinned=frozen(whole.pinned[present], np.bool_),
            allocation=None if self.allocation is None else self._held(present, instance.gain),
            user=frozen(present, np.int64),
        )
