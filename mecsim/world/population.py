"""All users that may be present in a run, and when: residents, random arrivals, flash crowds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.rng import Purpose, stream
from mecsim.scenario.calendar import FlashCrowd
from mecsim.scenario.population import Arrivals
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.objective import Objective

NO_LIMIT = 2**62
"""Round limit of a user without one."""

_HOUR_S = 3600.0
_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Population:
    """Everybody who can appear in a run, by user index.

    The residents come first, then all others in the order of their arrival, so that a longer run has
    the same users and more. A user acts only from ``enters_s`` until ``leaves_s``, and may leave sooner:
    refused, done with its rounds, or out of energy.

    Parameters
    ----------
    enters_s, leaves_s : (N,) float
        0 and infinite for users who are there all the time.
    round_limit : (N,) int
        Rounds after which a user leaves; :data:`NO_LIMIT` if none.
    kind : (N,) int
        Which of ``users.classes`` a user belongs to, -1 without classes.
    crowd : (N,) int
        Which of ``calendar.flash_crowds`` a user belongs to, -1 for none.
    capacity_j, idle_w : (N,) float
        Energy at arrival, infinite without a battery, and the power drawn all the time.
    """

    enters_s: Floats
    leaves_s: Floats
    round_limit: Ints
    kind: Ints
    crowd: Ints
    capacity_j: Floats
    idle_w: Floats

    def __post_init__(self) -> None:
        for name in ("enters_s", "leaves_s", "capacity_j", "idle_w"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        for name in ("round_limit", "kind", "crowd"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.int64))

    @property
    def count(self) -> int:
        """N."""
        return len(self.enters_s)

    @property
    def columns(self) -> list[NDArray[Any]]:
        """All columns in the order of the class."""
        return [getattr(self, field.name) for field in fields(self)]

    def objective(self, scenario: Scenario) -> Objective | None:
        """Return which delay counts and the weights of everybody; None for the paper's objective."""
        classes = scenario.users.classes or ()
        delay_weight, energy_weight = (
            np.array([1.0, *(1.0 if own is None else own for own in given)])[self.kind + 1]
            for given in ([c.delay_weight for c in classes], [c.energy_weight for c in classes])
        )
        return Objective.of(scenario.objective.delay, delay_weight, energy_weight)

    @cached_property
    def residents(self) -> NDArray[np.bool_]:
        """Whether each user is present all the time if its energy lasts; shape (N,)."""
        stays = np.isinf(self.leaves_s) & (self.round_limit == NO_LIMIT)
        return frozen((self.enters_s <= 0) & stays, np.bool_)

    @cached_property
    def has_batteries(self) -> bool:
        """Whether anybody's energy may run out."""
        return bool(np.isfinite(self.capacity_j).any())

    def with_idle_power(self, more_w: Floats) -> Population:
        """Return everybody with so much more drawn all the time, (N,) in W."""
        return replace(self, idle_w=self.idle_w + more_w) if more_w.any() else self

    @cached_property
    def always(self) -> bool:
        """Whether every user is present from the first moment to the last."""
        return bool(self.residents.all()) and not self.has_batteries

    @classmethod
    def draw(cls, scenario: Scenario, seed: int, seen_s: tuple[Floats, Floats] | None = None) -> Population:
        """Draw the population of a run.

        Parameters
        ----------
        scenario : Scenario
        seed : int
        seen_s : pair of (N,) float, optional
            When each user of a trace enters and leaves; they take the place of the residents.
        """
        users, calendar = scenario.users, scenario.calendar
        parts = [_residents(users.count) if seen_s is None else _traced(*seen_s)]
        if users.arrivals is not None:
            times_s = arrival_times_s(users.arrivals, seed, scenario.duration_s)
            parts.append(_visitors(times_s, users.arrivals, seed, 0))
        for k, event in enumerate(calendar.flash_crowds or ()):
            draws = stream(seed, Purpose.FLASH_CROWD, k).random(event.users)
            times_s = event.from_s + (event.to_s - event.from_s) * draws
            parts.append(replace(_visitors(times_s, event, seed, k + 1), crowd=np.full(event.users, k)))
        return _joined(parts, scenario, seed)


def arrival_times_s(arrivals: Arrivals, seed: int, until_s: float) -> Floats:
    """Return the times of a Poisson process whose rate may change from hour to hour, in order.

    Candidates arrive at the highest rate of all hours and are accepted with the ratio of the rate at
    their time to it.

    References
    ----------
    Lewis and Shedler (1979), "Simulation of nonhomogeneous Poisson processes by thinning".
    """
    hourly = np.array(arrivals.hourly or (1.0,))
    highest = float(hourly.max())
    if arrivals.rate_per_s * highest == 0:
        return np.empty(0)
    draws = _CHUNK
    while True:
        # Starting the streams again gives the same numbers, and more of them.
        gaps, accepted = (stream(seed, Purpose.USER_ARRIVALS, part).random(draws) for part in (0, 1))
        with np.errstate(over="ignore"):  # so rare that nobody comes
            times_s: Floats = np.cumsum(-np.log1p(-gaps) / (arrivals.rate_per_s * highest))
        if times_s[-1] >= until_s:
            break
        draws *= 2
    times_s, accepted = times_s[times_s < until_s], accepted[times_s < until_s]
    hour = (times_s / _HOUR_S).astype(np.int64) % len(hourly)
    return times_s[accepted * highest < hourly[hour]]


