"""The gap to the upper bound over time, and what the budgets of the servers are worth over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mecsim.analysis.bound_gap import gap_of_means, loss_of_policy
from mecsim.analysis.bound_texts import HEADS, LossRow, loss_row
from mecsim.analysis.report.charts import Chart, Series, places_of
from mecsim.analysis.report.collect import Collected
from mecsim.analysis.report.timeline import Spans, step_of
from mecsim.analysis.report.verdict import ranked
from mecsim.analysis.worth import BUDGETS, most_worth, worth_sentences

if TYPE_CHECKING:
    from mecsim.results.result import Results

MOST_SERVERS = 8


class BoundPart(NamedTuple):
    """What the report shows of the bound: charts, a table, sentences, and the policy that the worth is of.

    Without recorded bounds there is nothing in it.
    """

    charts: list[Chart]
    heads: tuple[str, ...]
    rows: list[LossRow]
    sentences: list[str]
    policy: str


def bound_part(collected: Collected, spans: Spans) -> BoundPart:
    """Return the bound of the setting that is shown in full.

    Parameters
    ----------
    collected : Collected
    spans : tuple of (from, to, text)
        Outages, to shade.
    """
    setting = collected.setting
    replays = {policy: each for policy, each in collected.replays.items() if each.worth is not None}
    if setting is None or not replays:
        return BoundPart([], HEADS, [], [], "")
    losses = {
        policy: [run.loss for run in setting.runs if run.policy == policy and run.loss is not None]
        for policy in setting.policies
    }
    rows = [loss_row(loss_of_policy(policy, own)) for policy, own in losses.items() if own]
    policy = next(one for one in ranked(setting) if one in replays)
    step_s = step_of(collected)
    charts = [_gap_chart(collected, replays, step_s, spans), *_worth_charts(replays[policy], policy, step_s)]
    return BoundPart(charts, HEADS, rows, worth_sentences(replays[policy]), policy)


def _gap_chart(collected: Collected, replays: dict[str, Results], step_s: float, spans: Spans) -> Chart:
    assert collected.setting is not None
    place, series = places_of(collected.setting), []
    for policy, results in replays.items():
        epochs = results.epochs
        bucket = (epochs["time_s"] // step_s).astype(int)
        gap = {
            number: 100.0 * gap_of_means(own["upper_bound"].dropna(), own["scr"].dropna())
            for number, own in epochs.groupby(bucket)
        }
        y = np.array(list(gap.values()), dtype=np.float64)
        x = (np.array(list(gap), dtype=np.float64) + 0.5) * step_s
        series.append(Series(policy, place[policy], "line", x, y, None, policy))
    note = f"Mean bound over mean predicted SCR, less 1, in steps of {step_s:g} s; the line breaks where a "
    note += "user is given nothing all the time. The bound is of each snapshot that the policy saw."
    return Chart(
        "bound-gap", "Gap to the upper bound over time", "time (s)", "gap (%)", tuple(series), note, spans
    )


def _worth_charts(results: Results, policy: str, step_s: float) -> list[Chart]:
    """Return a chart a kind of budget, with a line for each server."""
    worth = results.worth
    assert worth is not None
    bucket = (worth["time_s"] // step_s).astype(int)
    means = worth.groupby([bucket, "server"])[[budget.column for budget in BUDGETS]].mean()
    shown = most_worth(results, MOST_SERVERS)
    charts = []
    for budget in BUDGETS:
        lines = means[budget.column].unstack("server")
        x = (lines.index.to_numpy(np.float64) + 0.5) * step_s
        series = tuple(
            Series(f"server {m}", k, "line", x, lines[m].to_numpy(np.float64)) for k, m in enumerate(shown)
        )
        note = (
            f"How much the bound of the SCR rises with one more {budget.unit} of a server, under {policy}; "
        )
        note += (
            f"means over {step_s:g} s. Below 0: more of it makes the shares of those who have enough smaller."
        )
        note += f" The {MOST_SERVERS} servers with the largest worth." if len(shown) < lines.shape[1] else ""
        title = f"Worth of {budget.name} over time"
        charts.append(
            Chart(f"worth-{budget.column}", title, "time (s)", f"SCR per {budget.unit}", series, note)
        )
    return charts
