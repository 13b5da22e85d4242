"""What the engine costs, in ratios measured in one run: ``make bench`` prints this.

Nothing here is asserted: times belong to a machine, and tests never look at the clock.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from mecsim_policies.baselines import Nearest

from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.simulation import Simulation
from mecsim.scenario.schema import Scenario
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.world.csi import CsiModel
from mecsim.world.windows import WINDOW, WINDOW_BLOCKS
from mecsim.world.world import World

SCENARIO = Path(__file__).with_name("bench.toml")
HELP = "from mecsim.cli import main; main()"
STILL = {"users.mobility": {"model": "static"}, "workload.rounds": {"mode": "synchronous"}}


def scenario(users: int = 100, duration_s: float = 600.0, **changes: Any) -> Scenario:
    base = Scenario.from_toml(SCENARIO.read_text())
    return base.with_changes({"users.count": users, "duration_s": duration_s, **changes})


def cpu_s(work: Callable[[], Any], repeats: int = 3) -> float:
    """Return the least CPU time of some repeats in s."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def throughput() -> None:
    print("\nUser-seconds of simulation per CPU second, set-up included (least of 3)")
    rows = [
        ("100 users, 5 servers, moving (target: 40,000)", scenario(100, 600)),
        ("10 users", scenario(10, 2000)),
        ("1,000 users", scenario(1000, 120)),
        ("100 users, work_conserving", scenario(100, 300, **{"service.sharing": "work_conserving"})),
        ("100 users, csi instantaneous", scenario(100, 300, **{"reallocation.csi": "instantaneous"})),
        ("100 users, static, synchronous", scenario(100, 3000, **STILL)),
    ]
    for name, case in rows:
        used = cpu_s(lambda case=case: Simulation(case, Nearest(), 1).run())
        per_user_second_us = used / (case.users.count * case.duration_s) * 1e6
        print(f"  {name:48s} {1e6 / per_user_second_us:10,.0f}   {per_user_second_us:6.1f} us each")


@contextmanager
def stopwatch(owner: type, method: str, spent: dict[str, float]) -> Any:
    """Add the CPU time spent inside a method to ``spent[method]``."""
    inner = getattr(owner, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            spent[method] = spent.get(method, 0.0) + time.perf_counter() - began

    with patch.object(owner, method, timed):
        yield


def shares() -> None:
    """Print where the time goes, and what the same events and samples cost alone."""
    case = scenario(100, 600)
    spent: dict[str, float] = {}
    loaded: list[tuple[int, int]] = []  # rows and blocks of each
    fill = World.gain_window

    def counted(self: World, users: Any, servers: Any, window: int, blocks: range = WINDOW) -> Any:
        loaded.append((len(users), len(blocks)))
        return fill(self, users, servers, window, blocks)

    with patch.object(World, "gain_window", counted):
        events = Simulation(case, Nearest(), 1).run().counts["events"]
    began = time.perf_counter()
    with (
        stopwatch(World, "gain_window", spent),
        stopwatch(CsiModel, "gains", spent),
        stopwatch(Nearest, "allocate", spent),
    ):
        Simulation(case, Nearest(), 1).run()
    total = time.perf_counter() - began
    simpy_s = cpu_s(lambda: _empty_events(events))
    rows, blocks = sum(n for n, _ in loaded), sum(n * length for n, length in loaded)
    whole_rows = blocks // WINDOW_BLOCKS
    world = World(case, 1)
    users = np.arange(16)
    floor_s = cpu_s(lambda: [world.gain_window(users, users % 5, 3) for _ in range(whole_rows // 16)])
    print("\nWhere 100 users x 600 s go (one run, seconds and share)")
    parts = [
        (f"fading windows ({rows:,} rows of {blocks / rows:.0f} blocks)", spent["gain_window"]),
        ("gains for observations", spent["gains"]),
        ("policy", spent["allocate"]),
        (f"SimPy ({events:,} empty events, measured apart)", simpy_s),
    ]
    parts.append(("the rest: rates, service, rounds, records", total - sum(s for _, s in parts)))
    for name, seconds in parts:
        print(f"  {name:56s} {seconds:7.3f}  {seconds / total:6.1%}")
    print(f"  {'whole run':56s} {total:7.3f}")
    a_block_ns = floor_s / (whole_rows * WINDOW_BLOCKS) * 1e9
    print(
        f"  as many blocks in whole rows, 16 at a time, alone: {floor_s:.3f} s, {a_block_ns:.1f} ns a block"
    )
    print(f"  whole run against its floors (those rows + those events): {total / (floor_s + simpy_s):.2f} x")


def _empty_events(count: int) -> None:
    clock = Clock()
    for n in range(count):
        clock.call_at(float(n), EventKind.COMPLETION, 0, _nothing)
    clock.run()


def _nothing() -> None:
    return


def twin() -> None:
    case = scenario(4, 60)
    slow = cpu_s(lambda: ReferenceEngine(case, Nearest(), 1).run(), repeats=1)
    fast = cpu_s(lambda: Simulation(case, Nearest(), 1).run())
    print("\nAgainst the slow twin that walks every fading block (4 users x 60 s)")
    print(f"  twin {slow:.2f} s, engine {fast:.4f} s: {slow / fast:,.0f} x")


def memory() -> None:
    """Print how much a run holds on to between two moments, for each round finished in between."""
    held: dict[float, int] = {}

    def look(time_s: float) -> None:
        if time_s in (1000.0, 9000.0):
            gc.collect()
            held[time_s] = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    case = scenario(20, 9005.0, **{"record.allocations": False})  # which grow with decisions, not with rounds
    record = Simulation(case, Nearest(), 1, on_progress=look).run()
    tracemalloc.stop()
    ends = record.rounds["start_s"] + record.rounds["delay_s"]
    rounds = int(((ends > 1000.0) & (ends <= 9000.0)).sum())
    growth = held[9000.0] - held[1000.0]
    print("\nMemory held at 9,000 s more than at 1,000 s, records included (target: 150 bytes a round)")
    print(f"  {rounds:,} rounds, {growth:,} bytes: {growth / rounds:.0f} bytes a round")


def start_up() -> None:
    print("\nStart-up (least of 5, wall time)")
    for name, command in (
        ("python -c pass", [sys.executable, "-c", "pass"]),
        ("import mecsim", [sys.executable, "-c", "import mecsim"]),
        ("mecsim --help (target: 0.4 s)", [sys.executable, "-c", HELP, "--help"]),
    ):
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            best = min(best, time.perf_counter() - began)
        print(f"  {name:40s} {best:6.3f} s")


if __name__ == "__main__":
    throughput()
    shares()
    twin()
    memory()
    start_up()
