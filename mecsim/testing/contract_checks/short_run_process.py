"""The other side of :mod:`~mecsim.testing.contract_checks.short_run`: the process that runs the policy."""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable
from itertools import count
from typing import IO, Any

import numpy as np

from mecsim.engine.recorder import RunRecord
from mecsim.engine.simulation import Simulation
from mecsim.foreign_code import described
from mecsim.results.blas import one_blas_thread
from mecsim.scenario.schema import Scenario
from mecsim.testing.contract_checks.surroundings import changes, surroundings

SEED = 3
START_S = 60.0
"""Time to import, make and reset a policy."""

SCENARIO = """
schema = 1
name = "short"
duration_s = 60
[area]
size_m = [500, 400]
[servers]
positions_m = [[120, 200], [380, 200]]
bandwidth_mhz = 10
max_power_w = 10
gpu = { peak_tflops = 19.5, board_power_w = 400 }
gpu_count = 8
[users]
count = 4
max_power_w = 0.2
gpu = { peak_tflops = 8.873, board_power_w = 180 }
gpu_count = 4
mobility = { model = "random_waypoint", speed_mps = [5, 15], pause_s = [0, 5] }
[workload]
adapter_params = { uniform = [1e5, 1e6] }
token_bits = { uniform = [10e6, 50e6] }
[channel]
fading = { model = "rayleigh", block_s = 0.05 }
[reallocation]
period_s = 5
"""


def serve() -> None:
    """Run the policy that is asked for on standard input, and tell on standard output how far it is."""
    answers, errors = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
    # What the policy prints must not mix with the answers.
    os.dup2(2, 1)
    make, limit_s = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent

    def limit(seconds: float = limit_s) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=errors)

    limit(max(START_S, limit_s))
    before = surroundings()
    try:
        with one_blas_thread():
            record = _run(make, answers, limit)
    except BaseException as error:  # noqa: BLE001 - the fault to report
        _tell(answers, {"fault": str(error) or described(error)})
    else:
        left = [*record.remarks, *record.irreproducible, *changes(before, surroundings())]
        _tell(answers, {"digests": _digests(record), "left": left})
    # Threads and exit handlers of the policy have no say.
    os._exit(0)


def _run(make: Any, answers: IO[str], limit: Callable[[], None]) -> RunRecord:
    """Run, limiting the time of each decision, which is told before it is made."""
    epochs = count()

    def tell(time_s: float) -> None:
        limit()
        _tell(answers, {"epoch": next(epochs), "time_s": time_s})

    return Simulation(Scenario.from_toml(SCENARIO), make(), SEED, on_progress=tell).run()


def _tell(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _digests(record: RunRecord) -> dict[str, str]:
    """Return a hash of every bit of each table but the measured times."""
    found = {}
    for name in ("rounds", "epochs", "allocations"):
        hashed = hashlib.sha256()
        for column, values in getattr(record, name).items():
            if column != "decision_cpu_s":
                hashed.update(f"{column} {values.dtype} {values.shape} ".encode())
                hashed.update(np.ascontiguousarray(values).tobytes())
        found[name] = hashed.hexdigest()
    return found
