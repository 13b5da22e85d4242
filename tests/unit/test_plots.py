"""The figure: size, fonts, the same bytes, readable without colour, and right numbers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from mecsim import Comparison
from mecsim.analysis.figures.comparison import HEIGHT_IN, comparison_figure
from mecsim.analysis.stats import t_interval, weighted_quantile
from mecsim.results.metrics import METRICS
from mecsim.study.outcome import RunOutcome

PARTS = ("local_user_j", "uplink_user_j", "server_user_j", "downlink_user_j")


def made_up(
    policies: list[str], replications: int = 6, *, failed: str = "", energy: float = 1.0
) -> Comparison:
    """Return a comparison of numbers drawn at random, without any simulation."""
    rng = np.random.default_rng(7)
    outcomes = []
    for seed in range(replications):
        for k, policy in enumerate(policies):
            parts = dict(
                zip(PARTS, energy * np.array([100, 1, 20, 40]) * rng.lognormal(0, 0.1, 4), strict=True)
            )
            metrics = dict.fromkeys([m.name for m in METRICS], 1.0) | parts
            metrics |= {"scr_window": rng.normal(100 + 20 * k, 5), "energy_user_j": sum(parts.values())}
            delays = pd.DataFrame({"delay_s": np.sort(rng.lognormal(2 - 0.1 * k, 0.6, 300)), "weight": 2.0})
            done = {} if policy == failed else {"metrics": metrics, "delays": delays}
            outcomes.append(RunOutcome(f"{policy}-{seed}", policy, seed, **done))
    return Comparison("made", tuple(policies), tuple(range(replications)), tuple(outcomes))


def drawn_from(comparison: Comparison) -> Figure:
    return comparison_figure(comparison.per_run, comparison.delays, comparison.policies, comparison.seeds)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return made_up(["rucaa", "gucaa", "nearest", "local_only", "edge_only"])


def test_png_and_pdf_at_the_width_of_two_ieee_columns(comparison: Comparison, tmp_path: Path) -> None:
    files = comparison.figure(tmp_path / "deep" / "name.with.dots.pdf")
    assert [file.name for file in files] == ["name.with.dots.png", "name.with.dots.pdf"]
    width, height = struct.unpack(">II", files[0].read_bytes()[16:24])
    assert width == round(7.16 * 300)
    assert 600 < height < 1000


def test_text_is_text_in_the_pdf(comparison: Comparison, tmp_path: Path) -> None:
    """Mutant rejected: matplotlib's default Type 3 fonts, which IEEE's check refuses."""
    pdf = comparison.figure(tmp_path / "figure")[1].read_bytes()
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    with rc_context({"pdf.fonttype": 3}):
        drawn_from(comparison).savefig(tmp_path / "mutant.pdf")
    assert b"/Type3" in (tmp_path / "mutant.pdf").read_bytes()


def test_the_same_comparison_gives_the_same_bytes(comparison: Comparison, tmp_path: Path) -> None:
    """Mutants rejected: jitter from the global random state, the date of creation in the file."""
    first = [file.read_bytes() for file in comparison.figure(tmp_path / "a")]
    np.random.seed(1)  # noqa: NPY002 - disturbs exactly what must not matter
    assert [file.read_bytes() for file in comparison.figure(tmp_path / "b")] == first


def test_axes_say_what_they_show(comparison: Comparison) -> None:
    scr, delay, energy = drawn_from(comparison).axes
    assert scr.get_ylabel() == "window SCR"
    assert "(s)" in delay.get_xlabel()
    assert energy.get_ylabel() == "energy (J)"
    for ax in (scr, energy):
        assert [label.get_text() for label in ax.get_xticklabels()] == list(comparison.policies)
    assert [text.get_text() for text in delay.get_legend().get_texts()] == list(comparison.policies)


def test_large_energies_are_in_kilojoules() -> None:
    energy = drawn_from(made_up(["a", "b"], energy=100.0)).axes[2]
    assert energy.get_ylabel() == "energy (kJ)"
    assert 10 < energy.get_ylim()[1] < 100


def test_policies_can_be_told_apart_without_colour(comparison: Comparison) -> None:
    delay = drawn_from(comparison).axes[1]
    handles = delay.get_legend().legend_handles
    assert len({str(handle.get_linestyle()) + str(handle.get_marker()) for handle in handles}) == 5
    dashes = {str(line._unscaled_dash_pattern) for line in delay.get_lines() if len(line.get_xdata()) > 100}
    assert len(dashes) == 5


def test_the_energy_stack_is_the_mean_of_its_parts(comparison: Comparison) -> None:
    """Mutant rejected: parts drawn from zero instead of on top of each other."""
    energy = drawn_from(comparison).axes[2]
    means = comparison.per_run.groupby("policy")[[*PARTS, "energy_user_j"]].mean()
    tops = [
        max(p.get_y() + p.get_height() for p in energy.patches if round(p.get_x() + 0.31) == k)
        for k in range(5)
    ]
    assert tops == pytest.approx(means.loc[list(comparison.policies), "energy_user_j"].to_list(), rel=1e-9)
    assert max(means.loc["rucaa", list(PARTS)]) < 0.9 * tops[0]


def test_the_whisker_is_the_t_interval_of_the_replications(comparison: Comparison) -> None:
    """Mutant rejected: seaborn's default, a bootstrap with random numbers."""
    scr = drawn_from(comparison).axes[0]
    values = comparison.per_run.query("policy == 'gucaa'")["scr_window"].to_numpy()
    interval = t_interval(values)
    drawn = [y for line in scr.get_lines() for y in np.asarray(line.get_ydata(), dtype=float)]
    for end in (float(interval.low), float(interval.high)):
        assert min(abs(y - end) for y in drawn) < 1e-9


