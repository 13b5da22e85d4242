"""The chart of learning progress: the loss that the power law of a scenario gives over time."""

from __future__ import annotations

import numpy as np

from mecsim.analysis.report.charts import Chart, Series, places_of
from mecsim.analysis.report.collect import Collected
from mecsim.results.learning import law_of, progress

_MOST_POINTS = 400


def learning_charts(collected: Collected) -> list[Chart]:
    """Return the loss over the time of the world shown; nothing where the scenario has no ``[learning]``."""
    if collected.setting is None or any(law_of(run.manifest) is None for run in collected.replays.values()):
        return []
    place, lines = places_of(collected.setting), list[Series]()
    stale = list[str]()
    for policy, results in collected.replays.items():
        found = progress(results)
        if not len(found):
            continue
        chosen = np.unique(np.linspace(0, len(found) - 1, _MOST_POINTS).astype(int))
        shown = found.iloc[chosen]
        times_s, loss = shown["time_s"].to_numpy(np.float64), shown["loss"].to_numpy(np.float64)
        lines.append(Series(policy, place[policy], "line", times_s, loss, None, policy))
        stale.append(f"{policy} {found['staleness'].mean():.1f}")
    if not lines:
        return []
    note = (
        "floor + a D^-b after the D tokens of all rounds that have ended, by the scenario's coefficients: "
        f"nothing is trained. Mean staleness, in results of others during a round: {', '.join(stale)}."
    )
    return [
        Chart("learning", "Loss by the power law of the scenario", "time (s)", "loss", tuple(lines), note)
    ]
