"""Charts of a study over its swept keys: a line with intervals for each policy, a chart for each facet."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mecsim.analysis.centres import centre
from mecsim.analysis.key_names import key_label, plain, setting_text
from mecsim.analysis.report.charts import Chart, Series
from mecsim.analysis.report.collect import Collected, ScenarioRuns
from mecsim.analysis.report.verdict import heavy_in, samples
from mecsim.results.metrics import METRIC, VERDICT_METRICS, with_headline

MOST_CHARTS = 24


class SweepCharts(NamedTuple):
    """The first charts over the swept keys, and a sentence that tells how many there are not."""

    charts: list[Chart]
    left_out: str = ""


def sweep_charts(collected: Collected) -> SweepCharts:
    """Return a chart for each judged metric and value of the keys beside the first; none without a sweep.

    The first key, of the horizontal axis, is the one with the most values.
    """
    settings = [one for one in collected.settings if one.values]
    counts = {key: len({str(one.values[key]) for one in settings}) for one in settings for key in one.values}
    keys = sorted((key for key, count in counts.items() if count > 1), key=lambda key: -counts[key])
    if not keys or len({tuple(one.values) for one in settings}) > 1:
        return SweepCharts([])
    charts: list[Chart] = []
    metrics = with_headline(VERDICT_METRICS, collected.settings[0].headline)
    for facet, members in _facets(settings, keys[1:]).items():
        charts += [_chart(collected, members, keys[0], metric, facet, len(charts)) for metric in metrics]
    return SweepCharts(charts[:MOST_CHARTS], _left_out(len(charts), keys[0]))


def _left_out(count: int, key: str) -> str:
    """Return what a reader should know of charts that are not shown; nothing if all are."""
    if count <= MOST_CHARTS:
        return ""
    return (
        f"The first {MOST_CHARTS} of {count} charts. Every other one: "
        f"mecsim plot FOLDER --kind swept --key {key}, with --metrics and --where."
    )


def _facets(settings: list[ScenarioRuns], keys: list[str]) -> dict[str, list[ScenarioRuns]]:
    """Return the settings by scenario and the values of the other keys."""
    several = len({one.scenario for one in settings}) > 1
    found: dict[str, list[ScenarioRuns]] = {}
    for one in settings:
        parts = [one.scenario] * several + [setting_text(key, one.values[key]) for key in keys]
        found.setdefault(", ".join(parts), []).append(one)
    return found


def _chart(
    collected: Collected, settings: list[ScenarioRuns], key: str, metric: str, facet: str, number: int
) -> Chart:
    values: list[Any] = [one.values[key] for one in settings]
    order = sorted(range(len(values)), key=lambda i: (isinstance(values[i], str), values[i]))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    x = np.array([float(values[i]) for i in order]) if numbers else [plain(values[i]) for i in order]
    is_heavy = any(metric in heavy_in(one, [metric]) for one in settings)
    series = []
    for place, policy in enumerate(collected.order):
        if not any(policy in one.policies for one in settings):
            continue
        found = [centre(samples(settings[i], policy, metric), is_heavy=is_heavy) for i in order]
        values_drawn = np.array([one.value for one in found])
        ends = np.transpose([one.ends for one in found])
        series.append(Series(policy, place, "line", x, values_drawn, ends, policy))
    about = METRIC[metric]
    better = "Higher" if about.better == "more" else "Lower"
    what = "Median, as it is heavy-tailed," if is_heavy else "Mean"
    note = f"{what} and 95 % interval over replications. {better} is better."
    heading = f"{about.label}, {facet}" if facet else about.label
    return Chart(f"sweep-{metric}-{number}", heading, key_label(key), about.head, tuple(series), note)
