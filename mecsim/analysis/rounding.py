"""Numbers rounded for a reader."""

from __future__ import annotations

import numpy as np


def plus_minus(mean: float, half: float) -> str:
    """Return ``mean ± half``, the half width with two digits and the mean to the same decimal."""
    if np.isnan(mean) or np.isnan(half) or half == 0:
        return four_digits(mean)
    decimals = int(np.clip(1 - np.floor(np.log10(half)), 0, 6))
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}"


def four_digits(value: float) -> str:
    """Return a number with four digits, or all of them before the point; a dash for NaN."""
    if np.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def bracketed(centre: float, low: float, high: float, *, signed: bool = False) -> str:
    """Return ``centre [low, high]`` with three digits or all before the point; ``[?]`` for unknown ends."""

    def shown(value: float) -> str:
        sign = "+" if signed else ""
        return f"{value:{sign}.0f}" if abs(value) >= 1e3 else f"{value:{sign}.3g}"

    if np.isnan(centre):
        return "-"
    if np.isnan(low) or np.isnan(high):
        return f"{shown(centre)} [?]"
    return f"{shown(centre)} [{shown(low)}, {shown(high)}]"
