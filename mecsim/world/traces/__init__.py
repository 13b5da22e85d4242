"""Recorded trajectories: readers of CSV, SUMO FCD and GPX files."""

from mecsim.world.traces.read import load_trace, read_trace
from mecsim.world.traces.trace import Trace

__all__ = ["Trace", "load_trace", "read_trace"]
