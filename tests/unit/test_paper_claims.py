"""The verdicts of ``mecsim paper`` follow the data, and so do its figures: all data here are made up."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from mecsim.analysis.figures.panels import averaged
from mecsim.analysis.stats import Interval, t_interval
from mecsim.study.paper import claims, convergence, figures, report, snapshots
from mecsim.study.paper.claims import CONTRADICTED, REPRODUCED, UNDECIDED
from mecsim.study.snapshot import USES

MEANS = {"rucaa": 50.0, "gucaa": 70.0, "aauco": 190.0, "gucro": 150.0, "dashf": 300.0, "dashf_plus": 310.0}
# What a policy takes of energy beside 1e5 / SCR.
ENERGY = {"dashf": 1.1 * 300.0 / 190.0}
SEEDS = 8


def snapshots_of(means: dict[str, float], spread: float = 1.0, energy=ENERGY, **setting) -> pd.DataFrame:
    """Return made-up rows of one setting; the same noise for all policies of a seed, and a little of each."""
    rng = np.random.default_rng(5)
    common, rows = rng.normal(0, 8, SEEDS), []
    for policy, mean in means.items():
        for seed in range(SEEDS):
            scr = mean + common[seed] + rng.normal(0, spread)
            use = dict.fromkeys(USES, 0.9)
            joule = energy.get(policy, 1.0) * 1e5 / scr
            costs = {"use": 0.9, "delay_s": 2e3 / scr, "energy_j": joule, "score": 4e3}
            phi = 0.5 if policy in snapshots.CONSTANT_PHI else np.nan
            rows.append(setting | {"seed": seed, "policy": policy, "phi": phi} | use | costs | {"scr": scr})
    return pd.DataFrame(rows)


def systems(means=MEANS, other=MEANS, energy=ENERGY) -> pd.DataFrame:
    parts = [
        snapshots_of(given, energy=energy, system=name)
        for name, given in zip(snapshots.SYSTEMS, (means, other), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def bandwidths(factor: float = 0.02) -> pd.DataFrame:
    return pd.concat(
        snapshots_of({p: m * (1 + factor * mhz) for p, m in MEANS.items()}, 0.01, bandwidth_mhz=mhz)
        for mhz in snapshots.BANDWIDTHS_MHZ
    )


def weights(energy: float = 0.9, delay: float = 1.5, scr: float = 0.8) -> pd.DataFrame:
    """Return the figure's pairs; at the last, energy, delay and SCR are so many times those of the third."""
    parts = []
    for k, (per_s, per_j) in enumerate(snapshots.WEIGHTS):
        part = snapshots_of(MEANS, delay_per_s=per_s, energy_per_j=per_j)
        for column, factor in (("energy_j", energy), ("delay_s", delay), ("scr", scr)):
            part[column] *= factor ** ((k - 2) / 2)
        parts.append(part)
    return pd.concat(parts)


def curves(steps: int = 3) -> pd.DataFrame:
    """Return made-up convergence: the SCR is far from its last value until ``steps``."""
    rows = []
    for system in snapshots.SYSTEMS:
        for part in (convergence.PART_1, convergence.PART_2, convergence.WHOLE):
            for seed in range(SEEDS):
                for k in range(steps + 1):
                    scr = 300.0 if k == steps else 200.0 + k
                    rows.append((system, seed, part, k, scr, scr / 300.0, 1.0))
    names = ["system", "seed", "part", "iteration", "scr", "relative", "objective"]
    return pd.DataFrame(rows, columns=names)


def settings(frame: pd.DataFrame) -> list[claims.Setting]:
    keys = [key for key in ("system", "bandwidth_mhz", "delay_per_s", "energy_per_j") if key in frame]
    return claims.settings_of(frame, keys)


def first(frame: pd.DataFrame) -> str:
    return claims.first_claim("3(a)", settings(frame)).verdict


def test_every_claim_can_be_reproduced_and_speaks_of_a_figure() -> None:
    found = claims.all_claims(curves(), systems(), bandwidths(), weights())
    assert [(claim.says, claim.verdict) for claim in found] == [(c.says, REPRODUCED) for c in found]
    assert {claim.figure for claim in found} == {"2(a)", "2(b)", "2(c)", "3(a)", "3(b)", "3(c)"}
    assert len({(claim.figure, claim.says) for claim in found}) == len(found) == 18


@pytest.mark.parametrize(
    ("best", "verdict"),
    [(300.0, REPRODUCED), (190.2, UNDECIDED), (120.0, CONTRADICTED)],
    ids=["first", "even", "behind"],
)
def test_dashf_first_follows_the_data(best: float, verdict: str) -> None:
    """Mutants rejected: a verdict by the means alone, and one that is written down."""
    assert first(systems(MEANS | {"dashf": best})) == verdict


def test_verdicts_are_paired_by_seed() -> None:
    """Mutant rejected: intervals of two independent samples, which the spread of the worlds swallows."""
    close = MEANS | {"dashf": 194.0}
    frame = systems(close, close)
    assert first(frame) == REPRODUCED
    own = frame["policy"] == "dashf"
    frame.loc[own, "seed"] = (frame.loc[own, "seed"] + 3) % SEEDS
    assert first(frame) == UNDECIDED


