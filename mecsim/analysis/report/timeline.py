"""Charts of one world over time, with handovers, rejected decisions and outages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mecsim.analysis.report.charts import Chart, Marks, Series, places_of
from mecsim.analysis.report.collect import Collected
from mecsim.analysis.report.futures import shown_moments
from mecsim.system.arrays import Floats

if TYPE_CHECKING:
    from mecsim.results.result import Results

MOST_STEPS = 150
MOST_MARKS = 1500
_NOT_FOLLOWED = ("held", "late")

Spans = tuple[tuple[float, float, str], ...]


def time_charts(collected: Collected, spans: Spans) -> list[Chart]:
    """Return SCR, delay, power and handovers over the time of one world, each with a strip of events.

    Parameters
    ----------
    collected : Collected
    spans : tuple of (from, to, text)
        Outages, to shade.
    """
    if collected.setting is None:
        return []
    place = places_of(collected.setting)
    step_s = step_of(collected)
    lines: dict[str, list[Series]] = {"scr": [], "delay": [], "power": [], "handovers": []}
    for policy, results in collected.replays.items():
        for key, (x, y) in _lines(results, step_s).items():
            lines[key].append(Series(policy, place[policy], "line", x, y, None, policy))
    marks, thinned = _marks(collected)
    every = " ".join([f"Means over {step_s:g} s.", *_shaded(spans), *_strip(thinned)])
    labels = {
        "scr": ("Service-cost ratio over time", "SCR", f"Realised, of each user's last round. {every}"),
        "delay": ("Delay over time", "delay (s)", f"Of rounds by when they ended. {every}"),
        "power": ("Power over time", "power (W)", f"All devices together. {every}"),
        "handovers": (
            "Handovers over time",
            "handovers a minute",
            f"In mid-round, all users together. {every}",
        ),
    }
    return [
        Chart(
            f"time-{key}", title, "time (s)", y_label, tuple(lines[key]), note, spans, marks,
            moments=shown_moments(collected),
        )
        for key, (title, y_label, note) in labels.items()
    ]  # fmt: skip


def _marks(collected: Collected) -> tuple[tuple[Marks, ...], bool]:
    """Return a row of marks a policy, and whether some were left out."""
    assert collected.setting is not None
    place, found, thinned = places_of(collected.setting), [], False
    for policy, results in collected.replays.items():
        epochs = results.epochs
        moved = epochs.loc[epochs["handovers"] > 0, "time_s"].to_numpy(np.float64)
        missed = epochs.loc[epochs["status"].isin(_NOT_FOLLOWED), "time_s"].to_numpy(np.float64)
        kept = [times[:: max(1, -(-len(times) // MOST_MARKS))] for times in (moved, missed)]
        thinned |= len(kept[0]) < len(moved) or len(kept[1]) < len(missed)
        found.append(Marks(policy, place[policy], *kept))
    return tuple(found), thinned


def _shaded(spans: Spans) -> list[str]:
    if not spans:
        return []
    shown = [f"{text}, {low:,.0f} to {high:,.0f} s" for low, high, text in spans[:3]]
    more = f"; and {len(spans) - 3} more" if len(spans) > 3 else ""
    return [f"Shaded: {'; '.join(shown)}{more}."]


def _strip(thinned: bool) -> list[str]:
    text = "Strip below: a tick where a decision moved users in mid-round, a cross where it was held or late."
    return [text, f"At most {MOST_MARKS} evenly chosen ones of each policy."] if thinned else [text]


def step_of(collected: Collected) -> float:
    """Return how long the buckets are over which time series are averaged: a round number of seconds."""
    results = next(iter(collected.replays.values()))
    duration_s = float(results.manifest["duration_s"])
    period_s = duration_s / max(len(results.epochs), 1)
    raw = max(duration_s / MOST_STEPS, period_s)
    nice = [m * 10.0**e for e in range(-3, 10) for m in (1.0, 2.0, 5.0)]
    return min(value for value in nice if value >= raw)


def _lines(results: Results, step_s: float) -> dict[str, tuple[Floats, Floats]]:
    epochs, rounds = results.epochs, results.rounds
    finished = rounds[rounds["outcome"] == "finished"]
    bucket = (epochs["time_s"] // step_s).astype(int)
    ended = ((finished["start_s"] + finished["delay_s"]) // step_s).astype(int)
    count = int(np.ceil(results.manifest["duration_s"] / step_s))
    widths_s = np.minimum(step_s, results.manifest["duration_s"] - step_s * np.arange(count))

    def of(values: pd.Series[float]) -> tuple[Floats, Floats]:
        times_s: Floats = (values.index.to_numpy(np.float64) + 0.5) * step_s
        return times_s, np.asarray(values, dtype=np.float64)

    every = pd.RangeIndex(count)
    energy = epochs["realised_energy_j"].groupby(bucket).sum().reindex(every, fill_value=0.0) / widths_s
    handovers = epochs["handovers"].groupby(bucket).sum().reindex(every, fill_value=0) * 60.0 / widths_s
    return {
        "scr": of(epochs["realised_scr"].groupby(bucket).mean().reindex(every)),
        "delay": of(finished["delay_s"].groupby(ended).mean().reindex(every)),
        "power": of(energy),
        "handovers": of(handovers),
    }
