"""What a study costs beyond its runs: ``make bench`` prints this. Nothing here is asserted."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mecsim import Scenario, load_results, load_scenario, simulate
from mecsim.results.manifest import manifest_sha256
from mecsim.study.plan import Run, plan
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.runner import execute
from mecsim.study.shared_world import SharedWorld
from mecsim.study.spec import Study
from mecsim.study.sweep import sweep

CHEAP = ("nearest", "rucaa", "gucaa", "local_only", "edge_only", "matching", "water_filling", "linear_rule")


def study(count: int, duration_s: float) -> Study:
    scenario = load_scenario("smoke").with_changes({"duration_s": duration_s})
    policy = PolicyChoice.of("gucaa")
    return Study("bench", "", tuple(Run(scenario, policy, seed) for seed in range(count)))


def spent_s(work: Callable[[], Any]) -> np.ndarray:
    """Return wall time and CPU time, that of processes that ended included."""
    began, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return np.array([time.perf_counter() - began, sum(os.times()[:4]) - cpu])


def simulated_s(folder: Path) -> np.ndarray:
    """Return wall and CPU time of each simulation, a row a run."""
    manifests = [json.loads(path.read_text()) for path in folder.glob("*/manifest.json")]
    return np.array([[manifest["wall_s"], manifest["cpu_s"]] for manifest in manifests])


def overhead(root: Path) -> None:
    few, many = 5, 55
    first = spent_s(lambda: sweep(study(few, 60), out=root / "few", jobs=1))
    second = spent_s(lambda: sweep(study(many, 60), out=root / "many", jobs=1))
    runs = simulated_s(root / "many").sum(axis=0) - simulated_s(root / "few").sum(axis=0)
    each_ms = (second - first - runs) / (many - few) * 1e3
    again = spent_s(lambda: sweep(study(many, 60), out=root / "many", jobs=1))
    start = first - few * second / many
    print("\nA sweep of small runs, one child                           wall      CPU")
    print(f"  beyond the simulation, metrics and tables included   {told(each_ms)} ms a run (target: 30)")
    print(f"  start of the child                                   {told(start * 1e3)} ms")
    print(f"  a finished run, found and checked                    {told(again / many * 1e3)} ms")


def told(both: np.ndarray) -> str:
    return f"{both[0]:6.1f}   {both[1]:6.1f}"


def speed_up(root: Path) -> None:
    duration_s = 60 * 2.0 / simulated_s(root / "few")[:, 0].max()
    one, _ = spent_s(lambda: sweep(study(10, duration_s), out=root / "one", jobs=1))
    two, _ = spent_s(lambda: sweep(study(10, duration_s), out=root / "two", jobs=2))
    print("\nTen runs of about 2 s")
    print(f"  one job {one:.1f} s, two jobs {two:.1f} s: {one / two:.2f} x (target: 1.8)")


def reading(root: Path) -> None:
    """Print how long a thousand runs take to read; copies of one, each under a seed of its own."""
    whole = root / "thousand"
    manifest = simulate("smoke", "gucaa", out=whole / "0").manifest
    for seed in range(1, 1000):
        shutil.copytree(whole / "0", whole / str(seed))
        copy = manifest | {"seed": seed}
        copy["sha256"] = manifest_sha256(copy)
        (whole / str(seed) / "manifest.json").write_text(json.dumps(copy))
    rounds = 0

    def read() -> None:
        nonlocal rounds
        rounds = len(load_results(whole).rounds)

    took = spent_s(read)
    print(f"\nReading 1,000 runs, {rounds:,} rounds: {took[0]:.1f} s, {took[1]:.1f} s of CPU (target: 5)")


def one_world() -> None:
    """Print what eight cheap policies cost in the world that they share, over one of them in the same run."""
    scenario = Scenario.from_toml(Path(__file__).with_name("bench.toml").read_text())
    runs = plan(scenario, [PolicyChoice.of(name) for name in CHEAP], 1)
    ratios = []
    for _ in range(3):
        shared, cpu_s = SharedWorld(), list[float]()
        for run in runs:
            cpu_s.append(execute(run, shared=shared).manifest["cpu_s"])
        apart = sum(execute(run).manifest["cpu_s"] for run in runs)
        ratios.append((sum(cpu_s) / (apart / len(runs)), sum(cpu_s) / apart))
    over_one, over_apart = np.median(ratios, axis=0)
    print(f"\n{', '.join(CHEAP)} on one world of 100 users, blocks of 10 ms, 600 s")
    print(f"  together over one of them {over_one:.1f} (target: 6); over all apart {over_apart:.2f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        overhead(Path(place))
        speed_up(Path(place))
        reading(Path(place))
    one_world()