def test_the_lead_over_the_best_constant_phi_is_said() -> None:
    """Mutant rejected: the largest lead instead of the least."""
    at_its_best = snapshots_of(MEANS | {"gucro": 240.0}).query("policy == 'gucro'")
    frame = pd.concat([snapshots_of(MEANS), at_its_best.assign(policy=snapshots.BEST_PHI["gucro"])])
    claim = claims.first_claim("3(a)", settings(frame.assign(system="paper")))
    assert claim.found.endswith("; least over gucro, best ϕ (paper): 1.25")


@pytest.mark.parametrize(("gucaa", "verdict"), [(70.0, REPRODUCED), (170.0, CONTRADICTED)])
def test_the_order_at_the_end_follows_the_data(gucaa: float, verdict: str) -> None:
    assert claims.last_claim(settings(systems(other=MEANS | {"gucaa": gucaa}))).verdict == verdict


def test_aauco_is_above_gucro_in_every_setting_or_not() -> None:
    """Mutant rejected: a verdict by the mean over the settings, in which a reversal disappears."""

    def verdict(frame: pd.DataFrame) -> str:
        return claims.association_claim("3(b)", "AAUCO is above GUCRO", settings(frame)).verdict

    frame = bandwidths()
    assert verdict(frame) == REPRODUCED
    frame.loc[(frame["bandwidth_mhz"] == 70) & (frame["policy"] == "gucro"), "scr"] *= 1.5
    assert verdict(frame) == CONTRADICTED


@pytest.mark.parametrize(
    ("times", "verdict"), [(1.1, REPRODUCED), (0.95, CONTRADICTED), (1.4, CONTRADICTED), (1.25, UNDECIDED)]
)
def test_slightly_more_energy_is_above_and_not_far_above(times: float, verdict: str) -> None:
    """Mutants rejected: any excess is slight; less than AAUCO's is slight too."""
    frame = systems(energy={"dashf": times * 300.0 / 190.0})
    assert claims.cost_claims(settings(frame))[1].verdict == verdict


def test_time_and_closeness_look_at_all_policies() -> None:
    """Mutants rejected: DASHF against AAUCO alone; closeness of the SCR alone."""
    time, _, close = (claim.verdict for claim in claims.cost_claims(settings(systems())))
    assert (time, close) == (REPRODUCED, REPRODUCED)
    frame = systems()
    frame.loc[frame["policy"] == "gucro", "delay_s"] *= 0.4
    assert claims.cost_claims(settings(frame))[0].verdict == CONTRADICTED
    frame = systems()
    frame.loc[frame["policy"] == "gucro", "energy_j"] *= 5.0
    assert claims.cost_claims(settings(frame))[2].verdict == CONTRADICTED


def test_growth_with_bandwidth_is_judged_step_by_step() -> None:
    """Mutant rejected: the last bandwidth against the first, which misses a fall in between."""
    frame = bandwidths()
    assert claims.growth_claim(settings(frame)).verdict == REPRODUCED
    assert claims.growth_claim(settings(bandwidths(-0.002))).verdict == CONTRADICTED
    frame.loc[(frame["bandwidth_mhz"] == 50) & (frame["policy"] == "rucaa"), "scr"] -= 60
    assert claims.growth_claim(settings(frame)).verdict == CONTRADICTED


@pytest.mark.parametrize(
    ("changed", "verdicts"),
    [
        ({"energy": 0.5}, "RRCRR"),  # much more energy at the paper's own pair is not slightly more
        ({"energy": 1.2}, "RRCRC"),
        ({"delay": 0.8}, "RCRRR"),
        ({"scr": 1.5}, "RRRCC"),
        ({"scr": 0.3}, "RRRRC"),  # a SCR of a third is not moderate
        ({"energy": 0.01}, "CRCRR"),
    ],
    ids=str,
)
def test_weights_look_at_delay_energy_and_scr(changed: dict[str, float], verdicts: str) -> None:
    frame = weights(**changed)
    if changed == {"energy": 0.01}:
        frame["energy_j"] *= 0.01
    letters = {REPRODUCED: "R", CONTRADICTED: "C", UNDECIDED: "U"}
    assert "".join(letters[c.verdict] for c in claims.weight_claims(settings(frame))) == verdicts


@pytest.mark.parametrize(("steps", "verdicts"), [(9, "RRR"), (10, "RCC"), (15, "RCC"), (16, "CCC")])
def test_iterations_are_within_the_papers_numbers(steps: int, verdicts: str) -> None:
    found = [claim.verdict[0].upper() for claim in claims.convergence_claims(curves(steps))]
    assert "".join(found) == verdicts


