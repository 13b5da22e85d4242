"""The urban cells of 3GPP TR 38.901: path loss with and without line of sight, and how likely it is.

Source: 3GPP TR 38.901 V17, tables 7.4.1-1 (path loss) and 7.4.2-1 (probability of line of sight).
Valid for 0.5 to 100 GHz, 10 m to 5 km on the ground, users at 1.5 to 13 m, and servers at 25 m (UMa)
or 10 m (UMi street canyon).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats

_LIGHT_MPS = 3.0e8  # what TR 38.901 takes in the breakpoint distance
_CLUTTER_M = 1.0  # its effective height of the environment
_LOWEST_USER_M = 1.5


@dataclass(frozen=True, slots=True)
class UrbanCell:
    """The numbers of one kind of cell.

    Parameters
    ----------
    server_height_m : float
        Height of the servers' antennas for which the tables are made.
    clear_db, clear_slope_db : float
        Loss at 1 m and 1 GHz with line of sight, and what a decade of distance adds before the breakpoint.
    bend_db : float
        Factor of the term that ties the loss beyond the breakpoint to that before it.
    blocked_db, blocked_slope_db, blocked_carrier_db, blocked_height_db : float
        The same without line of sight: at 1 m and 1 GHz, per decade of distance and of frequency, and
        what a metre of the user's height takes off.
    decay_m : float
        Distance over which line of sight is lost.
    """

    server_height_m: float
    clear_db: float
    clear_slope_db: float
    bend_db: float
    blocked_db: float
    blocked_slope_db: float
    blocked_carrier_db: float
    blocked_height_db: float
    decay_m: float

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
        near_db = self.clear_slope_db * decades
        far_db = 40.0 * decades - self.bend_db * np.log10(bend_m * bend_m + rise_m * rise_m)
        clear_db = np.where(ground_m <= bend_m, near_db, far_db)
        clear_db += self.clear_db + 20.0 * np.log10(carrier_ghz)
        blocked_db = self.blocked_slope_db * decades + (
            self.blocked_db
            + self.blocked_carrier_db * np.log10(carrier_ghz)
            - self.blocked_height_db * (user_m - _LOWEST_USER_M)
        )
        return clear_db, np.maximum(clear_db, blocked_db)

    def clear_probability(self, ground_m: Floats) -> Floats:
        """Return the probability of line of sight; 1 up to 18 m."""
        share = np.minimum(18.0 / ground_m, 1.0)
        probability: Floats = share + np.exp(-ground_m / self.decay_m) * (1.0 - share)
        return probability


def breakpoint_m(carrier_hz: float, server_m: float, user_m: float) -> float:
    """Return the distance on the ground from which the loss with line of sight grows as its fourth power."""
    return 4.0 * (server_m - _CLUTTER_M) * (user_m - _CLUTTER_M) * carrier_hz / _LIGHT_MPS


URBAN: dict[str, UrbanCell] = {
    "uma": UrbanCell(25.0, 28.0, 22.0, 9.0, 13.54, 39.08, 20.0, 0.6, 63.0),
    "umi": UrbanCell(10.0, 32.4, 21.0, 9.5, 22.4, 35.3, 21.3, 0.3, 36.0),
}
