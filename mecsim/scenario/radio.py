"""The radio channel between users and servers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mecsim.scenario.base import Real, Section, key


class Shadowing(Section):
    """Log-normal shadowing, a field over the map for each server."""

    sigma_db: Annotated[Real, Field(ge=0, le=40)] = key(
        "Standard deviation of the shadowing; 0 switches it off", unit="dB", default=8.0
    )
    decorrelation_m: Annotated[Real, Field(gt=0, le=1e5)] = key(
        "Distance over which the autocorrelation of the shadowing falls to 1/e", unit="m", default=50.0
    )


class Fading(Section):
    """Fast fading of unit mean power."""

    model: Literal["rayleigh", "none"] = key(
        "Law of the fast fading; 'none' switches it off", default="rayleigh"
    )
    block_s: Annotated[Real, Field(ge=1e-5, le=100)] = key(
        "Time for which the fading is held constant", unit="s", default=0.01
    )


class Channel(Section):
    """Path loss, shadowing, fading and noise."""

    carrier_ghz: Annotated[Real, Field(ge=0.1, le=100)] = key("Carrier frequency", unit="GHz", default=2.0)
    path_loss: Literal["log_distance_128", "free_space"] = key(
        "Law of the path loss; 'log_distance_128' is 128.1 + 37.6 log10(distance in km) dB",
        default="log_distance_128",
    )
    min_distance_m: Annotated[Real, Field(gt=0, le=1e4)] = key(
        "Distance that every nearer user is taken to have", unit="m", default=10.0
    )
    shadowing: Shadowing = key("Log-normal shadowing", default=Shadowing())
    fading: Fading = key("Fast fading", default=Fading())
    noise_dbm_per_hz: Annotated[Real, Field(ge=-250, le=0)] = key(
        "Noise power density", unit="dBm/Hz", default=-174.0
    )
    noise_figure_db: Annotated[Real, Field(ge=0, le=50)] = key(
        "What the receiver adds to the noise", unit="dB", default=0.0
    )
