"""The speed of this machine, measured on a second of each kind of run."""

from __future__ import annotations

import time
from collections.abc import Iterable
from math import isnan, nan

from mecsim.errors import MecsimError
from mecsim.results.blas import one_blas_thread
from mecsim.study.isolation.child import Child
from mecsim.study.isolation.client import Call
from mecsim.study.plan import Run
from mecsim.study.schedule import RunTimes

_PROBE_S = 1.0
_PATIENCE_S = 30.0


def probe_unknown(times: RunTimes, runs: Iterable[Run], budget_s: float = _PROBE_S) -> None:
    """Measure runs whose time is unknown, one for each scenario name and policy, for ``times``."""
    for run in runs:
        if isnan(times.wall_s(run)):
            times.learn(run, probe(run, budget_s))


def probe(run: Run, budget_s: float = _PROBE_S) -> float:
    """Return how long a run would take, in s, from its first ``budget_s``; NaN if it fails before that.

    Foreign code runs in a process of its own, and fails if it takes much longer.
    """
    if not run.is_foreign:
        return _probed(run, budget_s)
    ending = Call(_probed, run, budget_s, limit_s=budget_s + _PATIENCE_S).wait()
    return ending.value if ending.how == "answered" and isinstance(ending.value, float) else nan


def _probed(run: Run, budget_s: float, child: Child | None = None) -> float:
    from mecsim.engine.simulation import Simulation

    began = time.perf_counter()

    def stop_in_time(time_s: float) -> None:
        if time_s > 0 and time.perf_counter() - began > budget_s:
            raise TimeoutError(time_s)

    try:
        with one_blas_thread():
            Simulation(
                run.scenario, run.policy.make(), run.seed, label=run.policy.label, on_progress=stop_in_time
            ).run()
    except TimeoutError as enough:
        return (time.perf_counter() - began) * run.scenario.duration_s / float(enough.args[0])
    except MecsimError:
        return nan
    return time.perf_counter() - began
