"""Recorded ways of users: readers of CSV, SUMO FCD and GPX files, and what a trace holds."""

from mecsim.world.traces.read import load_trace, read_trace
from mecsim.world.traces.trace import Trace

__all__ = ["Trace", "load_trace", "read_trace"]
