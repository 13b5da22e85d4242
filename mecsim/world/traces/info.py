"""What a trace holds, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.messages import shortened
from mecsim.world.traces.projection import projected
from mecsim.world.traces.trace import Trace

LOOKS_LIKE_DEGREES_M = 1.0


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

    @classmethod
    def of(cls, trace: Trace) -> TraceInfo:
        """Return the summary of a trace."""
        place_m = projected(trace.place) if trace.geo else trace.place
        enters_s, leaves_s = trace.time_s[trace.first[:-1]], trace.time_s[trace.first[1:] - 1]
        stay_s = leaves_s - enters_s
        user = np.repeat(np.arange(trace.user_count), np.diff(trace.first))
        inside = user[1:] == user[:-1]
        step_s, owner = np.diff(trace.time_s)[inside], user[1:][inside]
        length_m = np.hypot(*np.diff(place_m, axis=0)[inside].T)
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
            hint=_hint(trace, float(size.max())),
        )


def _hint(trace: Trace, extent_m: float) -> str:
    if trace.geo or extent_m >= LOOKS_LIKE_DEGREES_M or trace.user_count == 1:
        return ""
    return "the whole trace spans less than a metre: its places may be degrees (coordinates = 'geo')"


def _most_at_once(enters_s: list[float], leaves_s: list[float]) -> int:
    # At one instant those who enter come first: each is there at its first and its last sample.
    events = sorted([(time_s, -1) for time_s in enters_s] + [(time_s, 1) for time_s in leaves_s])
    present = most = 0
    for _, leaving in events:
        present -= leaving
        most = max(most, present)
    return most
