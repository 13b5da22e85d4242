"""Steps between the samples of one user: gaps, jumps, and breaks in the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.config.table_file.problems import Problems
from mecsim.messages import shortened
from mecsim.system.arrays import Floats, Ints
from mecsim.world.traces.trace import Trace

FASTEST_MPS = 400.0
USUAL_GAP_S = 60.0
_GAP_STEPS = 3.0


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps between two samples of the same user.

    Parameters
    ----------
    after : (K,) int
        The sample that ends each step; it begins with the sample before that.
    user : (K,) int
    step_s, length_m : (K,) float
    is_break : (K,) bool
        Whether the file itself says that the user was not followed in between.
    waypoints : bool
        Whether users go straight by definition, so that no step is a gap unless a longest one is given.
    """

    after: Ints
    user: Ints
    step_s: Floats
    length_m: Floats
    is_break: NDArray[np.bool_]
    waypoints: bool

    @classmethod
    def of(cls, trace: Trace, place_m: Floats) -> Steps:
        """Return all steps of a trace with its places (S, 2) in m."""
        user = np.repeat(np.arange(trace.user_count), np.diff(trace.first))
        after = np.flatnonzero(user[1:] == user[:-1]) + 1
        length_m = np.hypot(*(place_m[after] - place_m[after - 1]).T)
        step_s = trace.time_s[after] - trace.time_s[after - 1]
        return cls(after, user[after], step_s, length_m, trace.breaks[after], trace.waypoints)

    def longest_gap_s(self, given_s: float | None) -> float:
        """Return the time beyond which a step is a gap: as given, or 60 s, or three usual steps if longer."""
        if given_s is not None:
            return given_s
        if self.waypoints:
            return np.inf
        usual_s = self.step_s[~self.is_break]
        # The lower median: of two steps the shorter one is usual, the longer one may be a gap.
        median_s = float(np.quantile(usual_s, 0.5, method="lower")) if len(usual_s) else 0.0
        return max(USUAL_GAP_S, _GAP_STEPS * median_s)

    def is_gap(self, given_s: float | None) -> NDArray[np.bool_]:
        """Return which steps are gaps, breaks left out, (K,)."""
        return (self.step_s > self.longest_gap_s(given_s)) & ~self.is_break

    @property
    def is_jump(self) -> NDArray[np.bool_]:
        """Which steps are faster than :data:`FASTEST_MPS`, (K,)."""
        return self.length_m > FASTEST_MPS * self.step_s


def note_gap(problems: Problems, trace: Trace, steps: Steps, k: int, limit_s: float) -> None:
    """Add the problem of a step that is a gap."""
    name, line, since = _where(trace, steps, k)
    problems.add(
        line,
        f"user {name} has no sample for {steps.step_s[k]:.6g} s {since}, more than largest_gap_s = "
        f"{limit_s:g}; raise that, or set gaps = 'away' (the user leaves and comes back) or 'straight'",
    )


def note_jump(problems: Problems, trace: Trace, steps: Steps, k: int) -> None:
    """Add the problem of a step that is a jump."""
    name, line, since = _where(trace, steps, k)
    speed_mps = steps.length_m[k] / steps.step_s[k]
    problems.add(line, f"user {name} moves at {speed_mps:.6g} m/s {since}, must be at most {FASTEST_MPS:g}")


def _where(trace: Trace, steps: Steps, k: int) -> tuple[str, int, str]:
    after = int(steps.after[k])
    name, line = shortened(trace.ids[steps.user[k]]), int(trace.line[after])
    return name, line, f"since its sample of line {trace.line[after - 1]}"
