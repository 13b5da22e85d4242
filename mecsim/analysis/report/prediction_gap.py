"""The gap between predicted and realised values, and the two parts of it that the tables hold."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from mecsim.analysis.report.charts import Chart, Series, places_of
from mecsim.analysis.report.collect import Collected
from mecsim.analysis.report.provenance import spec_of
from mecsim.analysis.report.verdict import ranked

if TYPE_CHECKING:
    from mecsim.results.result import Results

MOST_POINTS = 400
_FEWEST = 2
_QUANTITIES = (("scr", "SCR", "SCR"), ("delay_s", "delay (s)", "Delay"), ("energy_j", "energy (J)", "Energy"))


class GapRow(NamedTuple):
    """Means over epochs of one policy: predicted and realised values, and the gap between them in two parts.

    ``gains`` is due to channel gains that the policy did not know; ``rest`` to everything that happened
    later: users that move, fading, late and further decisions, handovers, waiting.
    """

    policy: str
    quantity: str
    predicted: str
    realised: str
    gap: str
    gains: str
    rest: str
    epochs: str


def gap_charts(collected: Collected) -> list[Chart]:
    """Return predicted against realised SCR, delay and energy of epochs, and SCR of generations.

    Delay and energy are drawn where some policy has two epochs in which every user started one round.
    """
    if collected.setting is None:
        return []
    found = []
    for key, label, title in _QUANTITIES:
        frames = _of_every_run(collected, key)
        if _enough(key, frames):
            points = {policy: frame[["predicted", "realised"]] for policy, frame in frames.items()}
            found.append(_scatter(collected, f"epochs-{key}", f"{title} of epochs", label, points))
    points = {p: run.generations[["predicted_scr", "scr"]] for p, run in collected.replays.items()}
    return [*found, _scatter(collected, "generations", "SCR of generations", "SCR", points)]


def _scatter(
    collected: Collected, key: str, title: str, label: str, points: dict[str, pd.DataFrame]
) -> Chart:
    assert collected.setting is not None
    place, series, thinned = places_of(collected.setting), [], False
    for policy, frame in points.items():
        finite = frame.replace([np.inf, -np.inf], np.nan).dropna().to_numpy(np.float64)
        kept = finite[:: max(1, -(-len(finite) // MOST_POINTS))]
        thinned |= len(kept) < len(finite)
        series.append(Series(policy, place[policy], "points", kept[:, 0], kept[:, 1], None, policy))
    side = "Below the diagonal: less" if label == "SCR" else "Above the diagonal: more"
    note = f"{side} than the decision predicted."
    note += f" At most {MOST_POINTS} evenly chosen ones of each policy are drawn." if thinned else ""
    axes = f"predicted {label}", f"realised {label}"
    return Chart(f"gap-{key}", title, *axes, tuple(series), note, diagonal=True)


def gap_table(collected: Collected) -> list[GapRow]:
    """Return a row a policy and quantity.

    Delay and energy are those of the rounds that started in an epoch, over the epochs in which every
    user of the run started exactly one: only there are they what the policy predicted. They have no
    rows where no policy has two such epochs.
    """
    rows = []
    frames = {key: _of_every_run(collected, key) for key, _, _ in _QUANTITIES}
    for policy in collected.replays:
        for key, label, _ in _QUANTITIES:
            if not _enough(key, frames[key]):
                continue
            frame = frames[key][policy]
            if frame.empty:
                rows.append(GapRow(policy, label, *("\u2013",) * 5, "0"))
                continue
            means = (float(frame[name].mean()) for name in ("predicted", "true", "realised"))
            predicted, true, realised = means
            parts = (realised - predicted, true - predicted, realised - true)
            gap, gains, rest = map(_signed, parts)
            values = f"{predicted:.4g}", f"{realised:.4g}"
            rows.append(GapRow(policy, label, *values, gap, gains, rest, str(len(frame))))
    return rows


def gap_command(collected: Collected) -> str:
    """Return the command that splits the gap of the best policy by all its causes; empty without a run."""
    order = ranked(collected.setting) if collected.setting else []
    for manifest in (collected.replays[policy].manifest for policy in order if policy in collected.replays):
        spec = shlex.quote(spec_of(manifest))
        return f"mecsim promise scenario.toml --policy {spec} --seed {manifest['seed']}"
    return ""


def _of_every_run(collected: Collected, key: str) -> dict[str, pd.DataFrame]:
    return {policy: _epochs(results, key) for policy, results in collected.replays.items()}


def _enough(key: str, frames: dict[str, pd.DataFrame]) -> bool:
    return key == "scr" or max(map(len, frames.values()), default=0) >= _FEWEST


def _epochs(results: Results, key: str) -> pd.DataFrame:
    """Return predicted, with the true gains, and realised of every epoch that has all three."""
    epochs = results.epochs.set_index("epoch")
    realised = epochs["realised_scr"] if key == "scr" else _of_whole_epochs(results)[key]
    frame = pd.DataFrame({"predicted": epochs[key], "true": epochs[f"true_{key}"], "realised": realised})
    return frame.replace([np.inf, -np.inf], np.nan).dropna()


def _of_whole_epochs(results: Results) -> pd.DataFrame:
    """Return largest delay and total energy of the rounds of each epoch in which every user started one."""
    users, finished = results.manifest["users"], results.rounds[results.rounds["outcome"] == "finished"]
    own = finished.groupby("epoch").agg(
        rounds=("user", "size"), users=("user", "nunique"),
        delay_s=("delay_s", "max"), energy_j=("energy_j", "sum"),
    )  # fmt: skip
    whole: pd.DataFrame = own[(own["rounds"] == users) & (own["users"] == users)]
    return whole


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "\u2212")
