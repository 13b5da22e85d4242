"""The trace of an optimisation: one row for each step."""

from __future__ import annotations

from typing import NamedTuple


class Iterate(NamedTuple):
    """One step of the algorithm, a row of the trace.

    ``part`` is ``start``, ``association`` or ``resources``; ``objective`` is F for
    this ``y``; ``accepted`` says whether the step was kept; ``newton_steps`` and ``cpu_s`` what it took.
    """

    outer: int
    part: str
    y: float
    objective: float
    scr: float
    status: str
    accepted: bool
    newton_steps: int
    cpu_s: float