def test_intervals_of_a_family_are_wider_the_more_there_are() -> None:
    """Mutant rejected: 95 % for each of many, where one in twenty is beside the truth by chance."""
    samples = np.random.default_rng(1).normal(1.0, 1.0, 20)
    interval = t_interval(samples)
    above = float(interval.low) - 1e-9
    alone = [claims.Asked("a", partial(t_interval, samples), above)]
    assert claims.judged("", "", alone).verdict == REPRODUCED
    assert claims.judged("", "", 2 * alone).verdict == UNDECIDED
    # Bonferroni: two at 97.5 %.
    wider = [claims.Asked("a", partial(t_interval, samples), float(t_interval(samples, 0.975).low) - 1e-9)]
    assert claims.judged("", "", 2 * wider).verdict == REPRODUCED
    assert claims.judged("", "", 3 * wider).verdict == UNDECIDED


def test_one_world_decides_nothing_that_is_compared() -> None:
    assert first(systems().query("seed == 0")) == UNDECIDED
    nan = Interval(*(np.array(np.nan) for _ in range(3)), np.array(1))
    assert claims.sign(nan, 1.0, np.inf) == 0


def test_the_best_constant_phi_is_that_of_each_setting() -> None:
    """Mutants rejected: the best of all settings together; the best world by world."""
    grid = [
        snapshots_of({"rucaa": 50.0 + bonus}, system=name).assign(phi=phi)
        for name, boni in (("paper", (9.0, 0.0, 4.0)), ("paper-20", (0.0, 30.0, 40.0)))
        for phi, bonus in zip((0.0, 0.5, 1.0), boni, strict=True)
    ]
    others = [snapshots_of({"dashf": 300.0}, system=name) for name in snapshots.SYSTEMS]
    frame = snapshots.with_best_phi(pd.concat([*grid, *others]), ["system"])
    assert frame.loc[frame["policy"] == "rucaa", "phi"].unique() == [0.5]
    best = frame[frame["policy"] == snapshots.BEST_PHI["rucaa"]]
    assert best.groupby("system")["phi"].unique().map(list).to_dict() == {"paper": [0.0], "paper-20": [1.0]}
    assert len(frame[frame["policy"] == "dashf"]) == 2 * SEEDS
    assert set(best["seed"]) == set(range(SEEDS))


def test_figures_have_ieee_widths_units_and_text_that_fits() -> None:
    names = {"paper": "10 users, 2 servers", "paper-20": "20 users, 3 servers"}
    made = [
        figures.convergence_figure(curves(), names), figures.policies_figure(drawn(snapshots_of(MEANS))),
        figures.bandwidth_figure(drawn(bandwidths())), figures.weights_figure(drawn(weights())),
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
    # The policies, and one look for the best constant phi of any baseline.
    looks = {(str(line.get_linestyle()), line.get_marker()) for line in lines}
    assert len(looks) == len(snapshots.POLICIES) + 1
    bars = [patch.get_hatch() for patch in made[1].axes[3].patches]
    assert len(bars) == len(snapshots.DRAWN)
    assert sum(map(bool, bars)) == len(snapshots.CONSTANT_PHI)


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with those of the best constant phi, here those of one half."""
    best = frame[frame["policy"].isin(snapshots.CONSTANT_PHI)]
    return pd.concat([frame, best.assign(policy=best["policy"].map(snapshots.BEST_PHI))])


def test_verdicts_of_a_page_share_the_error_by_holm() -> None:
    """One claim that holds at 97.5 % and one that is plain: the plain one first, then the other at 95 %.

    Two that hold at 95 % only are both open. Mutants rejected: each claim by itself; Bonferroni, which leaves
    the first open.
    """
    samples = np.random.default_rng(1).normal(1.0, 1.0, 20)

    def claim(level: float) -> claims.PaperClaim:
        above = float(t_interval(samples, level).low) - 1e-9
        return claims.judged("", "", [claims.Asked("a", partial(t_interval, samples), above)])

    near, plain = claim(0.95), claim(0.999)
    assert [c.verdict for c in claims.judged_together([near, plain])] == [REPRODUCED, REPRODUCED]
    assert [c.verdict for c in claims.judged_together([near, near])] == [UNDECIDED, UNDECIDED]
    assert near.verdict == REPRODUCED
    # At such a level two worlds bound nothing.
    assert claims.geometric_ratio([195.0, 48.0], [28.0, 20.7], 1 - 0.05 / 144).high == np.inf


def test_a_measure_without_a_mean_is_shown_by_its_median() -> None:
    """One world of eight in which GUCAA takes an hour: all delays of the table and of the axis are medians.

    Mutants rejected: medians of this policy alone; means, such as 460 ± 1080.
    """
    frame = systems()
    frame.loc[(frame["policy"] == "gucaa") & (frame["seed"] == 3), "delay_s"] = 3600.0
    points = report._points(frame, ["system", "policy"], ("delay_s", "scr"))
    assert set(points.loc[points["heavy_tail"], "metric"]) == {"delay_s"}
    table = report._points_table(points, ["system", "policy"])
    own = frame.query("policy == 'dashf' and system == 'paper'")["delay_s"].sort_values().to_numpy()
    assert f"| paper | dashf | {np.median(own):.3g} [{own[0]:.3g}, {own[-1]:.3g}] | " in table
    assert averaged(frame, "policy", "delay_s")["estimator"] == "median"
    assert averaged(frame, "policy", "scr")["estimator"] == "mean"
    assert figures._label(frame, "policy", "delay_s", "delay (s)") == "delay (s), median"
