"""Scenarios and policies that several folders of tests draw from."""

import hashlib
import signal

import numpy as np
import pytest

from mecsim import plugins
from mecsim.scenario.schema import Scenario
from mecsim.study import pool
from mecsim.system.allocation import Allocation

BASE = """
schema = 1
name = "test"
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
count = 3
max_power_w = 0.2
gpu = { peak_tflops = 8.873, board_power_w = 180 }
gpu_count = 4
mobility = { model = "static" }
[workload]
adapter_params = { uniform = [1e5, 1e6] }
token_bits = { uniform = [10e6, 50e6] }
[channel]
fading = { model = "rayleigh", block_s = 0.05 }
"""

SLOW_FILES = (
    "contract/test_policy_contract.py",
    "fault/test_hostile_commands.py",
    "docs/test_pages.py",
    "optimiser/test_all_laws_policies.py",
    "report/test_browser.py",
    "unit/test_paper.py",
    "fault/test_sweep_faults.py",
    "fault/test_cli_faults.py",
    "contract/test_short_run.py",
    "determinism/test_everything_on.py",
    "determinism/test_same_bits.py",
    "report/test_report_data.py",
    "report/test_report_study.py",
    "search/test_metamorphic.py",
    "exact/test_twin.py",
    "fault/test_killed_workers.py",
    "optimiser/test_policies.py",
    "search/test_robustness.py",
    "contract/test_predicted_scr.py",
    "unit/test_cli.py",
    "docs/test_quickstart.py",
    "golden/test_goldens.py",
    "statistical/test_waypoint_speed.py",
)
"""They start first, so that no worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items):
    places = {f"tests/{name}": place for place, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


class RandomPolicy:
    """Feasible allocations drawn at each epoch from (seed, epoch), some grants of zero.

    Most users keep their server, and of these some keep all their grants, from one epoch to the
    next; now and then the policy returns None.
    """

    def __init__(self, seed=0, *, zeros=0.1, move=0.3, keep=0.4):
        self.seed, self.zeros, self.move, self.keep = seed, zeros, move, keep

    def allocate(self, observation):
        rng = np.random.default_rng([self.seed, observation.epoch])
        instance, before = observation.instance, observation.allocation
        n, m = instance.user_count, instance.server_count
        if before is not None and rng.random() < 0.1:
            return None
        server, kept = rng.integers(m, size=n), np.zeros(n, dtype=bool)
        if before is not None:
            moves = rng.random(n) < self.move
            server = np.where(moves, server, before.server)
            kept = ~moves & (rng.random(n) < self.keep)
        phi = np.where(rng.random(n) < 0.3, rng.integers(0, 2, size=n), rng.random(n))

        def drawn(name, top):
            new = top * rng.uniform(0.3, 1.0, n) * (rng.random(n) >= self.zeros)
            return np.where(kept, getattr(before, name, 0.0), new)

        def shared(name, budgets):
            old = np.where(kept, getattr(before, name, 0.0), 0.0)
            left = budgets - np.bincount(server, weights=old, minlength=m)
            weight = np.where(kept, 0.0, rng.uniform(0.2, 1.0, n))
            weight *= (
                rng.uniform(0.5, 1.0)
                / np.maximum(np.bincount(server, weights=weight, minlength=m), 0.1)[server]
            )
            return np.where(kept, old, left[server] * weight * (rng.random(n) >= self.zeros))

        users, servers = instance.users, instance.servers
        return Allocation(
            server=server,
            local_fraction=phi,
            bandwidth_hz=shared("bandwidth_hz", servers.bandwidth_hz),
            user_power_w=drawn("user_power_w", users.max_power_w),
            server_power_w=shared("server_power_w", servers.max_power_w),
            user_gpu_flops=drawn("user_gpu_flops", users.max_gpu_flops),
            server_gpu_flops=shared("server_gpu_flops", servers.max_gpu_flops),
        )


def record_digest(record):
    """Return a hash of every bit of a record but the measured computing time."""
    hashed = hashlib.sha256()
    for table in (record.rounds, record.epochs, record.allocations, record.ledger):
        for name, column in table.items():
            if name != "decision_cpu_s":
                hashed.update(f"{name} {column.dtype} {column.shape} ".encode())
                hashed.update(np.ascontiguousarray(column).tobytes())
    return hashed.hexdigest()


@pytest.fixture(autouse=True)
def _no_plugins_of_other_tests(monkeypatch):
    """Give each test the installed plug-ins and none that another test has registered."""
    monkeypatch.setattr(plugins, "_registered", {})


@pytest.fixture(autouse=True)
def _workers_only_where_asked_for(monkeypatch):
    """Make runs in this process unless a test names a number of jobs: to start a worker takes a second."""
    monkeypatch.setattr(pool, "cores", lambda: 1)


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """Let Ctrl-C interrupt here and in what tests start, also where the suite runs in the background."""
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def make_scenario():
    """Return a function from changes, by dotted key, to a small scenario."""
    base = Scenario.from_toml(BASE)
    return lambda changes=None: base.with_changes(changes or {})


@pytest.fixture(scope="session")
def draw_scenario(make_scenario):
    """Return a function from a seed to a random scenario with unlike devices."""

    def draw(seed, *, moving, users=6, changes=None):
        rng = np.random.default_rng([seed, moving])
        n, m = int(rng.integers(1, users + 1)), int(rng.integers(1, 5))
        size = rng.uniform(200, 800, 2)

        def each(count, low, high):
            return rng.uniform(low, high, count).tolist()

        def gpus(count):
            return [
                {"peak_tflops": rng.uniform(5, 25), "board_power_w": rng.uniform(100, 500)}
                for _ in range(count)
            ]

        def whole(count, top):
            return rng.integers(1, top + 1, count).tolist()

        def amounts(low, high):
            per = str(rng.choice(["user", "round"]))
            form = rng.choice(["uniform", "exponential", "choice"])
            values = (low + high) / 2 if form == "exponential" else [low, high]
            return {str(form): values, "per": per}

        think_s = float(rng.choice([0.0, rng.uniform(0.1, 3)]))
        rounds = [
            {"mode": "continuous", "think_s": think_s},
            {"mode": "synchronous", "think_s": think_s},
            {"mode": "poisson", "rate_per_s": rng.uniform(0.05, 0.5)},
            {"mode": "periodic", "period_s": rng.uniform(2, 20), "staggered": bool(rng.random() < 0.7)},
        ][int(rng.integers(4)) if moving else 1]
        drawn = {
            "duration_s": rng.uniform(40, 80),
            "area.size_m": size.tolist(),
            "servers.positions_m": (rng.random((m, 2)) * size).tolist(),
            "servers.bandwidth_mhz": each(m, 5, 40),
            "servers.max_power_w": each(m, 2, 20),
            "servers.gpu": gpus(m),
            "servers.gpu_count": whole(m, 8),
            "servers.gpu_utilisation": each(m, 0.3, 0.9),
            "servers.epochs": whole(m, 3),
            "users.count": n,
            "users.max_power_w": each(n, 0.1, 0.4),
            "users.gpu": gpus(n),
            "users.gpu_count": whole(n, 4),
            "users.gpu_utilisation": each(n, 0.3, 0.9),
            "users.epochs": whole(n, 3),
            "workload.rounds": rounds,
            "workload.adapter_params": amounts(1e5, 1e6),
            "workload.token_bits": amounts(2e7, 2e8),
            "channel.fading": {"model": "rayleigh", "block_s": rng.uniform(0.03, 0.1)},
            "service.sharing": str(rng.choice(["reserved", "work_conserving"])) if moving else "reserved",
            "handover.latency_s": float(rng.choice([0.0, rng.uniform(0.02, 1)])),
            "handover.backhaul_gbps": float(rng.choice([1e-3, 0.01, 1])),
            "reallocation.period_s": rng.uniform(1, 6),
            "reallocation.csi": str(rng.choice(["local_mean", "instantaneous"])),
            "objective.delay_weight_per_s": rng.uniform(0.1, 1),
            "objective.energy_weight_per_j": rng.uniform(0.001, 0.01),
        }
        if moving:
            drawn["users.mobility"] = {
                "model": "random_waypoint",
                "speed_mps": sorted(each(2, 2, 30)),
                "pause_s": sorted(each(2, 0, 4)),
            }
        return make_scenario(drawn | (changes or {}))

    return draw


@pytest.fixture(scope="session")
def random_policy():
    """Return the class of a policy that draws its allocations."""
    return RandomPolicy


@pytest.fixture(scope="session")
def digest():
    """Return the function from a record to a hash of it."""
    return record_digest


@pytest.fixture
def without_pictures(monkeypatch):
    """Let commands draw no figure and build no report, where a test is about neither."""
    from mecsim.analysis.report import page
    from mecsim.study.comparison import Comparison

    monkeypatch.setattr(Comparison, "figure", lambda self, path: [])
    monkeypatch.setattr(page, "write_report", lambda folder, *_: folder / page.REPORT)


@pytest.fixture
def in_one_process(monkeypatch):
    """Let the process of a sweep make its runs, so that one signal hits all, and no worker has to start."""
    from mecsim.study.outcome import attempt
    from mecsim.study.worker import Worker

    def here(self, run, folder, limit_s=None, *, reuse=False, shares=False):
        return attempt(run, folder, reuse=reuse)

    monkeypatch.setattr(Worker, "attempt", here)


@pytest.fixture(scope="module")
def cluster():
    """Yield a dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="the cluster extra is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster
