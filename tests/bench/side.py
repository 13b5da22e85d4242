"""One side of ``against.py``: measures the cases that it reads from standard input, a name a line.

It runs in a process of its own with the code of one commit, and so uses only the public interface of
mecsim, which old and new commits share. For each case it answers with a line of JSON: the CPU time in s
and a hash of each column of the outcome.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mecsim
from mecsim.registry import list_policies

TABLES = ("rounds", "epochs", "generations", "positions", "allocations")
MEASURED = {"decision_cpu_s"}
SCENARIO = Path(__file__).with_name("bench.toml")
SHARED = {"service.sharing": "work_conserving"}
Hashes = dict[str, str]
Answer = tuple[float, Hashes]


def column_hash(column: Any) -> str:
    """Return a hash of a column's values that does not depend on the width of its integers."""
    values = np.asarray(column)
    if values.dtype.kind in "bui":
        values = values.astype(np.int64)
    exact = "\0".join(map(str, values)).encode() if values.dtype.kind not in "if" else values.tobytes()
    return hashlib.sha256(exact).hexdigest()[:16]


def table_hashes(results: Any) -> Hashes:
    """Return a hash of each column of a run's tables, without the measured ones."""
    frames = {table: getattr(results, table) for table in TABLES}
    return {
        f"{table}.{name}": column_hash(frame[name])
        for table, frame in frames.items()
        for name in frame.columns
        if name not in MEASURED
    }


def run(users: int, duration_s: float, policy: str, changes: Mapping[str, Any] | None = None) -> Answer:
    """Return the CPU time of a run of the bench's scenario, set-up and tables included."""
    changed = {"users.count": users, "duration_s": duration_s, **(changes or {})}
    return simulated(mecsim.Scenario.from_toml(SCENARIO.read_text()).with_changes(changed), policy)


def shipped(name: str, duration_s: float) -> Answer:
    """Return the CPU time of a run of a shipped scenario under `nearest`."""
    return simulated(mecsim.load_scenario(name).with_changes({"duration_s": duration_s, "warmup_s": 0}))


def simulated(scenario: Any, policy: str = "nearest") -> Answer:
    """Return the CPU time of a run."""
    began = time.process_time()
    results = mecsim.simulate(scenario, policy, seed=1)
    return time.process_time() - began, table_hashes(results)


def blocks(block_s: float) -> dict[str, float]:
    """Return the change of a scenario to fading blocks of a length."""
    return {"channel.fading.block_s": block_s}


def with_additions() -> str:
    """Return the name of DASHF with our additions, which older commits call `dashf`."""
    known = {entry.name for entry in list_policies()}
    return "dashf_plus" if "dashf_plus" in known else "dashf"


def warm(users: int, servers: int, epochs: int) -> Answer:
    """Return the CPU time of the warm decisions of dashf in a run of that many epochs."""
    scenario = mecsim.load_scenario("campus").with_changes(
        {
            "users.count": users,
            "servers.positions_m": [[1000 * (m + 0.5) / servers, 500] for m in range(servers)],
            "duration_s": 5.0 * epochs,
            "warmup_s": 0,
        }
    )
    results = mecsim.simulate(scenario, with_additions(), seed=1)
    return float(results.epochs["decision_cpu_s"][1:].sum()), table_hashes(results)


def cold(users: int, servers: int, snapshots: int) -> Answer:
    """Return the CPU time of a cold decision of dashf on each of some snapshots."""
    spent_s, hashes = 0.0, {}
    for seed in range(snapshots):
        instance = snapshot(seed, users, servers)
        policy = mecsim.make_policy(with_additions())
        began = time.process_time()
        allocation = policy.allocate(mecsim.Observation.of(instance))
        spent_s += time.process_time() - began
        for name in ("server", "local_fraction", "bandwidth_hz", "server_power_w", "server_gpu_flops"):
            hashes[f"{seed}.{name}"] = column_hash(getattr(allocation, name))
    return spent_s, hashes


def snapshot(seed: int, users: int, servers: int) -> Any:
    """Return a snapshot with devices like those of scenario `paper`, read from an instance file."""
    rng = np.random.default_rng([seed, users, servers])
    places = [rng.uniform(0, 1000, (count, 2)) for count in (users, servers)]
    distance_km = np.linalg.norm(places[0][:, None] - places[1], axis=-1) / 1000
    gain_db = -128.1 - 37.6 * np.log10(np.maximum(distance_km, 0.01)) + rng.normal(0, 8, distance_km.shape)
    user = {"flops_per_param": 3e6, "epochs": 1, "gpu_count": 4, "max_gpu_flops": 2.8e12, "kappa": 1.4e-37}
    server = {"bandwidth_hz": 1e7, "epochs": 1, "gpu_count": 8, "max_gpu_flops": 2e13, "kappa": 4e-38}
    data = {
        "schema": 1,
        "noise_w_per_hz": 4e-21,
        "users": [
            user | {"max_power_w": 0.2, "adapter_params": rng.uniform(1e6, 14e6)} for _ in range(users)
        ],
        "servers": [server | {"max_power_w": 10} for _ in range(servers)],
        "gain": (10 ** (gain_db / 10)).tolist(),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "instance.json"
        file.write_text(json.dumps(data))
        return mecsim.load_instance(file)


CASES: dict[str, Callable[[], Answer]] = {
    "engine, 10 users, nearest": lambda: run(10, 500, "nearest"),
    "engine, 100 users, nearest": lambda: run(100, 150, "nearest"),
    "engine, 1,000 users, nearest": lambda: run(1000, 30, "nearest"),
    "engine, 100 users, gucaa": lambda: run(100, 150, "gucaa"),
    "engine, 100 users, blocks of 1 s": lambda: run(100, 500, "nearest", blocks(1)),
    "engine, 100 users, blocks of 10 s": lambda: run(100, 500, "nearest", blocks(10)),
    "work_conserving, 100 users": lambda: run(100, 60, "nearest", SHARED),
    "work_conserving, 1,000 users": lambda: run(1000, 12, "nearest", SHARED),
    "avenue": lambda: shipped("avenue", 150),
    "highway": lambda: shipped("highway", 150),
    "dashf cold (10, 2)": lambda: cold(10, 2, 8),
    "dashf cold (50, 5)": lambda: cold(50, 5, 3),
    "dashf warm (10, 2)": lambda: warm(10, 2, 30),
    "dashf warm (50, 5)": lambda: warm(50, 5, 12),
}


def main() -> None:
    """Import everything, print where mecsim comes from and the names of the cases, then measure."""
    run(5, 20, "gucaa"), warm(5, 2, 2)
    print(json.dumps([mecsim.__file__, list(CASES)]), flush=True)
    for line in sys.stdin:
        print(json.dumps(CASES[line.strip()]()), flush=True)


if __name__ == "__main__":
    main()