def _plain(enters_s: Floats, leaves_s: Floats, rounds: int | None) -> Population:
    none = np.full(len(enters_s), -1)
    limit = np.full(len(enters_s), NO_LIMIT if rounds is None else rounds)
    endless, idle_w = np.full(len(enters_s), np.inf), np.zeros(len(enters_s))
    return Population(enters_s, leaves_s, limit, none, none, endless, idle_w)


def _residents(count: int) -> Population:
    return _plain(np.zeros(count), np.full(count, np.inf), None)


def _traced(enters_s: Floats, leaves_s: Floats) -> Population:
    return _plain(enters_s, leaves_s, None)


def _visitors(times_s: Floats, terms: Arrivals | FlashCrowd, seed: int, source: int) -> Population:
    leaves_s = np.full(len(times_s), np.inf)
    if terms.stay_s is not None:
        leaves_s = times_s + terms.stay_s.ppf(stream(seed, Purpose.USER_STAY, source).random(len(times_s)))
    return _plain(times_s, leaves_s, terms.rounds)


def _joined(parts: Sequence[Population], scenario: Scenario, seed: int) -> Population:
    """Return the parts in order of arrival, residents first, with classes and batteries drawn."""
    names = ("enters_s", "leaves_s", "round_limit", "crowd")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    first = parts[0].count
    later = first + np.argsort(columns["enters_s"][first:], kind="stable")
    later = later[columns["enters_s"][later] < scenario.duration_s]
    order = np.concatenate([np.arange(first), later])
    if len(order) == 0:
        # One user who never arrives avoids empty arrays.
        return _plain(np.array([np.inf]), np.array([np.inf]), None)
    columns = {name: column[order] for name, column in columns.items()}
    kind = kinds(scenario, seed, first, len(order))
    capacity_j, idle_w = _batteries(scenario, seed, kind)
    return Population(**columns, kind=kind, capacity_j=capacity_j, idle_w=idle_w)


def kinds(scenario: Scenario, seed: int, residents: int, count: int) -> Ints:
    """Return the class of each user, -1 without classes.

    The residents are split as the shares say, as evenly as whole numbers allow from the first user
    on; each later user's class is drawn.
    """
    classes = scenario.users.classes
    if not classes:
        return np.full(count, -1)
    share = np.array([each.share for each in classes])
    share /= share.sum()
    kind = np.empty(count, dtype=np.int64)
    given = np.zeros(len(share))
    for n in range(residents):
        kind[n] = np.argmax(share * (n + 1) - given)
        given[kind[n]] += 1
    # A trace says who comes; nobody else joins it.
    follows = np.array([each.mobility is not None and each.mobility.model == "trace" for each in classes])
    if follows.any() and not follows.all():
        share = np.where(follows, 0.0, share) / share[~follows].sum()
    draws = stream(seed, Purpose.USER_CLASS).random(count - residents)
    kind[residents:] = np.searchsorted(np.cumsum(share)[:-1], draws, side="right")
    return kind


def energy_budgets_w(scenario: Scenario, kind: Ints) -> tuple[float, ...]:
    """Return each user's budget of mean power in W by its class, infinite for none; empty if none has one."""
    users = scenario.users
    given_w = [each.energy_budget_w or users.energy_budget_w for each in users.classes or ()]
    given_w.append(users.energy_budget_w)  # -1: without classes
    if not any(given_w):
        return ()
    return tuple(given_w[k] or np.inf for k in kind.tolist())


def _batteries(scenario: Scenario, seed: int, kind: Ints) -> tuple[Floats, Floats]:
    users = scenario.users
    capacity_j, idle_w = np.full(len(kind), np.inf), np.zeros(len(kind))
    if not users.has_batteries:
        return capacity_j, idle_w
    draws = stream(seed, Purpose.BATTERY).random(len(kind))
    options = [(np.full(len(kind), True), users.battery)]
    options += [(kind == k, each.battery) for k, each in enumerate(users.classes or ())]
    for chosen, battery in options:
        if battery is not None:
            capacity_j[chosen] = battery.capacity_j.ppf(draws[chosen])
            idle_w[chosen] = battery.idle_w
    return capacity_j, idle_w
