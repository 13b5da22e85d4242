"""Trace replay: straight from sample to sample, standing before the first and after the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.errors import ScenarioError
from mecsim.messages import shortened
from mecsim.scenario.area import Area
from mecsim.scenario.mobility import TraceReplay
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.mobility.legs import Legs, held_velocities
from mecsim.world.traces.problems import Problems
from mecsim.world.traces.projection import projected
from mecsim.world.traces.read import read_trace
from mecsim.world.traces.trace import Trace

FASTEST_MPS = 400.0


@dataclass(frozen=True, eq=False, slots=True)
class Replay:
    """The ways of a trace's users, and when they are there.

    Parameters
    ----------
    ways : list of Legs
        One for each user.
    enters_s, leaves_s : (N,) float
        Times of the run; a user is there from the first sample (or time 0) to the last.
    """

    ways: list[Legs]
    enters_s: Floats
    leaves_s: Floats


def replay(model: TraceReplay, area: Area, count: int) -> Replay:
    """Return the ways of the first ``count`` users of a trace who are there after its start.

    Raises
    ------
    TraceError
        If the file cannot be read, has gaps or jumps, or leaves the area.
    ScenarioError
        If the trace has fewer users.
    """
    trace = read_trace(model)
    time_s = trace.time_s - (trace.time_s.min() + model.start_s)
    place_m = projected(trace.place, model.origin_deg) if trace.geo else trace.place
    place_m = place_m + np.array(model.offset_m)
    chosen = _chosen(model, trace, time_s, count)
    samples = np.concatenate([np.arange(trace.first[n], trace.first[n + 1]) for n in chosen])
    user = np.repeat(chosen, np.diff(trace.first)[chosen])
    _check_steps(model, trace, user, samples, place_m)
    _check_area(trace, area, samples, place_m)
    parts = [slice(trace.first[n], trace.first[n + 1]) for n in chosen]
    return Replay(
        ways=[_way(time_s[part], place_m[part]) for part in parts],
        enters_s=frozen([max(0.0, time_s[part][0]) for part in parts]),
        leaves_s=frozen([time_s[part][-1] for part in parts]),
    )


def _way(time_s: Floats, place_m: Floats) -> Legs:
    """Return the legs through samples (K,), (K, 2), from time 0 on."""
    step_s = np.diff(time_s)
    velocity = np.concatenate([np.diff(place_m, axis=0) / step_s[:, None], np.zeros((1, 2))])
    if time_s[0] > 0.0:
        time_s = np.insert(time_s, 0, 0.0)
        place_m, velocity = (
            np.concatenate([place_m[:1], place_m]),
            np.concatenate([np.zeros((1, 2)), velocity]),
        )
    begun = int(np.searchsorted(time_s, 0.0, side="right")) - 1
    start_m = place_m[begun:].copy()
    start_m[0] += velocity[begun] * -time_s[begun]
    return held_velocities(np.maximum(time_s[begun:], 0.0), start_m, velocity[begun:])


def _chosen(model: TraceReplay, trace: Trace, time_s: Floats, count: int) -> Ints:
    """Return the users who are there after the start, in order of their first samples."""
    there = np.flatnonzero(time_s[trace.first[1:] - 1] > 0.0)
    if len(there) < count:
        after = f" after start_s = {model.start_s:g}" if model.start_s else ""
        problem = f"has {len(there)} users{after}, fewer than users.count = {count}"
        advice = f"; set users.count = {len(there)}" if len(there) else ""
        raise ScenarioError(trace.source, [f"{trace.source}: {problem}{advice}"])
    return there[:count]


def _check_steps(model: TraceReplay, trace: Trace, user: Ints, samples: Ints, place_m: Floats) -> None:
    """Refuse gaps and jumps between the samples of one user."""
    problems = Problems(trace.source)
    before, after = samples[:-1], samples[1:]
    same = user[1:] == user[:-1]
    step_s = trace.time_s[after] - trace.time_s[before]
    length_m = np.hypot(*(place_m[after] - place_m[before]).T)
    gap = same & (step_s > model.largest_gap_s)
    jump = same & (length_m > FASTEST_MPS * np.abs(step_s))
    for i in np.flatnonzero(gap | jump).tolist():
        name, line = shortened(trace.ids[user[i]]), int(trace.line[after[i]])
        since = f"since its sample of line {trace.line[before[i]]}"
        if gap[i]:
            problems.add(
                line,
                f"user {name} has no sample for {step_s[i]:.6g} s {since}, more than largest_gap_s = "
                f"{model.largest_gap_s:g}; raise that, or give the user another id after the gap",
            )
        else:
            speed = length_m[i] / step_s[i]
            problems.add(
                line, f"user {name} moves at {speed:.6g} m/s {since}, must be at most {FASTEST_MPS:g}"
            )
    problems.raise_any()


def _check_area(trace: Trace, area: Area, samples: Ints, place_m: Floats) -> None:
    """Refuse a trace that leaves the area; a millimetre beyond a border is rounding."""
    used = place_m[samples]
    out = ((used < -1e-3) | (used > np.array(area.size_m) + 1e-3)).any(axis=1)
    if not out.any():
        return
    worst = int(samples[np.flatnonzero(out)[0]])
    (low_x, low_y), (high_x, high_y) = used.min(axis=0), used.max(axis=0)
    problems = Problems(trace.source)
    problems.add(
        int(trace.line[worst]),
        f"x = {place_m[worst, 0]:.6g} m, y = {place_m[worst, 1]:.6g} m: {area.must_hold}; the trace reaches "
        f"from ({low_x:.6g}, {low_y:.6g}) to ({high_x:.6g}, {high_y:.6g}): change offset_m or area.size_m",
    )
    problems.raise_any()
