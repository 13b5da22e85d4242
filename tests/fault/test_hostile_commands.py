"""Every hostile policy under two commands: what must come of it comes, and the bits of others stay theirs.

The cases say what is expected (`hostile_policies.py`). All of a command share its processes. The commands end
in the same call in a process of its own, and differ in who waits for it: so every policy is under `compare`
with two workers, every kind of expectation under all of them, and every policy that would do harm in
`test_hostile_policies.py` under one of the others too.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mecsim.cli import main
from mecsim.errors import MecsimError, PolicyError
from mecsim.results.store import read_manifest
from mecsim.scenario.load import load_scenario
from mecsim.study import compare as comparing
from mecsim.study import sweep as sweeping
from mecsim.study.compare import compare
from mecsim.study.outcome import RunOutcome
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice, choose_policies
from mecsim.study.runner import simulate
from mecsim.study.spec import Study
from mecsim.study.sweep import sweep
from mecsim.study.worker import results_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, fork, /proc")

HOSTILE = runpy.run_path(str(Path(__file__).with_name("hostile_policies.py")))
CASES, SAFE = HOSTILE["CASES"], HOSTILE["SAFE"]
LIMIT_S, PATIENCE_S = 2.0, 100.0
LONG_ROUNDS = {"workload.token_bits": {"uniform": [1e7, 5e7]}}
SCENARIO = load_scenario("smoke").with_changes({"duration_s": 32, "warmup_s": 0, **LONG_ROUNDS})
"""The tricks begin at the fifth decision, at 25 s, or before; a tenth of the rounds will do."""
ALONE = ("nearest", "gucaa")
MADE = [
    case for case in CASES if case.expect not in ("unmakeable", "unsendable") and "WhenMade" not in case.name
]
UNMADE = [
    case for case in CASES if case.expect == "unmakeable" or case.name.endswith("EndsTheProcessWhenMade")
]
COMMANDS = ("compare -j 2", "compare -j 1", "sweep", "run")


def cases_of(command: str) -> list:
    """Return the cases of a command: all, or a third of each kind, three at most of the safe ones.

    Each that hangs costs its limit.
    """
    if command == "compare -j 2":
        return MADE
    found, others = [], COMMANDS[1:]
    for kind in sorted({case.expect for case in MADE}):
        own = [case for case in MADE if case.expect == kind]
        if kind == "hangs":
            found += [case for case in own if case.name == "LoopsOverEverything"]
        elif kind in SAFE:
            found += own[others.index(command) :: len(others)][:3]
        else:
            found += own if len(own) < 2 * len(others) else own[others.index(command) :: len(others)]
    return found


@pytest.fixture(scope="module")
def alone() -> dict[str, str]:
    """Return the digest of each built-in policy in a process that nobody has touched."""
    return {name: simulate(SCENARIO, name).manifest["digest"] for name in ALONE}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[dict[str, RunOutcome], Path]]:
    """Return the outcomes of a command, run once, by label, and the folder of its runs."""
    done: dict[str, tuple[dict[str, RunOutcome], Path]] = {}

    def of(command: str) -> tuple[dict[str, RunOutcome], Path]:
        if command not in done:
            folder = tmp_path_factory.mktemp("hostile")
            with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                for module in (comparing, sweeping):
                    patched.setattr(module, "with_retries", lambda runs, executor, jobs: executor(runs, jobs))
                done[command] = {}, folder  # also if it fails, which every test of the command then shows
                done[command] = {o.policy: o for o in _outcomes(command, folder)}, folder
        return done[command]

    return of


def _outcomes(command: str, folder: Path) -> Iterator[RunOutcome]:
    cases = cases_of(command)
    hanging = [case.spec for case in cases if case.expect == "hangs"]
    others = [case.spec for case in cases if case.expect != "hangs"]
    # Those that hang first, so that the built-in policy at the end runs after all.
    for specs, limit_s in ((["nearest", *hanging], LIMIT_S), (["nearest", *others, "gucaa"], PATIENCE_S)):
        choices = choose_policies(specs)
        if command.startswith("compare"):
            jobs = int(command[-1])
            yield from compare(SCENARIO, choices, 1, jobs=jobs, limit_s=limit_s, out=folder).outcomes
        elif command == "sweep":
            runs = tuple(Run(SCENARIO, choice, 0) for choice in choices)
            yield from sweep(Study("hostile", "", runs, limit_s), out=folder, jobs=2).outcomes
        else:
            yield from (_outcome_of_run(choice, folder, limit_s) for choice in choices)


def _outcome_of_run(choice: PolicyChoice, folder: Path, limit_s: float) -> RunOutcome:
    run = Run(SCENARIO, choice, 0)
    try:
        metrics = results_of(run, folder / run.run_id, limit_s).manifest["metrics"]
        return RunOutcome(run.run_id, choice.label, 0, metrics)
    except MecsimError as error:
        return RunOutcome(run.run_id, choice.label, 0, error=str(error), failure_kind="raised")


PAIRS = [(command, case) for command in COMMANDS for case in cases_of(command)]


@pytest.mark.parametrize(("command", "case"), PAIRS, ids=lambda each: getattr(each, "name", each))
def test_what_must_come_of_it_comes(command: str, case, found, alone: dict[str, str]) -> None:
    """J3, and items 1 to 4 and 6. Mutants rejected: `except Exception`; exit code 0 taken for success."""
    outcomes, folder = found(command)
    outcome = outcomes[case.name]
    expected = case.expect.split(" or ")
    if outcome.error:
        assert {"fails", "ends", "hangs", "contained"} & set(expected), f"{outcome.error}\n{outcome.details}"
        assert f"policy '{case.name}'" in outcome.error
        assert not (folder / outcome.run_id).exists()
        if case.expect in ("ends", "hangs"):
            assert "epoch" in outcome.error or "before its first decision" in outcome.error
        if case.expect == "hangs":
            assert f"limit of {LIMIT_S:g} s" in outcome.error
            assert f"{Path(case.spec.rpartition(':')[0]).name}:" in outcome.error
        return
    assert case.expect not in ("fails", "ends", "hangs")
    manifest = read_manifest(folder / outcome.run_id)
    if case.expect in ("harmless", "marked"):
        assert manifest["digest"] == alone["nearest"]
    if case.expect == "irreproducible":
        assert manifest["reproducible"] is False


@pytest.mark.parametrize("command", COMMANDS)
def test_the_bits_of_others_are_those_they_have_alone(command: str, found, alone: dict[str, str]) -> None:
    """J4. Mutant rejected: one process for all runs. The last policy runs after all that is hostile."""
    outcomes, folder = found(command)
    for name, digest in alone.items():
        assert read_manifest(folder / outcomes[name].run_id)["digest"] == digest


def test_a_policy_that_cannot_be_made_is_named_before_any_run(tmp_path: Path, capsys) -> None:
    """Mutants rejected: a policy made in the process that compares; exit code 0."""
    specs = [case.spec for case in UNMADE]
    with pytest.raises(PolicyError) as caught:
        choose_policies(["nearest", *specs])
    for case in UNMADE:
        assert case.name in str(caught.value)
    for case in UNMADE:
        assert main(["run", "smoke", "-p", case.spec, "-q", "--out", str(tmp_path / "out")]) in (1, 2)
        assert case.name in capsys.readouterr().err
    assert main(["compare", "smoke", "-p", ",".join(["nearest", *specs]), "-r", "1", "-q"]) in (1, 2)
    assert not any(name.startswith("mecsim_plugin_hostile") for name in sys.modules)


def test_every_case_that_is_not_safe_is_under_two_commands_and_every_kind_under_all() -> None:
    kinds = {case.expect for case in MADE}
    for command in COMMANDS:
        assert {case.expect for case in cases_of(command)} == kinds
    for case in MADE:
        count = sum(case in cases_of(command) for command in COMMANDS)
        assert count >= (1 if case.expect in (*SAFE, "hangs") else 2), case.name


@pytest.mark.usefixtures("without_pictures")
def test_the_command_says_it_with_its_exit_code(tmp_path: Path, capsys) -> None:
    """Two commands as a user gives them. Mutant rejected: a policy's exit code 0 becomes the command's."""
    by_name = {case.name: case.spec for case in CASES}
    one = ["run", "smoke", "--set", "duration_s=32", "-q", "--json", "--limit-s", "20"]
    assert main([*one, "-p", by_name["EndsTheProcess"], "--out", str(tmp_path / "one")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "policy 'EndsTheProcess' ended its own process (exit code 0) at t = 25 s (epoch 5)" in told.err
    policies = f"nearest,{by_name['EndsTheProcess']},{by_name['ClosesTheOutput']}"
    several = ["compare", "smoke", "--set", "duration_s=32", "-r", "1", "-q", "--json", "--limit-s", "20"]
    assert main([*several, "-p", policies, "-j", "2", "--out", str(tmp_path / "two")]) == 1
    told = capsys.readouterr()
    assert [failed["error"].split()[1] for failed in json.loads(told.out)["failures"]] == ["'EndsTheProcess'"]
    assert "1 of 3 runs failed" in told.err


def test_nobody_is_left() -> None:
    """Mutant rejected: what called setsid lives on. What the cases start is `sleep 10000`."""
    left = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
            mine = b"sleep" in words[0] and b"10000" in words and place.parent.stat().st_uid == os.getuid()
        except OSError:
            continue
        left += [place.parent.name] * mine
    assert not left
