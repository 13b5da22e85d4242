"""Where and when a run happens does not matter (docs/verification.md F14)."""

import os
import subprocess
import sys

import pytest

from mecsim.engine.simulation import Simulation

ELSEWHERE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
from mecsim.engine.simulation import Simulation
from mecsim.scenario.schema import Scenario
print(shared.record_digest(Simulation(Scenario.from_toml(sys.stdin.read()), shared.RandomPolicy(1), 1).run()))
"""


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (["-O"], {}),
        ([], {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
        ([], {"LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8"}),
        ([], {"TZ": "Pacific/Kiritimati", "COLUMNS": "1", "TERM": "dumb"}),
    ],
    ids=["optimised", "C locale", "foreign locale", "odd terminal"],
)
def test_the_same_bits_in_odd_surroundings(
    make_scenario, random_policy, digest, tmp_path, request, flags, environment
):
    scenario = make_scenario(
        {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 15]}, "duration_s": 20}
    )
    here = digest(Simulation(scenario, random_policy(1), 1).run())
    folder = tmp_path / "a folder with spaces, äöü"
    folder.mkdir()
    shared = str(request.config.rootpath / "tests" / "conftest.py")
    done = subprocess.run(
        [sys.executable, *flags, "-c", ELSEWHERE, shared],
        input=scenario.to_toml(), capture_output=True, text=True, cwd=folder,
        env=os.environ | environment, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == here


def test_a_clock_that_steps_back_changes_nothing(make_scenario, monkeypatch, digest, random_policy):
    scenario = make_scenario({"duration_s": 30})
    here = digest(Simulation(scenario, random_policy(1), 1).run())
    backwards = iter(range(10**9, 0, -1))
    for name in ("time", "perf_counter", "process_time", "monotonic"):
        monkeypatch.setattr(f"time.{name}", lambda: float(next(backwards)))
    stepped = digest(Simulation(scenario, random_policy(1), 1).run())
    monkeypatch.undo()
    assert stepped == here
