"""The urban cells of 3GPP TR 38.901: path loss with and without line of sight, and how likely it is.

Source: 3GPP TR 38.901 V17, tables 7.4.1-1 (path loss) and 7.4.2-1 (probability of line of sight).
Valid for 0.5 to 100 GHz, 10 m to 5 km on the ground, users at 1.5 to 13 m, and servers at 25 m (UMa)
or 10 m (UMi street canyon).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.world.channel.model import LinkGeometry, PathLossModel

_LIGHT_MPS = 3.0e8  # what TR 38.901 takes in the breakpoint distance
_CLUTTER_M = 1.0  # its effective height of the environment
_LOWEST_USER_M = 1.5


class UrbanCell(PathLossModel):
    """What both kinds of cells have in common.

    Attributes
    ----------
    los_db, los_slope_db : float
        Loss at 1 m and 1 GHz with line of sight, and what a decade of distance adds before the breakpoint.
    bend_db : float
        Factor of the term that ties the loss beyond the breakpoint to that before it.
    nlos_db, nlos_slope_db, nlos_carrier_db, nlos_height_db : float
        The same without line of sight: at 1 m and 1 GHz, per decade of distance and of frequency, and
        what a metre of the user's height takes off.
    decay_m : float
        Distance over which line of sight is lost.
    """

    has_line_of_sight: ClassVar[bool] = True
    lowest_carrier_ghz: ClassVar[float] = 0.5
    highest_user_m: ClassVar[float] = 13.0

    los_db: ClassVar[float]
    los_slope_db: ClassVar[float]
    bend_db: ClassVar[float]
    nlos_db: ClassVar[float]
    nlos_slope_db: ClassVar[float]
    nlos_carrier_db: ClassVar[float]
    nlos_height_db: ClassVar[float]
    decay_m: ClassVar[float]

    def loss_db(self, link: LinkGeometry) -> Floats:
        """Return the loss in dB, by line of sight."""
        assert link.heights_m is not None
        assert link.los is not None
        los_db, nlos_db = self.losses_db(link.ground_m, link.carrier_hz, *link.heights_m)
        loss: Floats = np.where(link.los, los_db, nlos_db)
        return loss

    def losses_db(
        self, ground_m: Floats, carrier_hz: float, server_m: float, user_m: float
    ) -> tuple[Floats, Floats]:
        """Return the losses in dB with and without line of sight; the second is never the smaller one.

        Parameters
        ----------
        ground_m : array
            Distance on the ground.
        carrier_hz, server_m, user_m : float
            Carrier, and heights of the antennas.
        """
        rise_m, carrier_ghz = server_m - user_m, carrier_hz / 1e9
        decades = np.log10(ground_m * ground_m + rise_m * rise_m) / 2.0
        bend_m = breakpoint_m(carrier_hz, server_m, user_m)
        near_db = self.los_slope_db * decades
        far_db = 40.0 * decades - self.bend_db * np.log10(bend_m * bend_m + rise_m * rise_m)
        los_db = np.where(ground_m <= bend_m, near_db, far_db)
        los_db += self.los_db + 20.0 * np.log10(carrier_ghz)
        nlos_db = self.nlos_slope_db * decades + (
            self.nlos_db
            + self.nlos_carrier_db * np.log10(carrier_ghz)
            - self.nlos_height_db * (user_m - _LOWEST_USER_M)
        )
        return los_db, np.maximum(los_db, nlos_db)

    def los_probability(self, ground_m: Floats) -> Floats:
        """Return the probability of line of sight; 1 up to 18 m."""
        share = np.minimum(18.0 / ground_m, 1.0)
        probability: Floats = share + np.exp(-ground_m / self.decay_m) * (1.0 - share)
        return probability


def breakpoint_m(carrier_hz: float, server_m: float, user_m: float) -> float:
    """Return the distance on the ground from which the loss with line of sight grows as its fourth power."""
    return 4.0 * (server_m - _CLUTTER_M) * (user_m - _CLUTTER_M) * carrier_hz / _LIGHT_MPS


class Uma(UrbanCell):
    """The urban macro cell: servers at 25 m, above the roofs."""

    model: Literal["uma"] = "uma"

    default_server_height_m: ClassVar[float] = 25.0
    los_db: ClassVar[float] = 28.0
    los_slope_db: ClassVar[float] = 22.0
    bend_db: ClassVar[float] = 9.0
    nlos_db: ClassVar[float] = 13.54
    nlos_slope_db: ClassVar[float] = 39.08
    nlos_carrier_db: ClassVar[float] = 20.0
    nlos_height_db: ClassVar[float] = 0.6
    decay_m: ClassVar[float] = 63.0


class Umi(UrbanCell):
    """The urban micro cell in a street canyon: servers at 10 m, below the roofs."""

    model: Literal["umi"] = "umi"

    default_server_height_m: ClassVar[float] = 10.0
    los_db: ClassVar[float] = 32.4
    los_slope_db: ClassVar[float] = 21.0
    bend_db: ClassVar[float] = 9.5
    nlos_db: ClassVar[float] = 22.4
    nlos_slope_db: ClassVar[float] = 35.3
    nlos_carrier_db: ClassVar[float] = 21.3
    nlos_height_db: ClassVar[float] = 0.3
    decay_m: ClassVar[float] = 36.0
