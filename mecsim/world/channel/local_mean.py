"""The local mean of links: path loss, line of sight and shadowing, all functions of position."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from mecsim.scenario.models import ships_with_mecsim
from mecsim.scenario.radio import Channel
from mecsim.system.arrays import Floats, Ints
from mecsim.units import db_to_linear, ghz_to_hz
from mecsim.world.channel.model import Bools, LinkGeometry, checked_los_probability, checked_loss_db
from mecsim.world.channel.path_loss import path_loss
from mecsim.world.channel.shadowing import ShadowingFields
from mecsim.world.channel.sight import SightFields
from mecsim.world.channel.waves import WHOLE


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """Links without fast fading, at some places.

    Parameters
    ----------
    gain : array
        Linear power gain, path loss x shadowing.
    ground_m : array
        Distance on the ground.
    los : array of bool, or None
        Whether there is line of sight; None if the path loss does not depend on it.
    """

    gain: Floats
    ground_m: Floats
    los: Bools | None


class LocalMean:
    """Path loss, line of sight and shadowing of all links.

    Parameters
    ----------
    channel : Channel
    server_position_m : (M, 2) float
    seed : int
    """

    def __init__(self, channel: Channel, server_position_m: Floats, seed: int) -> None:
        self._server_position_m, count = server_position_m, len(server_position_m)
        self._min_distance_m = channel.min_distance_m
        self._path_loss, self._carrier_hz = path_loss(channel), ghz_to_hz(channel.carrier_ghz)
        self._heights_m = channel.heights_m
        self._loss_db = self._path_loss.loss_db
        self._los_probability = self._path_loss.los_probability
        if not ships_with_mecsim(self._path_loss):
            own = self._path_loss.model_copy(deep=True)  # whatever it does to itself
            self._loss_db = partial(checked_loss_db, own)
            self._los_probability = partial(checked_los_probability, own)
        sight = channel.line_of_sight
        self._always_los = sight.state == "always"
        self._sight: SightFields | None = None
        if self._path_loss.has_line_of_sight and sight.state == "probability":
            self._sight = SightFields.draw(seed, count, sight.decorrelation_m)
        shadowing = channel.shadowing
        self._sigmas_db = (1.0, 1.0)
        sigma_db = shadowing.sigma_db
        if shadowing.nlos_sigma_db is not None:
            self._sigmas_db, sigma_db = (shadowing.sigma_db, shadowing.nlos_sigma_db), 1.0
        self._shadowing: ShadowingFields | None = None
        if sigma_db > 0:
            self._shadowing = ShadowingFields.draw(seed, count, sigma_db, shadowing.decorrelation_m)

    def at(self, servers: Ints, position_m: Floats) -> Link:
        """Return the links of servers S with users at positions S + (2,)."""
        away_m = position_m - self._server_position_m[servers]
        shadowing_db = self._shadowing.at(servers, position_m) if self._shadowing else None
        sight = self._sight.at(servers, position_m) if self._sight else None
        return self._link(away_m[..., 0], away_m[..., 1], shadowing_db, sight)

    def on_grid(self, servers: Ints, start_m: Floats, step_m: Floats, points: range = WHOLE) -> Link:
        """Return links, (P, len(points)), along P straight lines of equal steps.

        Parameters
        ----------
        servers : (P,) int
        start_m, step_m : (P, 2) float
            Point 0 of each line, and the step from point to point.
        points : range
            Successive points of the grid.
        """
        away_m = start_m - self._server_position_m[servers]
        line = servers, start_m, step_m, points
        shadowing_db = self._shadowing.on_grid(*line) if self._shadowing else None
        sight = self._sight.on_grid(*line) if self._sight else None
        steps = np.arange(points.start, points.stop)
        x_m, y_m = (away_m[:, i : i + 1] + step_m[:, i : i + 1] * steps for i in (0, 1))
        return self._link(x_m, y_m, shadowing_db, sight)

    def _link(self, x_m: Floats, y_m: Floats, shadowing_db: Floats | None, sight: Floats | None) -> Link:
        ground_m = np.sqrt(x_m * x_m + y_m * y_m)
        far_m = np.maximum(ground_m, self._min_distance_m)
        los = self._line_of_sight(far_m, sight)
        loss_db = self._loss_db(LinkGeometry(far_m, self._carrier_hz, self._heights_m, los))
        if shadowing_db is not None:
            if los is not None:
                shadowing_db = shadowing_db * np.where(los, *self._sigmas_db)
            loss_db = loss_db + shadowing_db
        return Link(db_to_linear(-loss_db), ground_m, los)

    def _line_of_sight(self, ground_m: Floats, sight: Floats | None) -> Bools | None:
        if not self._path_loss.has_line_of_sight:
            return None
        if sight is None:
            return np.full(ground_m.shape, self._always_los)
        return np.asarray(sight <= self._los_probability(ground_m))


def looked_up(table: Floats, users: Ints, servers: Ints, times_s: Floats) -> Floats:
    """Return the values of links in a table (N, M) that holds at all times."""
    return np.asarray(table[tuple(np.broadcast_arrays(users, servers, times_s)[:2])])
