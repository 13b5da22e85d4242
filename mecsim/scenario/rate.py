"""What links reach of Shannon's rate: a name, or its numbers for both ways or for each."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import (
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema

from mecsim.config.base import Real, Section, key, refusal
from mecsim.messages import either, nearest
from mecsim.system.rate_spec import RATES, RateSpec, SpectralEfficiency
from mecsim.units import db_to_linear

_NAMES = tuple(RATES)
_ALLOWED = (
    f"{either(_NAMES)}, or a table with some of efficiency, gap_db, cap_bps_hz and overhead, or with up and "
    "down, tables of these"
)


class RateNumbers(Section):
    """``(1 - overhead) min(efficiency log2(1 + SNR / gap), cap)`` in bit/s/Hz."""

    efficiency: Annotated[Real, Field(ge=0.05, le=1)] = key(
        "Factor of Shannon's spectral efficiency", default=1.0
    )
    gap_db: Annotated[Real, Field(ge=0, le=30)] = key(
        "How much larger the SNR must be than Shannon needs", unit="dB", default=0.0
    )
    cap_bps_hz: Annotated[Real, Field(ge=0.1, le=40)] | None = key(
        "Spectral efficiency of the highest modulation and coding; left out: no cap",
        unit="bit/s/Hz",
        example=7.40625,
        default=None,
    )
    overhead: Annotated[Real, Field(ge=0, le=0.9)] = key(
        "Share of the resources that carries no data", default=0.0
    )

    @property
    def one_way(self) -> SpectralEfficiency:
        """The same in linear units."""
        cap_bps_hz = math.inf if self.cap_bps_hz is None else self.cap_bps_hz
        return SpectralEfficiency(self.efficiency, db_to_linear(self.gap_db), cap_bps_hz, self.overhead)


class Rate(RateNumbers):
    """The same for both ways, or for each."""

    model_config = ConfigDict(json_schema_extra={"allowed": _ALLOWED})

    up: RateNumbers | None = key(
        "Numbers of the uplink, in place of those for both ways",
        allowed="a table with some of efficiency, gap_db, cap_bps_hz and overhead",
        default=None,
    )
    down: RateNumbers | None = key(
        "Numbers of the downlink, in place of those for both ways",
        allowed="a table with some of efficiency, gap_db, cap_bps_hz and overhead",
        default=None,
    )

    @property
    def ways(self) -> dict[str, RateNumbers]:
        """Numbers of uplink and downlink."""
        return {"up": self.up or self, "down": self.down or self}

    @property
    def spec(self) -> RateSpec:
        """What uplinks and downlinks reach."""
        return RateSpec(**{way: own.one_way for way, own in self.ways.items()})

    @model_validator(mode="wrap")
    @classmethod
    def _from_file_form(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, str):
            return handler(value)
        if value not in RATES:
            raise refusal(((), f"must be {_ALLOWED}{nearest(value, _NAMES)}"))
        return handler({way: _of_catalogue(getattr(RATES[value], way)) for way in ("up", "down")})

    @field_validator("up", "down")
    @classmethod
    def _instead_of_both(cls, value: Any, info: ValidationInfo) -> Any:
        both = any(
            info.data.get(name, own.default) != own.default for name, own in RateNumbers.model_fields.items()
        )
        if value is not None and both:
            raise refusal(((), "give either numbers for both ways, or up and down"))
        return value

    @model_serializer(mode="wrap")
    def _to_file_form(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """Write a law that has a name as that; for the hash only the numbers count."""
        if info.mode == "json":
            return {way: _given(own) for way, own in self.ways.items()}
        named = [name for name, spec in RATES.items() if spec == self.spec]
        return named[0] if named else handler(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "anyOf": [handler.resolve_ref_schema(handler(core)), {"enum": list(_NAMES)}],
            "allowed": _ALLOWED,
        }


def _given(own: RateNumbers) -> dict[str, float]:
    found = {name: getattr(own, name) for name in RateNumbers.model_fields}
    return {name: value for name, value in found.items() if value is not None}


def _of_catalogue(own: SpectralEfficiency) -> dict[str, float]:
    """Return the numbers of a law that has a name; none of them has a gap."""
    cap = {} if math.isinf(own.cap_bps_hz) else {"cap_bps_hz": own.cap_bps_hz}
    return {"efficiency": own.efficiency, "overhead": own.overhead} | cap
