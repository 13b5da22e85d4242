"""One world over time: SCR and delay under each policy, and the outages of servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mecsim.analysis.figures.panels import legend_above
from mecsim.analysis.recovery import outages_of, service_over_time
from mecsim.analysis.style import WIDTH_IN, in_style, policy_styles
from mecsim.errors import MecsimError
from mecsim.results.objective import objective_of
from mecsim.results.result import Results
from mecsim.scenario.schema import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TIMES, BINS = 600, 60


@in_style
def timeline_figure(
    runs: Mapping[str, Results], *, order: Sequence[str] = (), width_in: float = WIDTH_IN
) -> Figure:
    """Return SCR and the delay of rounds over time, policies on one world, with outages in grey.

    SCR is that of every user's last round; a round that already takes longer counts with its time
    so far (``mecsim.analysis.recovery``); the delay is the mean of the rounds that ended in one
    sixtieth of the run. The end of the warm-up is a dotted line.

    Parameters
    ----------
    runs : mapping
        Results of one run for each policy, all of one scenario and seed.
    order : sequence of str
        Every policy of the folder, which decides colours.

    Raises
    ------
    MecsimError
        If they are not.
    """
    from matplotlib.figure import Figure

    manifests = [run.manifest for run in runs.values()]
    if len({(m["scenario_toml"], m["seed"]) for m in manifests}) != 1:
        raise MecsimError(
            "a figure over time shows one world: choose one with --where, such as --where seed=0"
        )
    first = manifests[0]
    figure = Figure(figsize=(width_in, 3.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    styles = policy_styles(runs, order)
    for policy, style in styles.items():
        line = {"color": style.colour, "linestyle": style.linestyle}
        above.plot(*scr_over_time(runs[policy]), lw=1.0, **line)
        below.plot(*delay_over_time(runs[policy]), lw=1.0, **line)
    above.set(ylabel="SCR", ylim=(0, None))
    below.set(ylabel="delay (s)", ylim=(0, None), xlabel="time (s)", xlim=(0, first["duration_s"]))
    for ax in (above, below):
        _mark(ax, first)
    legend_above(figure, styles)
    return figure


def scr_over_time(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Return 600 times in s and SCR at each of them."""
    weights = results.manifest["objective"]
    times_s = np.linspace(0.0, results.manifest["duration_s"], TIMES)
    ratio = service_over_time(
        results.rounds,
        times_s,
        weights["delay_weight_per_s"],
        weights["energy_weight_per_j"],
        objective_of(results),
    )
    return times_s, ratio


def delay_over_time(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of 60 parts of the run in s, and the mean delay of the rounds that ended in each."""
    rounds = results.rounds[results.rounds["outcome"].eq("finished")]
    edges_s = np.linspace(0.0, results.manifest["duration_s"], BINS + 1)
    ended_s = rounds["start_s"] + rounds["delay_s"]
    count, _ = np.histogram(ended_s, edges_s)
    total, _ = np.histogram(ended_s, edges_s, weights=rounds["delay_s"])
    mean = np.divide(total, count, out=np.full(BINS, np.nan), where=count > 0)
    return 0.5 * (edges_s[1:] + edges_s[:-1]), mean


def _mark(ax: Axes, manifest: Mapping[str, object]) -> None:
    outages = outages_of(Scenario.from_toml(str(manifest["scenario_toml"])), int(str(manifest["seed"])))
    for server, from_s, to_s in outages:
        ax.axvspan(from_s, to_s, color="0.85", lw=0, zorder=0, label=f"server {server} out")
        ax.annotate(
            f"{server}", (0.5 * (from_s + to_s), 0.98), xycoords=("data", "axes fraction"),
            ha="center", va="top", fontsize=6.5, color="0.3",
        )  # fmt: skip
    warmup_s = float(str(manifest["warmup_s"]))
    if warmup_s:
        ax.axvline(warmup_s, color="0.35", lw=0.7, ls=":")
