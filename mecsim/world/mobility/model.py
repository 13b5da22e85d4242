"""What a mobility model is, and the keys that several of them share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field

from mecsim.config.base import Real, ascending, key
from mecsim.errors import PluginError
from mecsim.plugin_files import Group
from mecsim.scenario.models import MOBILITY, Model
from mecsim.system.arrays import Floats
from mecsim.world.mobility.legs import Legs

MODEL = "How users move"

_Speed: TypeAlias = Annotated[Real, Field(gt=0, le=400)]
_Pause: TypeAlias = Annotated[Real, Field(ge=0, le=1e7)]
Speeds: TypeAlias = Annotated[tuple[_Speed, _Speed], AfterValidator(ascending)]
Pauses: TypeAlias = Annotated[tuple[_Pause, _Pause], AfterValidator(ascending)]
Share: TypeAlias = Annotated[Real, Field(ge=0, le=1)]


class MobilityModel(Model):
    """Base of mobility models: the fields of a subclass are its keys in a scenario file.

    A trajectory is a pure function of seed, user and time: draw random numbers only from
    ``stream(seed, Purpose.MOBILITY_START, user)`` and ``stream(seed, Purpose.MOBILITY_LEGS, user)``.
    """

    group: ClassVar[Group] = MOBILITY

    @abstractmethod
    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return the trajectory of one user as straight legs, from time 0 on.

        Parameters
        ----------
        size_m : (2,) float
            Width and height of the area; every position lies in it.
        seed, user : int
        until_s : float
            Time until which the trajectory is asked for; a later time gives the same legs and more.
        """

    def fastest_mps(self) -> float | None:
        """Return the highest speed a user can have, for tests; None if there is no such bound."""
        return None


def drawn_legs(model: MobilityModel, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
    """Return the legs of a user, checked if the model does not ship with mecsim.

    Raises
    ------
    PluginError
        If the model raised, or what it returned is no trajectory in the area.
    """
    if model.is_own:
        return model.legs(size_m, seed, user, until_s)
    area_m = size_m.copy()
    area_m.flags.writeable = False
    try:
        legs = model.legs(area_m, seed, user, until_s)
        fault = _legs_fault(legs, area_m)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"mobility model '{model.model}' raised for user {user}: {reason}") from error
    if fault:
        raise PluginError(f"mobility model '{model.model}', legs of user {user}: {fault}")
    return legs


def _legs_fault(legs: object, size_m: Floats) -> str:
    """Return what is wrong with the legs of one user, or an empty string."""
    if not isinstance(legs, Legs):
        return f"must be Legs, not {type(legs).__name__}"
    count = len(legs.start_s)
    columns = {name: np.asarray(getattr(legs, name)) for name in legs.__dataclass_fields__}
    for name, column in columns.items():
        shape = (count, 2) if name in ("start_m", "velocity_mps") else (count,)
        if column.dtype.kind not in "iuf" or column.shape != shape or not np.isfinite(column).all():
            return f"{name} must be finite numbers of shape {shape}"
    if count == 0 or legs.start_s[0] != 0 or (np.diff(legs.start_s) < 0).any():
        return "start_s must begin with 0 and not fall"
    margin_m = 1e-6 * size_m.max()
    if (legs.start_m < -margin_m).any() or (legs.start_m > size_m + margin_m).any():
        return f"start_m must lie in the area, {size_m[0]:g} m x {size_m[1]:g} m"
    return ""


def speed_key() -> Any:
    """Describe the key `speed_mps`."""
    return key(
        "Lowest and highest speed; the speed of each leg is uniform between them",
        unit="m/s",
        allowed="two numbers [low, high] with 0 < low <= high <= 400 "
        "(a random waypoint speed from 0 has no stationary state)",
        example=[0.5, 2.0],
    )


def pause_key() -> Any:
    """Describe the key `pause_s`."""
    return key(
        "Shortest and longest pause at a point; each pause is uniform between them",
        unit="s",
        allowed="two numbers [low, high] with 0 <= low <= high <= 1e7",
        default=(0.0, 0.0),
    )
