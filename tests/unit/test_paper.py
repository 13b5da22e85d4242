"""``mecsim paper``: verdicts follow the data, figures and tables show it, nothing is hard-coded."""

from __future__ import annotations

import inspect
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mecsim.analysis.paper import claims, convergence, figures, report, snapshots, texts
from mecsim.analysis.paper.claims import AGREES, DIFFERS, UNDECIDED
from mecsim.analysis.stats import Interval
from mecsim.cli import main
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario

MEANS = {"rucaa": 50.0, "gucaa": 70.0, "aauco": 190.0, "gucro": 150.0, "dashf": 300.0}
SEEDS = 8


def snapshots_of(means: dict[str, float], spread: float = 3.0, **setting) -> pd.DataFrame:
    """Return made-up rows of one setting; the same noise for all policies of a seed, and a little of each."""
    rng = np.random.default_rng(5)
    common, rows = rng.normal(0, 20, SEEDS), []
    for policy, mean in means.items():
        for seed in range(SEEDS):
            scr = mean + common[seed] + rng.normal(0, spread)
            use = dict.fromkeys(snapshots.USES, 0.9)
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


def test_the_curves_are_those_of_the_trace() -> None:
    """The last SCR is that of the allocation; Dinkelbach's y grows; part 2 starts where part 1 stopped."""
    frame = convergence.convergence([0, 1], lambda: None)
    for (system, seed), runs in frame.groupby(["system", "seed"]):
        instance, allocation = snapshots.decide(
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
    instance, allocation = snapshots.decide(make_policy("gucaa"), "gucaa", scenario, 3)
    found = snapshots.measures(instance, allocation)
    assert found["use"] == pytest.approx(1.0)
    assert found["scr"] == pytest.approx(instance.scr(allocation), rel=1e-12)
    assert found["delay_s"] == instance.delay(allocation).max()
    assert found["energy_j"] == pytest.approx(instance.energy(allocation).sum(), rel=1e-12)
    nearest = make_policy("nearest")
    halved = scenario.with_changes({"servers.positions_m": [[500, 500], [500, 500]]})
    instance, allocation = snapshots.decide(nearest, "nearest", halved, 3)
    served = len(set(allocation.server.tolist()))
    assert snapshots.measures(instance, allocation)["bandwidth"] == pytest.approx(served / 2)


def test_random_policies_draw_anew_in_every_world() -> None:
    """Mutant rejected: policies without ``reset``, where RUCAA takes the same association everywhere."""
    scenario = load_scenario("paper-20")
    servers = {
        tuple(snapshots.decide(make_policy("rucaa"), "rucaa", scenario, seed)[1].server.tolist())
        for seed in range(4)
    }
    assert len(servers) == 4


def test_bandwidth_and_weights_leave_the_world_as_it_is() -> None:
    plain = load_scenario("paper")
    wide = plain.with_changes({"servers.bandwidth_mhz": 100})
    one, other = (snapshots.decide(make_policy("gucaa"), "gucaa", s, 1)[0] for s in (plain, wide))
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
    assert len({(str(line.get_linestyle()), line.get_marker()) for line in lines}) == 5


def test_the_command_writes_figures_tables_and_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["paper", "--out", str(tmp_path / "a"), "--seeds", "2", "-q", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out)
    assert found["seeds"] == 2
    files = {Path(file).name for file in found["files"]}
    for name in ("fig2", "fig3a", "fig3b", "fig3c"):
        assert {f"{name}.png", f"{name}.pdf", f"{name}.csv", f"{name}-runs.csv"} <= files
    assert all(Path(file).stat().st_size > 500 for file in found["files"])
    width, _ = struct.unpack(">II", (tmp_path / "a" / "fig3b.png").read_bytes()[16:24])
    assert width == 1050
    page = (tmp_path / "a" / "paper.md").read_text()
    for claim in found["claims"]:
        assert f"| {claim['figure']} | {claim['says']} | {claim['found']} | **{claim['verdict']}** |" in page
    runs = pd.read_csv(tmp_path / "a" / "fig3b-runs.csv")
    assert len(runs) == 10 * 5 * 2
    points = pd.read_csv(tmp_path / "a" / "fig3b.csv").query("metric == 'scr' and policy == 'dashf'")
    means = runs[runs["policy"] == "dashf"].groupby("bandwidth_mhz")["scr"].mean()
    np.testing.assert_allclose(points["mean"], means, rtol=1e-12)
    assert main(["paper", "--out", str(tmp_path / "a"), "--quick", "--seeds", "1", "-q"]) == 0
    assert "1 seeds" in capsys.readouterr().out
