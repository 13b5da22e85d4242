"""What a run refuses of a trace, within the time that it simulates: gaps, jumps, places outside the area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.config.table_file.problems import Problems
from mecsim.scenario.area import Area
from mecsim.system.arrays import Floats
from mecsim.world.channel.model import Bools
from mecsim.world.traces.gaps import Steps, note_gap, note_jump
from mecsim.world.traces.trace import Trace

_ROUNDING_M = 1e-3


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a trace that a run uses.

    Parameters
    ----------
    time_s : (S,) float
        Time of the run of each sample; the run lasts from 0 until ``until_s``.
    until_s : float
    takes_part : (N,) bool
        Which users of the trace are those of the run.
    """

    time_s: Floats
    until_s: float
    takes_part: Bools


def check_steps(
    trace: Trace,
    steps: Steps,
    away: Bools,
    window: Window,
    largest_gap_s: float | None,
    *,
    refuses_gaps: bool,
) -> None:
    """Raise a TraceError with every gap and jump between samples of one user; ``away`` (K,) is neither."""
    time_s = window.time_s
    looked_at = window.takes_part[steps.user] & ~away
    looked_at &= (time_s[steps.after] > 0.0) & (time_s[steps.after - 1] < window.until_s)
    gap = looked_at & steps.is_gap(largest_gap_s) & refuses_gaps
    jump = looked_at & steps.is_jump
    if not (gap | jump).any():
        return
    problems, limit_s = Problems(trace.source), steps.longest_gap_s(largest_gap_s)
    for k in np.flatnonzero(gap | jump).tolist():
        if gap[k]:
            note_gap(problems, trace, steps, k, limit_s)
        else:
            note_jump(problems, trace, steps, k)
    problems.raise_any()


def check_area(trace: Trace, steps: Steps, away: Bools, window: Window, place_m: Floats, area: Area) -> None:
    """Raise a TraceError if a user leaves the area; a millimetre beyond a border is rounding."""
    time_s = window.time_s
    owner = np.repeat(window.takes_part, np.diff(trace.first))
    inside = np.flatnonzero(owner & (time_s >= 0.0) & (time_s <= window.until_s))
    points, lines = [place_m[inside]], [trace.line[inside]]
    for edge_s in (0.0, window.until_s):
        crosses = window.takes_part[steps.user] & ~away
        crosses &= (time_s[steps.after - 1] < edge_s) & (time_s[steps.after] > edge_s)
        after = steps.after[crosses]
        share = (edge_s - time_s[after - 1]) / (time_s[after] - time_s[after - 1])
        points.append(place_m[after - 1] + share[:, None] * (place_m[after] - place_m[after - 1]))
        lines.append(trace.line[after])
    used, line = np.concatenate(points), np.concatenate(lines)
    out = ((used < -_ROUNDING_M) | (used > np.array(area.size_m) + _ROUNDING_M)).any(axis=1)
    if not out.any():
        return
    worst = int(np.flatnonzero(out)[0])
    (low_x, low_y), (high_x, high_y) = used.min(axis=0), used.max(axis=0)
    problems = Problems(trace.source)
    problems.add(
        int(line[worst]),
        f"x = {used[worst, 0]:.6g} m, y = {used[worst, 1]:.6g} m: {area.must_hold}; the trace reaches "
        f"from ({low_x:.6g}, {low_y:.6g}) to ({high_x:.6g}, {high_y:.6g}): change offset_m or area.size_m",
    )
    problems.raise_any()
