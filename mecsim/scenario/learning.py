"""How the loss falls with the tokens that were trained: a power law whose coefficients a user has fitted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import SMALLEST, Real, Section, key, refusal


class Learning(Section):
    """The loss after D tokens, ``floor + a D^-b``, and the loss to reach; no coefficient has a default."""

    floor: Annotated[Real, Field(ge=0, le=1e9)] = key("Loss that no number of tokens gets below", example=1.7)
    a: Annotated[Real, Field(ge=SMALLEST, le=1e300)] = key(
        "Factor of the power law: what one token leaves above the floor", example=400.0
    )
    b: Annotated[Real, Field(ge=1e-6, le=10)] = key("Exponent of the power law", example=0.28)
    target: Annotated[Real, Field(ge=SMALLEST, le=1e9)] = key(
        "Loss to which time and energy are measured, above the floor", example=3.0
    )

    @field_validator("target")
    @classmethod
    def _above_the_floor(cls, value: float, info: ValidationInfo) -> float:
        floor = info.data.get("floor")
        if floor is not None and value <= floor:
            raise refusal(((), f"must be above floor = {floor:g}, which no number of tokens reaches"))
        return value
