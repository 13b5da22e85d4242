"""What links reach of Shannon's rate: efficiency, gap, cap and overhead, docs/model.md section 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from mecsim.errors import InstanceError


@dataclass(frozen=True, slots=True)
class SpectralEfficiency:
    """``(1 - o) min(eta log2(1 + SNR / G), S)`` in bit/s/Hz; by default Shannon's.

    Parameters
    ----------
    efficiency : float
        eta, a factor of Shannon's spectral efficiency.
    gap : float
        G, by which the SNR must be larger than Shannon needs, as a factor.
    cap_bps_hz : float
        S, the spectral efficiency of the highest modulation and coding in bit/s/Hz; infinite for none.
    overhead : float
        o, the share of the resources that carries no data.

    Raises
    ------
    InstanceError
        Listing every number that is out of :data:`BOUNDS`.
    """

    efficiency: float = 1.0
    gap: float = 1.0
    cap_bps_hz: float = math.inf
    overhead: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            (low, high), value = BOUNDS[field.name], getattr(self, field.name)
            if not (low <= value <= high or (field.name == "cap_bps_hz" and value == math.inf)):
                problems.append(f"{field.name} = {value}: must be from {low:g} to {high:g}")
        if problems:
            raise InstanceError("rate", problems)

    @property
    def is_ideal(self) -> bool:
        """Whether this is Shannon's spectral efficiency."""
        return self == SpectralEfficiency()


BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"efficiency": (0.05, 1.0), "gap": (1.0, 1e4), "cap_bps_hz": (0.1, 40.0), "overhead": (0.0, 0.9)}
)
"""Least and largest values, between which no form of a rate overflows or loses its digits."""


@dataclass(frozen=True, slots=True)
class RateSpec:
    """What uplinks and downlinks reach of Shannon's rate; by default all of it."""

    up: SpectralEfficiency = SpectralEfficiency()
    down: SpectralEfficiency = SpectralEfficiency()

    @property
    def is_ideal(self) -> bool:
        """Whether both directions have Shannon's spectral efficiency."""
        return self.up.is_ideal and self.down.is_ideal


IDEAL = RateSpec()
"""Shannon's rate both ways."""

_HIGHEST_256QAM_BPS_HZ = 8.0 * 948.0 / 1024.0

RATES: Mapping[str, RateSpec] = MappingProxyType(
    {
        "shannon": IDEAL,
        "nr-256qam": RateSpec(
            up=SpectralEfficiency(cap_bps_hz=_HIGHEST_256QAM_BPS_HZ, overhead=0.08),
            down=SpectralEfficiency(cap_bps_hz=_HIGHEST_256QAM_BPS_HZ, overhead=0.14),
        ),
        "lte-36942": RateSpec(
            up=SpectralEfficiency(efficiency=0.4, cap_bps_hz=2.0),
            down=SpectralEfficiency(efficiency=0.6, cap_bps_hz=4.4),
        ),
    }
)
"""Specifications by name. ``nr-256qam``: the highest entry of table 5.1.3.1-2 of 3GPP TS 38.214 with the
overheads of TS 38.306 section 4.1.2 (FR1). ``lte-36942``: 3GPP TR 36.942 annex A.2, without its least SNR."""
