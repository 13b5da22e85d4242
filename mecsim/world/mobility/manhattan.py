"""Manhattan: users on the streets of a square grid, who choose a direction at each crossing.

Streets run at multiples of the spacing, with what is left of the area as an equal margin on both sides.
At a crossing of four streets the user goes straight on, left or right with given probabilities. At the
edge of the grid, where a street is missing, the others (but the way back) are equally likely; at
a dead end the user turns back. So every crossing hands on as many users into each street as come out of
it, and the uniform law over all directed blocks is the stationary one, whatever the probabilities.

References
----------
ETSI TR 101 112 (UMTS 30.03) v3.2.0, B.1.4.3, for the grid and the probabilities 0.5, 0.25, 0.25; the
rule at the edge is ours.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from mecsim.config.base import Real, key, refusal
from mecsim.rng import Purpose, stream
from mecsim.scenario.area import current_area
from mecsim.system.arrays import Floats, Ints
from mecsim.world.mobility.legs import Legs, alternating
from mecsim.world.mobility.model import (
    MODEL,
    MobilityModel,
    Pauses,
    Share,
    Speeds,
    pause_key,
    speed_key,
)
from mecsim.world.mobility.waypoint import mean_slowness, residual_pause_s, stationary_speed_mps

_CHUNK = 64
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
_STRAIGHT, _LEFT, _RIGHT, _BACK = 0, 1, 3, 2


@dataclass(frozen=True)
class StreetGrid:
    """The crossings of the streets, numbered along x and y.

    Parameters
    ----------
    blocks : pair of int
        Number of blocks along x and y.
    spacing_m : float
    corner_m : (2,) float
        The crossing (0, 0).
    """

    blocks: tuple[int, int]
    spacing_m: float
    corner_m: Floats

    @classmethod
    def of(cls, spacing_m: float, size_m: Floats) -> StreetGrid:
        """Return the grid of an area."""
        # A side that is a multiple but for rounding has room for its last block.
        blocks = np.floor(size_m / spacing_m * (1.0 + 1e-12)).astype(np.int64)
        return cls((int(blocks[0]), int(blocks[1])), spacing_m, (size_m - blocks * spacing_m) / 2.0)

    def exists(self, x: int, y: int, heading: int) -> bool:
        """Return whether a block starts at a crossing in a direction: 0 east, 1 north, 2 west, 3 south."""
        to_x, to_y = x + _STEPS[heading][0], y + _STEPS[heading][1]
        return 0 <= to_x <= self.blocks[0] and 0 <= to_y <= self.blocks[1]

    def directed_block(self, number: int) -> tuple[int, int, int]:
        """Return crossing and direction of one of the 2 (bx (by + 1) + by (bx + 1)) directed blocks."""
        bx, by = self.blocks
        along_x, back = bx * (by + 1), number % 2
        half = number // 2
        if half < along_x:
            return half % bx + back, half // bx, 2 if back else 0
        half -= along_x
        return half // by, half % by + back, 3 if back else 1

    @property
    def directed_blocks(self) -> int:
        """Number of blocks, each counted once for each direction."""
        bx, by = self.blocks
        return 2 * (bx * (by + 1) + by * (bx + 1))

    def streets_ahead(self, x: int, y: int, heading: int) -> tuple[bool, bool, bool]:
        """Return whether there are streets straight on, to the left and to the right of a user."""
        there = (self.exists(x, y, heading), self.exists(x, y, (heading + _LEFT) % 4))
        return *there, self.exists(x, y, (heading + _RIGHT) % 4)

    def point_m(self, crossings: Floats | Ints) -> Floats:
        """Return where crossings (..., 2) are."""
        place: Floats = self.corner_m + crossings * self.spacing_m
        return place


def turn_law(exist: tuple[bool, bool, bool], probabilities: tuple[float, float, float]) -> list[float]:
    """Return the cumulative probabilities of the turns 0 straight, 1 left, 2 back and 3 right.

    Parameters
    ----------
    exist, probabilities : tuple
        Whether the streets straight on, left and right exist, and how likely they are if all do.
    """
    chance = [0.0, 0.0, 0.0, 0.0]
    for turn, there, probability in zip((_STRAIGHT, _LEFT, _RIGHT), exist, probabilities, strict=True):
        chance[turn] = probability if all(exist) else float(there)
    if not any(exist):
        chance[_BACK] = 1.0
    return [total / sum(chance) for total in accumulate(chance)]


class Manhattan(MobilityModel):
    """Users follow the streets of a square grid and choose a direction at each crossing."""

    model: Literal["manhattan"] = key(MODEL, default="manhattan")
    street_spacing_m: Annotated[Real, Field(ge=1, le=1e5)] = key(
        "Distance from one street to the next, the length of a block", unit="m", example=100
    )
    turn_probabilities: tuple[Share, Share, Share] = key(
        "Probability to go straight on, left and right at a crossing; where one of the three ways is "
        "missing, at the edge of the grid, those that are left are equally likely",
        allowed="three numbers [straight, left, right] from 0 to 1 with the sum 1",
        default=(0.5, 0.25, 0.25),
    )
    speed_mps: Speeds = speed_key()
    pause_s: Pauses = pause_key()

    @field_validator("street_spacing_m")
    @classmethod
    def _a_block_fits(cls, value: float) -> float:
        area = current_area()
        if area is not None and value > max(area.size_m):
            raise refusal(((), f"must be at most {max(area.size_m):g}, the longer side of the area"))
        return value

    @field_validator("turn_probabilities")
    @classmethod
    def _sum_of_one(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(value) - 1.0) > 1e-9:
            raise refusal(((), f"must have the sum 1, has {sum(value):.12g}"))
        return value

    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return the legs of a user of a street grid who starts in the stationary law."""
        grid = StreetGrid.of(self.street_spacing_m, size_m)
        here_m, paused_s, speed_mps, (x, y, heading) = _stationary_start(self, grid, seed, user)
        rng = stream(seed, Purpose.MOBILITY_LEGS, user)
        slowest, fastest = self.speed_mps
        shortest, longest = self.pause_s
        crossings, laws = [(x, y)], {}
        draws = chunk = rng.random((_CHUNK, 3))
        while True:
            for drawn in chunk[:, 0].tolist():
                ahead = grid.streets_ahead(x, y, heading)
                if ahead not in laws:
                    laws[ahead] = turn_law(ahead, self.turn_probabilities)
                heading = (heading + bisect_right(laws[ahead], drawn)) % 4
                x, y = x + _STEPS[heading][0], y + _STEPS[heading][1]
                crossings.append((x, y))
            points_m = grid.point_m(np.array(crossings))
            speeds = slowest + (fastest - slowest) * draws[:, 1]
            pauses = shortest + (longest - shortest) * draws[:, 2]
            if paused_s is None:
                legs = alternating(
                    np.concatenate([here_m[None, :], points_m]),
                    np.append(speed_mps, speeds),
                    np.append(0.0, pauses),
                )
            else:
                legs = alternating(points_m, speeds, np.append(paused_s, pauses[1:]))
            if legs.start_s[-1] > until_s:
                return legs
            chunk = rng.random(draws.shape)
            draws = np.concatenate([draws, chunk])

    def fastest_mps(self) -> float:
        """Return the upper end of `speed_mps`."""
        return self.speed_mps[1]


def _stationary_start(
    model: Manhattan, grid: StreetGrid, seed: int, user: int
) -> tuple[Floats, float | None, float, tuple[int, int, int]]:
    """Return where the user is, what is left of a pause, its speed, and its next crossing and direction."""
    rng = stream(seed, Purpose.MOBILITY_START, user)
    x, y, heading = grid.directed_block(int(rng.random() * grid.directed_blocks))
    step = _STEPS[heading]
    mean_pause_s = sum(model.pause_s) / 2.0
    mean_move_s = grid.spacing_m * mean_slowness(model.speed_mps)
    paused_s, speed_mps, share = None, 0.0, 1.0
    if rng.random() * (mean_pause_s + mean_move_s) < mean_pause_s:
        paused_s = residual_pause_s(model.pause_s, rng)
    else:
        speed_mps, share = stationary_speed_mps(model.speed_mps, rng), rng.random()
    here = grid.point_m(np.array((x, y)) + share * np.array(step))
    return here, paused_s, speed_mps, (x + step[0], y + step[1], heading)
