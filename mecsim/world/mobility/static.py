"""Users who do not move."""

from __future__ import annotations

from typing import Literal

from mecsim.config.base import key
from mecsim.rng import Purpose, stream
from mecsim.system.arrays import Floats
from mecsim.world.mobility.legs import Legs, standing
from mecsim.world.mobility.model import MODEL, MobilityModel


class Static(MobilityModel):
    """Users stay where they are."""

    model: Literal["static"] = key(MODEL, default="static")

    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return one leg of speed zero at a uniformly random point."""
        return standing(stream(seed, Purpose.PLACEMENT, user).random(2) * size_m)

    def fastest_mps(self) -> float:
        """Return zero."""
        return 0.0
