"""What a path-loss model is: from the geometry of links to their loss in dB."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import PluginError
from mecsim.plugin_files import Group
from mecsim.scenario.models import PATH_LOSS
from mecsim.scenario.path_loss import PathLossLimits
from mecsim.system.arrays import Floats
from mecsim.world.plugin_arrays import called, own_floats

Bools: TypeAlias = NDArray[np.bool_]

LARGEST_DB = 1000.0
"""Largest loss, or gain, that a model may give."""


@dataclass(frozen=True, eq=False, slots=True)
class LinkGeometry:
    """What a path loss may depend on, for links of any shape S.

    Parameters
    ----------
    ground_m : S float
        Distance on the ground, at least ``channel.min_distance_m``.
    carrier_hz : float
    heights_m : pair of float, or None
        Heights of the server's and of the user's antenna; None if only the ground counts.
    los : S bool, or None
        Whether there is line of sight; given to models with `has_line_of_sight` only.
    """

    ground_m: Floats
    carrier_hz: float
    heights_m: tuple[float, float] | None = None
    los: Bools | None = None

    @property
    def distance_m(self) -> Floats:
        """Distance from antenna to antenna, or on the ground if only that counts."""
        if self.heights_m is None:
            return self.ground_m
        distance_m: Floats = np.hypot(self.ground_m, self.heights_m[0] - self.heights_m[1])
        return distance_m


class PathLossModel(PathLossLimits):
    """Base of path-loss models: the fields of a subclass are its parameters in a scenario file.

    Attributes
    ----------
    has_line_of_sight : bool
        Whether the loss depends on line of sight; then `los_probability` is needed.
    is_monotone : bool
        Whether the loss never falls with distance; tests hold the model to it.
    default_server_height_m : float or None
        Height of the servers' antennas where a scenario gives none; None: only the ground counts then.
    lowest_carrier_ghz, highest_user_m : float
        Where the model holds; a scenario beyond is refused.
    """

    group: ClassVar[Group] = PATH_LOSS
    is_monotone: ClassVar[bool] = True

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a model that depends on line of sight without saying how likely it is."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.has_line_of_sight and cls.los_probability is PathLossModel.los_probability:
            raise TypeError(f"{cls.__name__}: has_line_of_sight needs a method los_probability(ground_m)")

    @abstractmethod
    def loss_db(self, link: LinkGeometry) -> Floats:
        """Return the loss in dB, in the shape of ``link.ground_m``."""

    def los_probability(self, ground_m: Floats) -> Floats:
        """Return the probability of line of sight at distances on the ground; 1 where it does not matter."""
        return np.ones_like(ground_m)


def checked_loss_db(model: PathLossModel, link: LinkGeometry) -> Floats:
    """Return the loss of a model that does not ship with mecsim, in dB.

    Raises
    ------
    PluginError
        If the model raised, or what it returned is no loss of every link.
    """
    title = f"path loss '{type(model).name()}'"
    los = None if link.los is None else _read_only(link.los)
    handed = LinkGeometry(_read_only(link.ground_m), link.carrier_hz, link.heights_m, los)
    loss_db = own_floats(called(f"{title} raised", model.loss_db, handed))
    if loss_db is None or loss_db.shape != link.ground_m.shape:
        raise PluginError(f"{title}: must be numbers of shape {link.ground_m.shape}")
    if not np.isfinite(loss_db).all():
        raise PluginError(f"{title}: {loss_db[~np.isfinite(loss_db)][0]} dB: must be finite")
    if (np.abs(loss_db) > LARGEST_DB).any():
        worst_db = loss_db.flat[int(np.abs(loss_db).argmax())]
        raise PluginError(f"{title}: {worst_db:g} dB: must be from -{LARGEST_DB:g} to {LARGEST_DB:g}")
    return loss_db


def checked_los_probability(model: PathLossModel, ground_m: Floats) -> Floats:
    """Return the probability of line of sight of a model that does not ship with mecsim.

    Raises
    ------
    PluginError
        If the model raised, or what it returned is no probability of every link.
    """
    title = f"path loss '{type(model).name()}'"
    probability = own_floats(
        called(f"{title}, los_probability raised", model.los_probability, _read_only(ground_m))
    )
    if probability is None or probability.shape != ground_m.shape:
        raise PluginError(f"{title}, los_probability: must be numbers of shape {ground_m.shape}")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise PluginError(f"{title}, los_probability: must be from 0 to 1")
    return probability


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    copy = np.array(values)
    copy.flags.writeable = False
    return copy
