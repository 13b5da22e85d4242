"""``mecsim paper``: verdicts follow the data, figures and tables show it, nothing is hard-coded."""

from __future__ import annotations

import inspect
import io
import json
import os
import struct
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mecsim.cli import main
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.study.decision_run import DecisionRun, read_decision, write_decision
from mecsim.study.paper import convergence, report, snapshots, texts
from mecsim.study.paper.claims import CONTRADICTED, REPRODUCED
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.snapshot import decide, measures

COMMAND = ["paper", "--seeds", "2", "-q", "--json"]
# Two worlds of seven settings, with six policies and three baselines at another phi.
FEW_MHZ, FEW_PHI, DECISIONS = (10, 100), (0.0, 0.5), 2 * 7 * 9
ENDS = (".png", ".pdf", ".csv", "-runs.csv")


def test_iterations_needed_are_those_to_the_last_that_is_far() -> None:
    assert convergence.iterations_needed([100.0]) == 0
    assert convergence.iterations_needed([50.0, 99.5, 100.0]) == 1
    # Mutant rejected: the first that is near, although the curve leaves again.
    assert convergence.iterations_needed([50.0, 99.9, 80.0, 100.0]) == 3


def test_runs_that_have_ended_go_on_at_their_last_value() -> None:
    frame = pd.DataFrame({"seed": [0, 0, 0, 1, 1], "iteration": [0, 1, 2, 0, 1], "scr": [1.0, 2, 3, 4, 5]})
    assert convergence.padded(frame, "scr").to_numpy().tolist() == [[1, 2, 3], [4, 5, 5]]


def test_the_curves_are_those_of_the_trace(tmp_path: Path) -> None:
    """The last SCR is that of the allocation; Dinkelbach's y grows; part 2 starts where part 1 stopped."""
    frame = convergence.convergence(
        convergence.by_iteration([0, 1]), lambda decision: write_decision(decision, tmp_path / "kept.json")
    )
    for (system, seed), runs in frame.groupby(["system", "seed"]):
        instance, allocation = decide(
            make_policy("dashf"), "dashf", load_scenario(str(system)), int(str(seed))
        )
        whole = runs[runs["part"] == convergence.WHOLE]
        assert whole["scr"].iloc[-1] == pytest.approx(instance.scr(allocation), rel=1e-12)
        assert (np.diff(whole["scr"]) >= -1e-9).all()
        for part in (convergence.PART_1, convergence.PART_2):
            own = runs[runs["part"] == part]
            assert own["iteration"].tolist() == list(range(len(own)))
            assert (np.diff(own["scr"]) >= 0).all()
        part_2 = runs[runs["part"] == convergence.PART_2]
        assert part_2["scr"].iloc[0] < part_2["scr"].iloc[-1]
        assert part_2["relative"].iloc[-1] == pytest.approx(1.0, rel=1e-6)


def test_measures_are_those_of_the_allocation() -> None:
    """Full use by equal split is 1; mutant rejected: shares of the servers that serve somebody only."""
    scenario = load_scenario("paper")
    instance, allocation = decide(make_policy("gucaa"), "gucaa", scenario, 3)
    found = measures(instance, allocation)
    assert found["use"] == pytest.approx(1.0)
    assert found["scr"] == pytest.approx(instance.scr(allocation), rel=1e-12)
    assert found["delay_s"] == instance.delay(allocation).max()
    assert found["energy_j"] == pytest.approx(instance.energy(allocation).sum(), rel=1e-12)
    nearest = make_policy("nearest")
    halved = scenario.with_changes({"servers.positions_m": [[500, 500], [500, 500]]})
    instance, allocation = decide(nearest, "nearest", halved, 3)
    served = len(set(allocation.server.tolist()))
    assert measures(instance, allocation)["bandwidth"] == pytest.approx(served / 2)


def test_what_is_kept_of_a_decision_is_all_that_the_figures_need(tmp_path: Path) -> None:
    """Every bit, NaN too. Mutant rejected: numbers rounded, or a NaN that comes back as nothing."""
    decision = snapshots.by_system([1])[4][1]
    policy = decision.policy.make()
    instance, allocation = decide(policy, "dashf", decision.scenario, 1)
    write_decision(decision, tmp_path / decision.stored_as)
    kept = read_decision(tmp_path / decision.stored_as)
    assert kept["metrics"] == measures(instance, allocation)
    told = [{**row, "cpu_s": 0.0} for row in kept["trace"]]
    assert told == [row._replace(cpu_s=0.0)._asdict() for row in policy.trace]
    odd = policy.trace[0]._replace(objective=float("nan"), y=float("-inf"))
    traced = SimpleNamespace(allocate=lambda observation: allocation, trace=(odd,))
    other = DecisionRun(decision.scenario, PolicyChoice("odd", instance=traced), 1)
    kept = write_decision(other, tmp_path / "odd.json")
    assert repr(read_decision(tmp_path / "odd.json")) == repr(kept)
    assert repr(kept["trace"]) == repr([odd._asdict()])


