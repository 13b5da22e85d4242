"""What a trace holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.messages import counted, shortened
from mecsim.scenario.projection import projected
from mecsim.world.traces.gaps import FASTEST_MPS, Steps
from mecsim.world.traces.trace import Trace

LOOKS_LIKE_DEGREES_M = 1.0
# A degree is 111 km: within 10 of them nobody moves a hundredth of one in a second.
_MOST_DEGREES, _FASTEST_DEGREES_PER_S = 10.0, 0.01


@dataclass(frozen=True)
class TraceInfo:
    """A summary of a trace.

    Parameters
    ----------
    users, samples : int
    first_s, last_s : float
        Times of the first and the last sample, as the file counts them.
    most_present : int
        The most users who are there at once.
    stay_s : tuple of float
        Shortest, median and longest time from a user's first sample to its last.
    step_s : tuple of float
        Median and longest time between two samples of a user; the longest is the gap.
    longest_gap_user : str
        Whose gap that is.
    speed_mps : tuple of float
        Mean over the trajectory, and the highest between two samples.
    fastest_user : str
        Whose speed that is.
    way_m : float
        Length of the trajectories of all users.
    corner_m, size_m : tuple of float
        South-west corner and extent; of a trace in degrees after projection about that corner.
    corner_deg : tuple of float or None
        Latitude and longitude of that corner.
    hint : str
        What is probably wrong, or empty.
    notes : tuple of str
        How the file was read, and what was passed over.
    refused : tuple of str
        What a run of the whole trace refuses, with the key that helps.
    """

    users: int
    samples: int
    first_s: float
    last_s: float
    most_present: int
    stay_s: tuple[float, float, float]
    step_s: tuple[float, float]
    longest_gap_user: str
    speed_mps: tuple[float, float]
    fastest_user: str
    way_m: float
    corner_m: tuple[float, float]
    size_m: tuple[float, float]
    corner_deg: tuple[float, float] | None
    hint: str
    notes: tuple[str, ...]
    refused: tuple[str, ...]

    @classmethod
    def of(cls, trace: Trace) -> TraceInfo:
        """Return the summary of a trace."""
        place_m = projected(trace.place) if trace.geo else trace.place
        enters_s, leaves_s = trace.time_s[trace.first[:-1]], trace.time_s[trace.first[1:] - 1]
        stay_s = leaves_s - enters_s
        steps = Steps.of(trace, place_m)
        followed = ~steps.is_break
        step_s, owner = steps.step_s[followed], steps.user[followed]
        length_m = steps.length_m[followed]
        speed = length_m / step_s
        low, size = place_m.min(axis=0), np.ptp(place_m, axis=0)
        corner_deg = trace.place.min(axis=0)[::-1].tolist() if trace.geo else None
        moves = len(step_s) > 0
        return cls(
            users=trace.user_count,
            samples=len(trace.time_s),
            first_s=float(enters_s.min()),
            last_s=float(leaves_s.max()),
            most_present=_most_at_once(enters_s.tolist(), leaves_s.tolist()),
            stay_s=(float(stay_s.min()), float(np.median(stay_s)), float(stay_s.max())),
            step_s=(float(np.median(step_s)), float(step_s.max())) if moves else (0.0, 0.0),
            longest_gap_user=shortened(trace.ids[owner[step_s.argmax()]]) if moves else "",
            speed_mps=(float(length_m.sum() / step_s.sum()), float(speed.max())) if moves else (0.0, 0.0),
            fastest_user=shortened(trace.ids[owner[speed.argmax()]]) if moves else "",
            way_m=float(length_m.sum()),
            corner_m=(float(low[0]), float(low[1])),
            size_m=(float(size[0]), float(size[1])),
            corner_deg=None if corner_deg is None else (corner_deg[0], corner_deg[1]),
            hint=degrees_hint(trace),
            notes=trace.notes + _breaks(steps),
            refused=_refused(trace, steps),
        )


def degrees_hint(trace: Trace) -> str:
    """Return that the places of a trace in metres look like degrees, or an empty string."""
    span = np.ptp(trace.place, axis=0)
    if trace.geo or not span.any() or (np.abs(trace.place) > 180.0).any():
        return ""
    if span.max() >= LOOKS_LIKE_DEGREES_M:
        moved = np.abs(np.diff(trace.place, axis=0)).max(axis=1)
        steps = Steps.of(trace, trace.place)
        speed = moved[steps.after - 1] / steps.step_s
        if span.max() >= _MOST_DEGREES or not speed.any() or speed.max() >= _FASTEST_DEGREES_PER_S:
            return ""
        what = f"nobody moves faster than {speed.max():.2g} m/s"
    else:
        what = "the whole trace spans less than a metre"
    return f"{what}: its places may be degrees (coordinates = 'geo' for SUMO, columns lat and lon in CSV)"


def _breaks(steps: Steps) -> tuple[str, ...]:
    count = int(steps.is_break.sum())
    return (f"{counted(count, 'break')} between segments, in which a user is away",) if count else ()


def _refused(trace: Trace, steps: Steps) -> tuple[str, ...]:
    gap = steps.is_gap(None)
    jump = steps.is_jump & ~steps.is_break
    said = []
    if gap.any():
        k = int(np.where(gap, steps.step_s, 0.0).argmax())
        said.append(
            f"{counted(int(gap.sum()), 'gap')} of more than {steps.longest_gap_s(None):g} s, the longest "
            f"{steps.step_s[k]:.6g} s before line {trace.line[steps.after[k]]}: set gaps = 'away' or "
            "'straight', or raise largest_gap_s"
        )
    if jump.any():
        speed = steps.length_m / steps.step_s
        k = int(np.where(jump, speed, 0.0).argmax())
        said.append(
            f"{counted(int(jump.sum()), 'step')} faster than {FASTEST_MPS:g} m/s, the fastest "
            f"{speed[k]:.6g} m/s before line {trace.line[steps.after[k]]}: mend the file"
        )
    return tuple(said)


def _most_at_once(enters_s: list[float], leaves_s: list[float]) -> int:
    # At one instant those who enter come first: each is there at its first and its last sample.
    events = sorted([(time_s, -1) for time_s in enters_s] + [(time_s, 1) for time_s in leaves_s])
    present = most = 0
    for _, leaving in events:
        present -= leaving
        most = max(most, present)
    return most
