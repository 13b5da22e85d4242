"""What a mobility model is, and the keys that several of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field

from mecsim.config.base import Real, ascending, key
from mecsim.errors import PluginError
from mecsim.plugin_files import Group
from mecsim.scenario.models import MOBILITY, Model, ships_with_mecsim
from mecsim.system.arrays import Floats, frozen
from mecsim.world.mobility.legs import Legs
from mecsim.world.plugin_arrays import called, own_floats

MODEL = "How users move"

_COLUMNS = tuple(field.name for field in fields(Legs))

_Speed: TypeAlias = Annotated[Real, Field(ge=1e-6, le=400)]
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
    if ships_with_mecsim(model):
        return model.legs(size_m, seed, user, until_s)
    area_m = frozen(size_m.copy())
    title = f"mobility model '{type(model).name()}'"
    found = called(f"{title} raised for user {user}", model.legs, area_m, seed, user, until_s)
    if not isinstance(found, Legs):
        raise PluginError(f"{title}, legs of user {user}: must be Legs, not {type(found).__name__}")
    columns = {
        name: own_floats(called(f"{title}, legs of user {user}, {name} raised", getattr, found, name))
        for name in _COLUMNS
    }
    fault = _columns_fault(columns) or _legs_fault(Legs(**columns), size_m)  # type: ignore[arg-type]
    if fault:
        raise PluginError(f"{title}, legs of user {user}: {fault}")
    return Legs(**columns)  # type: ignore[arg-type]  # just looked at


def _columns_fault(columns: Mapping[str, Floats | None]) -> str:
    """Return which column is no array of finite numbers of the right shape, or an empty string."""
    starts_s = columns["start_s"]
    count = len(starts_s) if starts_s is not None and starts_s.ndim == 1 else 1
    for name, column in columns.items():
        shape = (count, 2) if name in ("start_m", "velocity_mps") else (count,)
        if column is None or column.shape != shape or not np.isfinite(column).all():
            return f"{name} must be finite numbers of shape {shape}"
    return ""


def _legs_fault(legs: Legs, size_m: Floats) -> str:
    """Return what is wrong with the legs of one user, or an empty string."""
    if len(legs.start_s) == 0 or legs.start_s[0] != 0 or (np.diff(legs.start_s) < 0).any():
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
        allowed="two numbers [low, high] with 1e-6 <= low <= high <= 400 "
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
