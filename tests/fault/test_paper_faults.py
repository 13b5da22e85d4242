"""``mecsim paper`` that is killed, damaged or started twice: no decision is lost, made twice or wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mecsim.cli import main
from mecsim.errors import RunFailed
from mecsim.study.decision_run import DecisionRun
from mecsim.study.paper import snapshots
from mecsim.study.paper.report import DECISIONS, decided
from mecsim.study.policy_choice import PolicyChoice

posix = pytest.mark.skipif(os.name != "posix", reason="signals, fork")
FEW = [decision for _, decision in snapshots.by_system([0]) if decision.policy.label in ("gucaa", "dashf")]


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return content and time of writing of everything that is kept in a folder."""
    paths = [path for path in folder.glob("[!.]*") if path.is_file()]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def tables(kept: Callable[[DecisionRun], Any], decisions=FEW) -> str:
    """Return all that figures are made of, to the last bit; CPU times apart."""
    return repr(
        [
            (kept(d)["metrics"], [{**row, "cpu_s": None} for row in kept(d)["trace"]])
            for d in decisions
        ]
    )  # fmt: skip


def made(folder: Path, decisions=FEW, jobs: int = 1) -> tuple[str, Counter[str]]:
    kept, origins = decided(decisions, folder, jobs)
    return tables(kept, decisions), origins


@posix
@pytest.mark.usefixtures("in_one_process")
def test_killed_after_any_write_it_resumes_to_the_same_tables(
    tmp_path: Path, killed_after: Callable[..., bool]
) -> None:
    """For k = 1, 2, 3 ... Mutants rejected: a file under its final name at once; no look at what is kept."""
    (tmp_path / "whole").mkdir()
    undisturbed, _ = made(tmp_path / "whole")
    counts = set()
    for step in range(1, 60):
        folder = tmp_path / "killed"
        folder.mkdir()
        ended = killed_after(step, lambda folder=folder: bool(decided(FEW, folder, 1)))
        before = files(folder)
        counts.add(len(before))
        found, origins = made(folder)
        assert found == undisturbed
        assert origins == +Counter(reused=len(before), new=len(FEW) - len(before))
        assert files(folder).items() >= before.items()
        assert {path.name for path in folder.iterdir()} == {d.stored_as for d in FEW}
        shutil.rmtree(folder)
        if ended:
            break
    assert ended
    assert counts == set(range(len(FEW) + 1))


@pytest.mark.usefixtures("in_one_process")
@pytest.mark.parametrize("harm", ["truncated", "digit", "empty", "no object"])
def test_a_damaged_file_is_moved_away_and_the_decision_made_again(tmp_path: Path, harm: str) -> None:
    """Mutant rejected: trust in a file that can be read, where a digit of the SCR has changed."""
    undisturbed, _ = made(tmp_path)
    victim = tmp_path / FEW[0].stored_as
    text = victim.read_text()
    scr = repr(json.loads(text)["metrics"]["scr"])
    other = scr[:-1] + ("1" if scr[-1] != "1" else "2")
    harmed = {"truncated": text[:-20], "digit": text.replace(scr, other), "empty": "", "no object": "[]"}
    assert harmed[harm] != text
    victim.write_text(harmed[harm])
    assert made(tmp_path) == (undisturbed, {"reused": len(FEW) - 1, "new": 1})
    (aside,) = (tmp_path / ".damaged").iterdir()
    assert aside.name.startswith(victim.name)
    assert made(tmp_path) == (undisturbed, {"reused": len(FEW)})


@pytest.mark.usefixtures("in_one_process")
def test_other_code_makes_every_decision_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mecsim.study import plan

    undisturbed, _ = made(tmp_path)
    here = plan.environment()
    monkeypatch.setattr(plan, "environment", lambda: here | {"code_sha256": "other"})
    assert made(tmp_path) == (undisturbed, {"replaced": len(FEW)})


@posix
def test_two_on_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mutant rejected: no lock. One whose holder was killed is no obstacle."""
    holder = subprocess.Popen(
        [sys.executable, "-c", "from pathlib import Path; from mecsim.results.lock import folder_lock\n"
         f"with folder_lock(Path({str(tmp_path)!r})): print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline()
    assert main(["paper", "--seeds", "1", "-q", "--out", str(tmp_path)]) == 2
    assert f"process {holder.pid} on" in capsys.readouterr().err
    assert not (tmp_path / DECISIONS).exists()
    holder.kill()
    holder.communicate()
    assert main(["paper", "--seeds", "1", "-q", "-j", "0", "--out", str(tmp_path)]) == 2
    assert "jobs = 0: must be at least 1" in capsys.readouterr().err


def test_a_decision_that_fails_is_named_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried twice in its child, marked with its traceback, and made by the same command once it can be."""
    monkeypatch.chdir(tmp_path)
    code = "from mecsim_policies.baselines import Gucaa\nclass Bad(Gucaa):\n    def allocate(self, o):\n"
    Path("bad.py").write_text(f"{code}        return None\n")
    decisions = [FEW[0], DecisionRun(FEW[0].scenario, PolicyChoice.of("bad.py:Bad"), 0)]
    folder = tmp_path / "kept"
    folder.mkdir()
    with pytest.raises(RunFailed, match=r"1 of 2 decisions failed, such as paper-Bad-s0-.*decided nothing"):
        decided(decisions, folder, 2)
    (mark,) = folder.glob("failed-*.txt")
    assert "PolicyFailed" in mark.read_text()
    Path("bad.py").write_text(f"{code}        return super().allocate(o)\n")
    _, origins = made(folder, decisions)
    assert origins == {"reused": 1, "new": 1}
    assert set(files(folder)) == {decision.stored_as for decision in decisions}
