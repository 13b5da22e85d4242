"""The rate of a link in the slow reference engine, from docs/model.md section 2."""

from __future__ import annotations

import math

from scipy.special import hyperu

from mecsim.policy import Phase
from mecsim.scenario.radio import Channel


def bits_per_s_and_hz(channel: Channel, snr: float, phase: Phase) -> float:
    """Return the bits per second and hertz of a link with a signal-to-noise ratio."""
    rate = channel.rate_spec
    own = rate.up if phase is Phase.UPLINK else rate.down
    snr /= own.gap
    if channel.fading.model == "ergodic" and snr > 0:
        mean = float(hyperu(1.0, 1.0, 1.0 / snr))
        if own.cap_bps_hz < math.inf:
            top = 2.0 ** (own.cap_bps_hz / own.efficiency)
            mean -= math.exp((1.0 - top) / snr) * float(hyperu(1.0, 1.0, top / snr))
        return (1.0 - own.overhead) * own.efficiency * mean / math.log(2.0)
    return (1.0 - own.overhead) * min(own.efficiency * math.log2(1.0 + snr), own.cap_bps_hz)
