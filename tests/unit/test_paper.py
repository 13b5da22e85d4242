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

from mecsim.analysis.stats import Interval
from mecsim.cli import main
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.study.decision_run import DecisionRun, read_decision, write_decision
from mecsim.study.paper import claims, convergence, figures, report, snapshots, texts
from mecsim.study.paper.claims import AGREES, DIFFERS, UNDECIDED
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.snapshot import USES, decide, measures

MEANS = {"rucaa": 50.0, "gucaa": 70.0, "aauco": 190.0, "gucro": 150.0, "dashf": 300.0, "dashf_plus": 310.0}
SEEDS = 8
COMMAND = ["paper", "--seeds", "2", "-q", "--json"]
FEW_MHZ, DECISIONS = (10, 50, 100), 2 * 48
ENDS = (".png", ".pdf", ".csv", "-runs.csv")


def snapshots_of(means: dict[str, float], spread: float = 3.0, **setting) -> pd.DataFrame:
    """Return made-up rows of one setting; the same noise for all policies of a seed, and a little of each."""
    rng = np.random.default_rng(5)
    common, rows = rng.normal(0, 20, SEEDS), []
    for policy, mean in means.items():
        for seed in range(SEEDS):
            scr = mean + common[seed] + rng.normal(0, spread)
            use = dict.fromkeys(USES, 0.9)
            costs = {"use": 0.9, "delay_s": 2e3 / scr, "energy_j": 1e5 / scr, "score": 4e3}
            rows.append(setting | {"seed": seed, "policy": policy} | use | costs | {"scr": scr})
    return pd.DataFrame(rows)


def systems(means=MEANS, other=MEANS) -> pd.DataFrame:
    parts = [snapshots_of(means, system="paper"), snapshots_of(other, system="paper-20")]
    return pd.concat(parts, ignore_index=True)


def bandwidths(factor: float = 0.02) -> pd.DataFrame:
    return pd.concat(
        snapshots_of({p: m * (1 + factor * mhz) for p, m in MEANS.items()}, spread=0.1, bandwidth_mhz=mhz)
        for mhz in snapshots.BANDWIDTHS_MHZ
    )


def weights(frugal_energy: float = 0.5, frugal_delay: float = 1.5) -> pd.DataFrame:
    parts = []
    for k, (delay, energy) in enumerate(snapshots.WEIGHTS):
        part = snapshots_of(MEANS, delay_per_s=delay, energy_per_j=energy)
        part["energy_j"] *= frugal_energy ** (k / 4)
        part["delay_s"] *= frugal_delay ** (k / 4)
        parts.append(part)
    return pd.concat(parts)


def curves(steps: int = 3) -> pd.DataFrame:
    """Return made-up convergence: the gap halves again and again until it is below 1 % after ``steps``."""
    rows = []
    for system in snapshots.SYSTEMS:
        for part in (convergence.PART_1, convergence.PART_2, convergence.WHOLE):
            for seed in range(SEEDS):
                for k in range(steps + 1):
                    scr = 300.0 if k == steps else 200.0 + k
                    rows.append((system, seed, part, k, scr, scr / 300.0, 1.0))
    names = ["system", "seed", "part", "iteration", "scr", "relative", "objective"]
    return pd.DataFrame(rows, columns=names)


def test_every_claim_can_agree_and_speaks_of_a_figure() -> None:
    swapped = MEANS | {"aauco": 150.0, "gucro": 190.0}
    found = claims.all_claims(curves(), systems(other=swapped), bandwidths(), weights())
    assert [claim.verdict for claim in found] == [AGREES] * len(found)
    assert {claim.figure for claim in found} == {"2(a)", "2(b)", "2(c)", "3(a)", "3(b)", "3(c)"}


@pytest.mark.parametrize(
    ("best", "verdict"),
    [(300.0, AGREES), (190.2, UNDECIDED), (120.0, DIFFERS)],
    ids=["first", "even", "behind"],
)
def test_dashf_first_follows_the_data(best: float, verdict: str) -> None:
    """Mutants rejected: a verdict by the means alone, and one that is written down."""
    frame = systems(MEANS | {"dashf": best})
    claim = claims.first_claim(frame, ["system"], "3(a)")
    assert claim.verdict == verdict


def test_verdicts_are_paired_by_seed() -> None:
    """Mutant rejected: intervals of two independent samples, which the spread of the worlds swallows."""
    close = MEANS | {"dashf": 200.0}
    frame = systems(close, close)
    assert claims.first_claim(frame, ["system"], "3(a)").verdict == AGREES
    shuffled = frame.copy()
    own = shuffled["policy"] == "dashf"
    shuffled.loc[own, "seed"] = (shuffled.loc[own, "seed"] + 3) % SEEDS
    assert claims.first_claim(shuffled, ["system"], "3(a)").verdict == UNDECIDED


@pytest.mark.parametrize(("gucaa", "verdict"), [(70.0, AGREES), (170.0, DIFFERS)])
def test_the_order_at_the_end_follows_the_data(gucaa: float, verdict: str) -> None:
    last = claims.order_claims(systems(other=MEANS | {"gucaa": gucaa}), "system", "3(a)")[1]
    assert last.verdict == verdict
    means = systems(other=MEANS | {"gucaa": gucaa}).groupby(["system", "policy"])["scr"].mean()
    assert f"gucaa {means['paper-20', 'gucaa']:.0f}" in last.found


