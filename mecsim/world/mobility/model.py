"""What a mobility model is, and the keys that several of them share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, Field

from mecsim.config.base import Real, ascending, key
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
