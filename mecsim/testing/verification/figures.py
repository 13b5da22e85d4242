"""What the numbers of the table look like: quantiles against quantiles, and autocorrelations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import j0

from mecsim.analysis.style import COLUMN_IN, STYLE, WIDTH_IN, save_figure
from mecsim.testing.verification.fading import DOPPLER_HZ, SPEED_MPS, links_after
from mecsim.testing.verification.finding import Finding, Setting
from mecsim.testing.verification.largescale import HERE, SIGMA_DB
from mecsim.testing.verification.suite import Row
from mecsim.world.channel.shadowing import ShadowingFields

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 400
# The checks of a correlation over time or distance.
_CORRELATED = ("C2 ", "C7 rho")


def save_figures(rows: Sequence[Row], setting: Setting, folder: Path) -> list[Path]:
    """Write the quantile plots of the rows that compare a law, and the autocorrelations of the channel."""
    files: list[Path] = []
    laws = [row for row in rows if row.finding.law is not None]
    if laws:
        files += save_figure(quantile_figure(laws), folder / "quantiles")
    if any(row.check.name.startswith(_CORRELATED) for row in rows):
        files += save_figure(autocorrelation_figure(setting), folder / "autocorrelation")
    return files


def quantile_figure(rows: Sequence[Row]) -> Figure:
    """Return one panel a law: sample quantiles over exact ones, the mutant's in orange."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.3 * lines), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for ax, row in zip(axes, rows, strict=False):
            for finding, colour in ((row.mutant, "#d55e00"), (row.finding, "#0072b2")):
                exact, found = _quantiles(row.finding, finding)
                ax.plot(exact, found, ".", ms=2.5, color=colour)
            ax.axline((0.0, 0.0), slope=1.0, color="0.5", lw=0.6)
            ax.set(title=f"{row.check.name}: {row.check.says}", xlabel="exact quantile", ylabel="sample")
        for ax in axes[len(rows) :]:
            ax.set_axis_off()
    return figure


def _quantiles(right: Finding, finding: Finding | None) -> tuple[np.ndarray, np.ndarray]:
    if finding is None or finding.sample is None or right.law is None:
        return np.empty(0), np.empty(0)
    size = len(finding.sample)
    # Every part of the sample, and both ends of it one by one.
    at = np.unique(np.append(np.linspace(0, size - 1, _POINTS), [*range(20), *range(size - 20, size)]))
    index = at.astype(np.int64)
    return right.law.ppf((index + 0.5) / size), finding.sample[index]


def autocorrelation_figure(setting: Setting) -> Figure:
    """Return the fading's over time beside J0, and the shadowing's over distance beside exp(-d/50 m)."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    delays_s = np.linspace(0.0, 1.4 / DOPPLER_HZ, 40)
    first, *later = links_after(setting, *(5.0 + SPEED_MPS * delays_s), batches=1)
    fading = [(first * h.conj()).real.mean() for h in (first, *later)]
    away_m = np.linspace(0.0, 200.0, 40)
    fields = ShadowingFields.draw(5 + setting.seed, 4000, SIGMA_DB, 50.0)
    here = fields.at(np.arange(4000), HERE)
    shadowing = [
        (here * fields.at(np.arange(4000), HERE + np.array([x, 0.0]))).mean() / SIGMA_DB**2 for x in away_m
    ]
    fine = np.linspace(0.0, 1.0, 300)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, COLUMN_IN * 0.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(1.4 * fine, j0(2.0 * math.pi * 1.4 * fine), color="0.5", lw=0.8)
        left.plot(delays_s * DOPPLER_HZ, fading, ".", color="#0072b2")
        left.set(title="fading", xlabel="Doppler frequency x delay", ylabel="autocorrelation")
        right.plot(200.0 * fine, np.exp(-4.0 * fine), color="0.5", lw=0.8)
        right.plot(away_m, shadowing, ".", color="#0072b2")
        right.set(title="shadowing", xlabel="distance (m)")
    return figure