def test_the_figures_share_what_they_have_in_common() -> None:
    """All policies at the paper's own bandwidth and weights are decided once for three figures."""
    parts = [snapshots.by_system([0]), snapshots.by_bandwidth([0]), snapshots.by_weights([0])]
    own = [
        {d.run_id for labels, d in part if labels.items() >= setting.items()}
        for part, setting in zip(
            parts,
            ({"system": "paper"}, {"bandwidth_mhz": 10}, {"delay_per_s": 0.5, "energy_per_j": 0.005}),
            strict=True,
        )
    ]
    grid = len(snapshots.CONSTANT_PHI) * (len(snapshots.PHI_GRID) - 1)
    assert len(own[0]) == len(snapshots.POLICIES) + grid
    assert own[0] == own[1] == own[2]
    # A decision is no run: they must never be taken for one another.
    decision = parts[0][0][1]
    run = Run(decision.scenario, decision.policy, decision.seed)
    assert run.run_id != decision.run_id
    assert run.identity != decision.identity


def test_random_policies_draw_anew_in_every_world() -> None:
    """Mutant rejected: policies without ``reset``, where RUCAA takes the same association everywhere."""
    scenario = load_scenario("paper-20")
    servers = {
        tuple(decide(make_policy("rucaa"), "rucaa", scenario, seed)[1].server.tolist()) for seed in range(4)
    }
    assert len(servers) == 4


def test_bandwidth_and_weights_leave_the_world_as_it_is() -> None:
    plain = load_scenario("paper")
    wide = plain.with_changes({"servers.bandwidth_mhz": 100})
    one, other = (decide(make_policy("gucaa"), "gucaa", s, 1)[0] for s in (plain, wide))
    np.testing.assert_array_equal(one.gain, other.gain)
    np.testing.assert_array_equal(one.users.adapter_params, other.users.adapter_params)


def test_the_words_hold_no_finding() -> None:
    """Mutant rejected: a verdict or a policy's rank written into the page's text."""
    for word in (REPRODUCED, CONTRADICTED, "first", "last"):
        for text in (texts.FIGURE_3A, texts.FIGURE_3C):
            assert word not in text
    assert "**reproduced**" not in inspect.getsource(report)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a command that nobody disturbed, with one child process."""
    folder, printed = tmp_path_factory.mktemp("whole"), io.StringIO()
    with redirect_stdout(printed), pytest.MonkeyPatch.context() as patched:
        patched.setattr(snapshots, "BANDWIDTHS_MHZ", FEW_MHZ)
        patched.setattr(snapshots, "PHI_GRID", FEW_PHI)
        assert main(["paper", "--quick", "--seeds", "2", "-q", "-j", "1", "--out", str(folder)]) == 0
    assert "2 seeds; mean" in printed.getvalue()
    assert f"{DECISIONS} new decisions" in printed.getvalue()
    return folder


def test_the_command_writes_figures_tables_and_the_page(whole: Path) -> None:
    names = {f"fig{number}{end}" for number in ("2", "3a", "3b", "3c") for end in ENDS}
    assert set(bytes_of(whole)) == names | {"paper.md"}
    assert all(len(content) > 500 for content in bytes_of(whole).values())
    width, _ = struct.unpack(">II", (whole / "fig3b.png").read_bytes()[16:24])
    assert width == 1050
    runs = pd.read_csv(whole / "fig3b-runs.csv")
    assert len(runs) == len(FEW_MHZ) * len(snapshots.DRAWN) * 2
    points = pd.read_csv(whole / "fig3b.csv").query("metric == 'scr' and policy == 'dashf'")
    means = runs[runs["policy"] == "dashf"].groupby("bandwidth_mhz")["scr"].mean()
    np.testing.assert_allclose(points["mean"], means, rtol=1e-12)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_at_its_decisions_and_at_its_figures_it_ends_with_the_same_bytes(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants rejected: decisions made again; figures of what is in memory; a page that is written first."""
    monkeypatch.setattr(snapshots, "BANDWIDTHS_MHZ", FEW_MHZ)
    monkeypatch.setattr(snapshots, "PHI_GRID", FEW_PHI)
    code = (
        "import sys; from mecsim.cli import main; from mecsim.study.paper import snapshots; "
        f"snapshots.BANDWIDTHS_MHZ, snapshots.PHI_GRID = {FEW_MHZ}, {FEW_PHI}; sys.exit(main(sys.argv[1:]))"
    )
    command = [*COMMAND, "--out", str(tmp_path)]
    kept: dict[str, int] = {}
    ends = (("1", lambda: len(decisions_of(tmp_path)) >= 5), ("2", (tmp_path / "fig2.png").is_file))
    for jobs, reached in ends:
        started = [sys.executable, "-c", code, *command, "-j", jobs]
        process = subprocess.Popen(started, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert decisions_of(tmp_path).items() >= kept.items()
        kept = decisions_of(tmp_path)
        assert not (tmp_path / "paper.md").exists()
    assert len(kept) == DECISIONS
    assert main([*COMMAND, "-j", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out)
    assert found["decisions"] == {"reused": DECISIONS}
    assert decisions_of(tmp_path) == kept
    assert bytes_of(tmp_path) == bytes_of(whole)
    assert {Path(file).name for file in found["files"]} == set(bytes_of(whole))
    assert not list(tmp_path.glob(".*"))
    assert found["seeds"] == 2
    page = (tmp_path / "paper.md").read_text()
    for claim in found["claims"]:
        assert f"| {claim['figure']} | {claim['says']} | {claim['found']} | **{claim['verdict']}** |" in page


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def decisions_of(folder: Path) -> dict[str, int]:
    """Return when each decision was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("decisions/[!.]*.json")}
