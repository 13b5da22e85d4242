"""The loss against the upper bound, whose it is, and what budgets are worth over time: docs/bound.md."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mecsim
from mecsim.analysis.bound_gap import Loss, gap_of_means, loss_of, loss_of_policy
from mecsim.analysis.bound_texts import loss_object, loss_row
from mecsim.analysis.report.bound import bound_part
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.page import render
from mecsim.analysis.worth import most_worth, relative_worth, worth_sentences
from mecsim.cli.bound_losses import bound_losses, losses_table

NAN = math.nan


def run(warmup_s=0.0, **columns):
    count = len(columns["upper_bound"])
    frame = pd.DataFrame({"time_s": 10.0 * np.arange(count), **columns})
    return SimpleNamespace(epochs=frame, manifest={"warmup_s": warmup_s})


def test_the_loss_and_its_parts_in_closed_form():
    """Mutants: shares of the gap and not of the loss; the mean of the ratios; the warm-up counts."""
    loss = loss_of(
        run(
            warmup_s=10.0,
            upper_bound=[900.0, 100.0, 200.0, 300.0],
            scr=[1.0, 80.0, 160.0, 240.0],
            realised_scr=[1.0, 60.0, 100.0, 200.0],
        )
    )
    assert loss == Loss(0.25, 200.0, 160.0, 120.0, 3)
    assert (loss.decision_share, loss.world_share) == (0.5, 0.5)
    mean_of_gaps = np.mean([100 / 80 - 1, 200 / 160 - 1, 300 / 240 - 1])
    assert loss.gap == pytest.approx(mean_of_gaps)  # equal here, as the gaps are


def test_epochs_that_do_not_count_are_left_out():
    """Nobody there; a user whom nobody can serve; no round finished yet. Mutant: zeros in their place."""
    loss = loss_of(
        run(
            upper_bound=[NAN, 0.0, 100.0, 100.0],
            scr=[NAN, 0.0, 40.0, 60.0],
            realised_scr=[NAN, 30.0, NAN, 90.0],
        )
    )
    assert loss.gap == pytest.approx(1.0)
    assert loss[1:] == (100.0, 60.0, 90.0, 1)
    # More was realised than predicted: the decision's part exceeds the loss, the world gave some back.
    assert (loss.decision_share, loss.world_share) == (pytest.approx(4.0), pytest.approx(-3.0))


def test_a_decision_that_serves_somebody_not_at_all_counts_with_its_loss():
    """Mutants: an infinite mean; the epoch left out, so that the worst decision looks best."""
    assert gap_of_means([100.0, 100.0], [0.0, 50.0]) == pytest.approx(3.0)
    assert gap_of_means([100.0], [0.0]) == math.inf
    assert math.isnan(gap_of_means([], []))
    row = loss_row(loss_of_policy("p", [Loss(math.inf, 100.0, 0.0, 0.0, 1)] * 2))
    assert (row.gap, row.decision, row.world) == ("infinite", "100 %", "0 %")


def test_nothing_lost_has_no_shares_and_no_bounds_have_no_loss():
    loss = loss_of(run(upper_bound=[100.0], scr=[90.0], realised_scr=[120.0]))
    assert math.isnan(loss.decision_share)
    assert loss_row(loss_of_policy("p", [loss])).decision == "-"
    assert loss_of(SimpleNamespace(epochs=pd.DataFrame({"time_s": [0.0]}), manifest={"warmup_s": 0})) is None


def test_a_policys_loss_is_the_mean_of_its_runs():
    """Mutant: runs weigh by their epochs."""
    losses = [Loss(0.1, 100.0, 90.0, 80.0, 1), Loss(0.3, 200.0, 150.0, 100.0, 9), Loss(NAN, NAN, NAN, NAN, 0)]
    found = loss_of_policy("p", losses)
    assert float(found.gap.mean) == pytest.approx(0.2)
    assert found.mean[1:] == (150.0, 120.0, 90.0, 10)
    assert loss_object(found)["decision_share"] == pytest.approx(0.5)
    assert loss_row(found)[:2] == ("p", "20 ± 127")


@pytest.fixture(scope="module")
def world():
    """Return a run of two servers with 10 MHz and 10 W each whose worth is made up."""
    scenario = mecsim.load_scenario("smoke").with_changes({"warmup_s": 0, "duration_s": 24})
    scenario = scenario.with_changes({"reallocation.period_s": 2})
    found = mecsim.simulate(scenario, "nearest", seed=1)
    epochs = found.epochs.assign(upper_bound=2000.0, gap=2000.0 / found.epochs["scr"] - 1.0)
    epoch, server = np.repeat(np.arange(12), 2), np.tile([0, 1], 12)
    mhz = np.where((epoch >= 5) == (server == 1), 20.0, 1.0)
    worth = pd.DataFrame({
        "epoch": epoch, "time_s": 2.0 * epoch, "server": server, "per_mhz": mhz,
        "per_w": np.where((epoch == 11) & (server == 0), 30.0, -1.0), "per_tflops": 0.0,
    })  # fmt: skip
    return mecsim.Results(**found.tables | {"epochs": epochs}, manifest=found.manifest, worth=worth)


def test_the_worth_of_one_percent_more_in_closed_form(world):
    """20 a MHz, 10 MHz, bound 2000: 1 % more is 0.1 MHz and 2, or 0.1 %. Mutants: per Hz; of 1 unit."""
    assert relative_worth(world)["per_mhz"].iloc[0] == pytest.approx(0.001)
    assert relative_worth(world)["per_w"].iloc[0] == pytest.approx(-0.01 * 1.0 * 10 / 2000)
    assert most_worth(world, 1) == [1]


def test_sentences_say_which_budget_was_worth_the_most_from_when_on(world):
    """Mutants: the largest worth of a unit, whatever the budget; parts that begin an epoch late."""
    sentences = worth_sentences(world)
    starts = ["From 0 s on the bandwidth of server 0", "From 10 s on the bandwidth of server 1"]
    starts += ["From 22 s on the transmit power of server 0"]
    assert [one.split(" was ")[0] for one in sentences] == starts
    assert "one more MHz raises the bound of the SCR by 20, and 1 % more by 0.1 %." in sentences[1]


def test_nothing_of_worth_is_said_to_be_so(world):
    nothing = world.worth.assign(per_mhz=-1.0, per_w=NAN, per_tflops=0.0)
    poor = mecsim.Results(**world.tables | {"worth": nothing}, manifest=world.manifest)
    assert worth_sentences(poor) == ["From 0 s on no budget of a server was worth anything."]


def test_compare_and_the_report_show_each_policys_own_loss(tmp_path):
    """Mutant found in the product: every policy was given the runs of the last one."""
    changes = {"warmup_s": 0, "duration_s": 4, "users.count": 2, "record.bound": True}
    scenario = mecsim.load_scenario("smoke").with_changes(changes)
    comparison = mecsim.compare(scenario, ["nearest", "gucaa"], 1, out=tmp_path)
    losses = bound_losses(comparison)
    assert [loss.policy for loss in losses] == ["nearest", "gucaa"]
    for loss in losses:
        epochs = mecsim.load_results(tmp_path).epochs.query("policy == @loss.policy")
        expected = epochs["upper_bound"].mean() / epochs["scr"].mean() - 1.0
        assert loss.mean.gap == pytest.approx(expected)
    assert losses[0].mean.gap != losses[1].mean.gap
    assert losses_table(losses).row_count == 2
    collected = collect(tmp_path)
    part = bound_part(collected, ())
    assert [row.policy for row in part.rows] == ["nearest", "gucaa"]
    assert [chart.key for chart in part.charts] == [
        "bound-gap", "worth-per_mhz", "worth-per_w", "worth-per_tflops"
    ]  # fmt: skip
    page = render(collected, interactive=False)
    assert part.sentences
    assert part.sentences[0] in page
    assert 'id="bound"' in page


def test_a_report_without_bounds_has_no_such_part(tmp_path):
    scenario = mecsim.load_scenario("smoke").with_changes({"warmup_s": 0, "duration_s": 4})
    mecsim.simulate(scenario, "gucaa", seed=1, out=tmp_path / "run")
    assert 'id="bound"' not in render(collect(tmp_path), interactive=False)
