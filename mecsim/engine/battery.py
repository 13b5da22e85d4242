"""Batteries of users: when they are empty, to the instant."""

from __future__ import annotations

import math
from collections.abc import Callable

from mecsim.engine.clock import Clock, EventKind, ScheduledCall
from mecsim.world.population import Population


class Batteries:
    """What is left in each user's battery, and when it will be empty at the present draw.

    A user's draw is constant between two changes, so both are exact.

    Parameters
    ----------
    population : Population
    clock : Clock
    on_empty : callable
        Called with the user, at the instant its battery is empty.
    """

    def __init__(self, population: Population, clock: Clock, on_empty: Callable[[int], None]) -> None:
        self._clock, self._on_empty = clock, on_empty
        self._idle_w = population.idle_w.tolist()
        self._left_j = population.capacity_j.tolist()
        self._draw_w = [0.0] * population.count
        self._since_s = [0.0] * population.count
        self._empty: list[ScheduledCall | None] = [None] * population.count

    def switch_on(self, user: int) -> None:
        """Start to drain the battery of a user who comes now."""
        self._since_s[user] = self._clock.now
        self._plan(user, self._idle_w[user])

    def switch_off(self, user: int) -> None:
        """Stop, because the user leaves."""
        self._plan(user, 0.0)

    def set_active_w(self, user: int, active_w: float) -> None:
        """Change what a user draws besides its idle power."""
        draw_w = self._idle_w[user] + active_w
        if draw_w != self._draw_w[user]:
            self._plan(user, draw_w)

    def left_j(self, user: int) -> float:
        """Return what is left now."""
        drained_j = self._draw_w[user] * (self._clock.now - self._since_s[user])
        return float(self._left_j[user] - drained_j)

    def _plan(self, user: int, draw_w: float) -> None:
        self._left_j[user] = self.left_j(user)
        self._since_s[user], self._draw_w[user] = self._clock.now, draw_w
        empty = self._empty[user]
        if empty is not None:
            empty.cancel()
            self._empty[user] = None
        if draw_w <= 0 or self._left_j[user] == math.inf:
            return
        empty_s = self._clock.now + max(0.0, self._left_j[user]) / draw_w
        self._empty[user] = self._clock.call_at(
            empty_s, EventKind.DEPARTURE, user, lambda: self._on_empty(user)
        )
