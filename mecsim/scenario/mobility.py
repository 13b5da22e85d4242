"""How users move."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from mecsim.scenario.base import Real, Section, ascending, key

_MODEL = "How users move"

_Speed: TypeAlias = Annotated[Real, Field(gt=0, le=400)]
_Pause: TypeAlias = Annotated[Real, Field(ge=0, le=1e7)]


class Static(Section):
    """Users stay where they are."""

    model: Literal["static"] = key(_MODEL, default="static")


class RandomWaypoint(Section):
    """Users go straight from one uniformly random point to the next."""

    model: Literal["random_waypoint"] = key(_MODEL, default="random_waypoint")
    speed_mps: Annotated[tuple[_Speed, _Speed], AfterValidator(ascending)] = key(
        "Lowest and highest speed; the speed of each leg is uniform between them",
        unit="m/s",
        allowed="two numbers [low, high] with 0 < low <= high <= 400 "
        "(a random waypoint speed from 0 has no stationary state)",
        example=[0.5, 2.0],
    )
    pause_s: Annotated[tuple[_Pause, _Pause], AfterValidator(ascending)] = key(
        "Shortest and longest pause at a point; each pause is uniform between them",
        unit="s",
        allowed="two numbers [low, high] with 0 <= low <= high <= 1e7",
        default=(0.0, 0.0),
    )


Mobility: TypeAlias = Static | RandomWaypoint