def test_trading_places_needs_both_to_be_ahead_somewhere() -> None:
    swapped = MEANS | {"aauco": 150.0, "gucro": 190.0}
    even = MEANS | {"aauco": 170.0, "gucro": 170.2}

    def verdict(frame: pd.DataFrame) -> str:
        return claims.trading_claim([(frame, ["system"])]).verdict

    assert verdict(systems(other=swapped)) == AGREES
    assert verdict(systems()) == verdict(systems(swapped, swapped)) == DIFFERS
    assert verdict(systems(other=even)) == UNDECIDED


def test_growth_with_bandwidth_is_judged_step_by_step() -> None:
    """Mutant rejected: the last bandwidth against the first, which misses a fall in between."""
    frame = bandwidths()
    assert claims.growth_claim(frame).verdict == AGREES
    assert claims.growth_claim(bandwidths(-0.002)).verdict == DIFFERS
    dip = frame.copy()
    dip.loc[(dip["bandwidth_mhz"] == 50) & (dip["policy"] == "rucaa"), "scr"] -= 60
    assert claims.growth_claim(dip).verdict == DIFFERS


@pytest.mark.parametrize(
    ("energy", "delay", "verdict"),
    [(0.5, 1.5, AGREES), (2.0, 1.5, DIFFERS), (0.5, 0.5, DIFFERS), (0.5, 1, UNDECIDED)],
)
def test_energy_first_looks_at_energy_and_delay(energy: float, delay: float, verdict: str) -> None:
    assert claims.energy_first_claim(weights(energy, delay)).verdict == verdict


@pytest.mark.parametrize(("steps", "verdict"), [(1, AGREES), (5, AGREES), (6, DIFFERS)])
def test_a_few_iterations_are_five(steps: int, verdict: str) -> None:
    assert {claim.verdict for claim in claims.convergence_claims(curves(steps))} == {verdict}


def test_one_world_decides_nothing_that_is_compared() -> None:
    one = systems().query("seed == 0")
    assert claims.first_claim(one, ["system"], "3(a)").verdict == UNDECIDED
    nan = Interval(*(np.array(np.nan) for _ in range(3)), np.array(1))
    assert claims.sign(nan) == 0


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
    """dashf and the others at the paper's own bandwidth and weights are decided once for three figures."""
    parts = [snapshots.by_system([0]), snapshots.by_bandwidth([0]), snapshots.by_weights([0])]
    own = [
        {d.run_id for labels, d in part if labels.items() >= setting.items()}
        for part, setting in zip(
            parts,
            ({"system": "paper"}, {"bandwidth_mhz": 10}, {"delay_per_s": 0.5, "energy_per_j": 0.005}),
            strict=True,
        )
    ]
    assert len(own[0]) == len(snapshots.POLICIES)
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
    for word in (AGREES, DIFFERS, "first", "last"):
        for text in (texts.FIGURE_3A, texts.FIGURE_3C):
            assert word not in text
    assert "**agrees**" not in inspect.getsource(report)


def test_figures_have_ieee_widths_units_and_text_that_fits() -> None:
    names = {"paper": "10 users, 2 servers", "paper-20": "20 users, 3 servers"}
    made = [
        figures.convergence_figure(curves(), names), figures.policies_figure(snapshots_of(MEANS)),
        figures.bandwidth_figure(bandwidths()), figures.weights_figure(weights()),
    ]  # fmt: skip
    assert [figure.get_figwidth() for figure in made] == [7.16, 7.16, 3.5, 7.16]
    labels = [[ax.get_ylabel() for ax in figure.axes] for figure in made]
    assert labels[1] == ["share granted (%)", "largest delay (s)", "energy (J)", "SCR"]
    assert "MHz" in made[2].axes[0].get_xlabel()
    for figure in made:
        for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]:
            # Mutant rejected: legends drawn outside the style, in the large default font.
            assert {text.get_fontsize() for text in legend.get_texts()} == {7.0}
    lines = made[2].axes[0].get_legend().get_lines()
    assert len({(str(line.get_linestyle()), line.get_marker()) for line in lines}) == len(snapshots.POLICIES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a command that nobody disturbed, with one child process."""
    folder, printed = tmp_path_factory.mktemp("whole"), io.StringIO()
    with redirect_stdout(printed), pytest.MonkeyPatch.context() as patched:
        patched.setattr(snapshots, "BANDWIDTHS_MHZ", FEW_MHZ)
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
    assert len(runs) == len(FEW_MHZ) * len(snapshots.POLICIES) * 2
    points = pd.read_csv(whole / "fig3b.csv").query("metric == 'scr' and policy == 'dashf'")
    means = runs[runs["policy"] == "dashf"].groupby("bandwidth_mhz")["scr"].mean()
    np.testing.assert_allclose(points["mean"], means, rtol=1e-12)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_at_its_decisions_and_at_its_figures_it_ends_with_the_same_bytes(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants rejected: decisions made again; figures of what is in memory; a page that is written first."""
    monkeypatch.setattr(snapshots, "BANDWIDTHS_MHZ", FEW_MHZ)
    code = (
        "import sys; from mecsim.cli import main; from mecsim.study.paper import snapshots; "
        f"snapshots.BANDWIDTHS_MHZ = {FEW_MHZ}; sys.exit(main(sys.argv[1:]))"
    )
    command = [*COMMAND, "-j", "2", "--out", str(tmp_path)]
    kept: dict[str, int] = {}
    for reached in (lambda: len(decisions_of(tmp_path)) >= 5, (tmp_path / "fig2.png").is_file):
        process = subprocess.Popen([sys.executable, "-c", code, *command], stdout=subprocess.DEVNULL)
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
    assert main(command) == 0
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
