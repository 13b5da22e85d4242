"""The ways of the users of a scenario as a trace, for other simulators."""

from __future__ import annotations

import numpy as np

from mecsim.config.table_file.problems import Problems
from mecsim.errors import MecsimError
from mecsim.system.arrays import Floats
from mecsim.world.channel.model import Bools
from mecsim.world.traces.trace import Samples, Trace
from mecsim.world.world import World

MOST_SAMPLES = 20_000_000
_TOO_MANY = f"more than {MOST_SAMPLES:,} samples; choose a longer --step, or a shorter run"


def trace_of(world: World, step_s: float | None) -> Trace:
    """Return where the users of a world are, from their entry until they leave or the run ends.

    Parameters
    ----------
    world : World
    step_s : float, optional
        Time between two samples; left out: one where the velocity of a user changes, which is exact if it is
        replayed as straight legs.

    Raises
    ------
    MecsimError
        If it would have more than `MOST_SAMPLES` samples.
    """
    population, end_s = world.population, world.scenario.duration_s
    index, times, breaks = list[int](), list[Floats](), list[Bools]()
    world.position_m(np.arange(1), np.array([end_s]))  # draws the trajectories until then
    for n in range(world.user_count):
        from_s, to_s = max(0.0, float(population.enters_s[n])), min(end_s, float(population.leaves_s[n]))
        if from_s > to_s:
            continue
        at_s, is_back = _present(_times(world, n, from_s, to_s, step_s), world.absences_s[n : n + 1])
        index.append(n)
        times.append(at_s)
        breaks.append(is_back)
        if sum(map(len, times)) > MOST_SAMPLES:
            raise MecsimError(_TOO_MANY)
    if not index:
        raise MecsimError(f"{world.scenario.name}: nobody is there during the run")
    samples = Samples(Problems(world.scenario.name), geo=False, waypoints=step_s is None)
    users = np.repeat(np.arange(len(index)), [len(at_s) for at_s in times])
    time_s, record = np.concatenate(times), np.arange(1, len(users) + 1)
    place_m = world.position_m(np.array(index)[users], time_s)
    names = [f"user {n}" for n in index]
    samples.extend(names, users, time_s, place_m[:, 0], place_m[:, 1], record, record, np.concatenate(breaks))
    return samples.trace()


def _present(times_s: Floats, absences: list[list[tuple[float, float]]]) -> tuple[Floats, Bools]:
    """Return the times at which a user is there, and which of them end an absence."""
    returns = np.zeros(0)
    for away_s, back_s in absences[0] if absences else ():
        inside = (times_s > away_s) & (times_s < back_s)
        if away_s <= times_s[-1]:
            times_s = np.union1d(times_s[~inside], [away_s])
        if back_s <= times_s[-1]:
            times_s, returns = np.union1d(times_s, [back_s]), np.append(returns, back_s)
    return times_s, np.isin(times_s, returns)


def _times(world: World, user: int, from_s: float, to_s: float, step_s: float | None) -> Floats:
    """Return the times of the samples of one user, its first and last moment among them."""
    if step_s is not None:
        count = int((to_s - from_s) / step_s) + 1
        if count > MOST_SAMPLES:
            raise MecsimError(_TOO_MANY)
        inside = np.ceil(from_s / step_s) * step_s + step_s * np.arange(count + 1)
    else:
        drawn = world.trajectories
        inside = drawn.legs.start_s[drawn.first[user] : drawn.first[user + 1]]
    inside = inside[(inside > from_s) & (inside < to_s)]
    return np.unique(np.concatenate([[from_s], inside, [to_s]]))