def test_the_mark_is_at_the_95th_percentile_of_all_rounds() -> None:
    values = np.array([3.0, 1.0, 2.0, 4.0])
    assert weighted_quantile(values, np.array([1.0, 1.0, 1.0, 1.0]), 0.5) == 2.0
    # Mutant rejected: weights ignored.
    assert weighted_quantile(values, np.array([97.0, 1.0, 1.0, 1.0]), 0.95) == 3.0
    assert weighted_quantile(np.arange(100.0), np.ones(100), 0.95) == 94.0


@pytest.mark.parametrize("rows", [1, 3, 100, 999])
def test_the_weighted_quantile_is_that_of_the_running_sum(rows: int) -> None:
    """Mutant rejected: numpy's default method, which interpolates between values."""
    rng = np.random.default_rng(rows)
    values, weights = rng.lognormal(size=rows), rng.uniform(0.1, 9.0, rows)
    shares = np.array([0.0, 0.005, 0.5, 0.95, 0.998, 1.0])
    order = np.argsort(values)
    running = np.cumsum(weights[order]) / weights.sum()
    by_hand = values[order][np.minimum(np.searchsorted(running, shares - 1e-12), rows - 1)]
    assert weighted_quantile(values, weights, shares).tolist() == by_hand.tolist()
    if rows > 1:
        assert np.quantile(values, shares).tolist() != by_hand.tolist()


def test_equal_weights_that_are_no_binary_fraction_do_not_move_the_quantile() -> None:
    """Mutant rejected: no margin, so that the rounding of a running sum takes the next value."""
    values = np.arange(1000.0)
    found = [float(weighted_quantile(values, np.full(1000, w), 0.95)) for w in (1.1, 1.234, 4.321, 0.7)]
    assert found == [949.0] * 4
    plain = [
        float(np.quantile(values, 0.95, weights=np.full(1000, w), method="inverted_cdf"))
        for w in (1.1, 1.234, 4.321, 0.7)
    ]
    assert plain != found


def test_many_or_long_names_become_numbers_with_a_key_above() -> None:
    names = ["a", "b", "c", "d", "e", "f", "dashf:max_iterations=3,tolerance=0.001", "h"]
    figure = drawn_from(made_up(names))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list("12345678")
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    assert key == [f"{i + 1}  {name}" for i, name in enumerate(names)]
    assert figure.get_figheight() > HEIGHT_IN


@pytest.mark.parametrize(
    "comparison",
    [made_up(["only"], 1), made_up(["a", "b"], 1), made_up(["a", "b"], 2), made_up(["a", "b"], failed="b")],
    ids=["one run", "one replication", "two replications", "a policy without any run"],
)
def test_little_data_still_gives_a_figure(comparison: Comparison, tmp_path: Path) -> None:
    assert all(file.stat().st_size > 10_000 for file in comparison.figure(tmp_path / "figure"))


def test_a_comparison_without_scr_still_gives_a_figure(comparison: Comparison, tmp_path: Path) -> None:
    outcomes = tuple(
        RunOutcome(o.run_id, o.policy, o.seed, (o.metrics or {}) | {"scr_window": np.nan}, o.delays)
        for o in comparison.outcomes
    )
    bare = Comparison("made", comparison.policies, comparison.seeds, outcomes)
    assert all(file.stat().st_size > 10_000 for file in bare.figure(tmp_path / "figure"))


def test_saving_writes_tables_and_figure(comparison: Comparison, tmp_path: Path) -> None:
    names = [file.name for file in comparison.save(tmp_path)]
    assert names == ["comparison.csv", "per_run.csv", "paired.csv", "comparison.png", "comparison.pdf"]
    read = pd.read_csv(tmp_path / "comparison.csv")
    pd.testing.assert_frame_equal(read, comparison.table, check_dtype=False)
