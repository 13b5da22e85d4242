"""Charts of one world over time, and of what its decisions promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mecsim.analysis.report.charts import Chart, Series, look_of
from mecsim.analysis.report.collect import Collected
from mecsim.system.arrays import Floats

if TYPE_CHECKING:
    from mecsim.results.result import Results

MOST_POINTS = 400
MOST_STEPS = 150
_NOT_FOLLOWED = ("held", "late")

Spans = tuple[tuple[float, float, str], ...]


def time_charts(collected: Collected, spans: Spans) -> list[Chart]:
    """Return SCR, delay, power and handovers over the time of one world.

    Parameters
    ----------
    collected : Collected
    spans : tuple of (from, to, text)
        Outages, to shade.
    """
    if collected.setting is None:
        return []
    look = look_of(collected.setting)
    step_s = _step(collected)
    lines: dict[str, list[Series]] = {"scr": [], "delay": [], "power": [], "handovers": []}
    for policy, results in collected.replays.items():
        for key, (x, y) in _lines(results, step_s).items():
            lines[key].append(Series(policy, look[policy], "line", x, y, None, policy))
        missed = results.epochs[results.epochs["status"].isin(_NOT_FOLLOWED)]
        if len(missed):
            marked = missed.iloc[:: max(1, len(missed) // MOST_POINTS)]
            series = Series(f"{policy}: decision held or late", look[policy], "points",
                            marked["time_s"].to_numpy(), np.zeros(len(marked)), None, policy)  # fmt: skip
            lines["scr"].append(series)
    every = f"Means over {step_s:g} s." + (" Shaded: a server is down." if spans else "")
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
        Chart(f"time-{key}", title, "time (s)", y_label, tuple(lines[key]), note, spans)
        for key, (title, y_label, note) in labels.items()
    ]


def promise_charts(collected: Collected) -> list[Chart]:
    """Return predicted against realised SCR of epochs and of generations."""
    if collected.setting is None:
        return []
    look = look_of(collected.setting)
    found = []
    for key, title, table, said, came in (
        ("epochs", "SCR of epochs", "epochs", "scr", "realised_scr"),
        ("generations", "SCR of generations", "generations", "predicted_scr", "scr"),
    ):
        series, thinned = [], False
        for policy, results in collected.replays.items():
            frame = getattr(results, table)[[said, came]].replace([np.inf, -np.inf], np.nan).dropna()
            kept = frame.iloc[:: max(1, -(-len(frame) // MOST_POINTS))]
            thinned |= len(kept) < len(frame)
            series.append(
                Series(
                    policy, look[policy], "points", kept[said].to_numpy(), kept[came].to_numpy(), None, policy
                )
            )
        note = "Below the diagonal: less came of a decision than it promised."
        note += f" At most {MOST_POINTS} evenly chosen ones of each policy are drawn." if thinned else ""
        found.append(
            Chart(
                f"promise-{key}", title, "predicted SCR", "realised SCR", tuple(series), note, diagonal=True
            )
        )
    return found


def promise_table(collected: Collected) -> list[tuple[str, ...]]:
    """Return a row a policy and quantity: predicted, with the true gains, realised, and over how many epochs.

    Delay and energy are those of the rounds that started in an epoch, over the epochs in which every
    user of the run started exactly one: only there do they mean what the prediction means.
    """
    rows = []
    for policy, results in collected.replays.items():
        epochs = results.epochs.set_index("epoch")
        own = results.rounds[results.rounds["outcome"] == "finished"].groupby("epoch").agg(
            rounds=("user", "size"), users=("user", "nunique"),
            delay=("delay_s", "max"), energy=("energy_j", "sum"),
        )  # fmt: skip
        users = results.manifest["users"]
        whole = own[(own["rounds"] == users) & (own["users"] == users)]
        scr = epochs[["scr", "true_scr", "realised_scr"]].replace([np.inf, -np.inf], np.nan).dropna()
        rows.append((policy, "SCR", *_three(scr.to_numpy()), str(len(scr))))
        for name, unit, column in (("delay", "s", "delay_s"), ("energy", "J", "energy_j")):
            joined = epochs.loc[whole.index, [column, f"true_{column}"]].assign(realised=whole[name])
            joined = joined.replace([np.inf, -np.inf], np.nan).dropna()
            rows.append((policy, f"{name} ({unit})", *_three(joined.to_numpy()), str(len(joined))))
    return rows


def _three(values: Floats) -> tuple[str, ...]:
    return tuple(f"{mean:.4g}" for mean in values.mean(axis=0)) if len(values) else ("\u2013",) * 3


def _step(collected: Collected) -> float:
    """Return how long the buckets are over which time series are averaged: a round number of seconds."""
    results = next(iter(collected.replays.values()))
    duration_s = float(results.manifest["duration_s"])
    period_s = duration_s / max(len(results.epochs), 1)
    raw = max(duration_s / MOST_STEPS, period_s)
    nice = [m * 10.0**e for e in range(-3, 9) for m in (1.0, 2.0, 5.0)]
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
