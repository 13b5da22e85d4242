"""Commands of one policy: what is not built in runs elsewhere, with the same output; a failure is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mecsim.cli import main
from mecsim.scenario.load import load_scenario
from mecsim.study.spec import load_study
from mecsim.system.instance_file import instance_to_json
from mecsim.world.world import World

MINE = '''
import os
from mecsim_policies.baselines import Gucaa

class Mine(Gucaa):
    """The same as gucaa."""

class Leaves(Gucaa):
    """Ends its process."""
    def allocate(self, observation):
        os._exit(0)
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    return str(tmp_path / "mine.py")


def test_promise_recovery_and_solve(mine: str, tmp_path: Path, capsys) -> None:
    """Mutants rejected: the policy imported by the command; a process that ends taken for a result."""
    snapshot = tmp_path / "snapshot.json"
    snapshot.write_text(instance_to_json(World(load_scenario("smoke"), 1).instance(0.0)))
    outage = ["--set", "calendar.failures={mtbf_s=20, mttr_s=5}"]
    commands = (
        ["solve", str(snapshot), "--json"],
        ["promise", "smoke", "--set", "duration_s=20", "--json"],
        ["recovery", "smoke", "--set", "duration_s=30", *outage, "--json"],
    )
    for command in commands:
        told = []
        for policy in ("gucaa", f"{mine}:Mine"):
            assert main([*command, "-p", policy]) == 0, capsys.readouterr().err
            told.append(json.loads(capsys.readouterr().out))
        for each in told[:2] if command[0] == "solve" else ():
            each.pop("decision_cpu_s"), each.pop("policy")
        assert told[0] == told[1]
        assert main([*command, "-p", f"{mine}:Leaves"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "policy 'Leaves' ended its own process (exit code 0)" in printed.err
    assert not any(name.startswith("mecsim_plugin_mine") for name in sys.modules)


def test_the_plan_of_a_study_imports_nothing(mine: str, tmp_path: Path, capsys) -> None:
    """Mutant rejected: `--dry-run` measures the policy in the process of the command."""
    study = tmp_path / "study.toml"
    study.write_text(f'schema=1\nname="x"\nscenarios=["smoke"]\npolicies=["{mine}:Mine", "{mine}:Leaves"]\n')
    assert main(["sweep", str(study), "--dry-run", "--json", "--allow-local-policies"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 20
    assert load_study(study, allow_local_policies=True).runs[0].policy.version.startswith("sha256")
    assert not any(name.startswith("mecsim_plugin_mine") for name in sys.modules)
