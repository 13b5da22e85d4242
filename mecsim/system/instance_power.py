"""The power law of an instance in its file."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from pydantic import Field
from pydantic.types import Strict

from mecsim.config.base import Real, Section, key
from mecsim.system.power import DevicePower, PowerSpec

_NotNegative = Annotated[Real, Field(ge=0)]
_NAMES = tuple(field.name for field in fields(DevicePower))
_ALLOWED = f"an object with the keys {', '.join(_NAMES)}"


class _Device(Section):
    model_config = Section.model_config | {"json_schema_extra": {"allowed": _ALLOWED}}

    min_gpu_flops: _NotNegative = key("Lowest speed of one GPU in use", unit="FLOP/s", default=0.0)
    circuit_power_w: _NotNegative = key("Power of the electronics while it sends", unit="W", default=0.0)
    receive_power_w: _NotNegative = key("Power of the electronics while it receives", unit="W", default=0.0)


class _Server(_Device):
    model_config = Section.model_config | {"json_schema_extra": {"allowed": f"{_ALLOWED}, shares_gpu"}}

    shares_gpu: Annotated[bool, Strict()] = key(
        "Whether its GPUs draw by the sum of all speeds in use", default=False
    )


class PowerTables(Section):
    """What an instance file says of the power law."""

    model_config = Section.model_config | {
        "json_schema_extra": {"allowed": "an object with the keys users and servers"}
    }

    users: tuple[_Device, ...] = key("Users", allowed="a list of objects, one for each user")
    servers: tuple[_Server, ...] = key("Servers", allowed="a list of objects, one for each server")


def power_of_tables(given: PowerTables | None) -> PowerSpec | None:
    """Return the power law that a file says; None for the paper's."""
    if given is None:
        return None
    users, servers = (
        DevicePower(*([getattr(row, name) for row in rows] for name in _NAMES))  # type: ignore[arg-type]
        for rows in (given.users, given.servers)
    )
    return PowerSpec(users, servers, [row.shares_gpu for row in given.servers])  # type: ignore[arg-type]


def tables_of_power(power: PowerSpec) -> dict[str, Any]:
    """Return the tables that :func:`power_of_tables` reads back as the same power law."""

    def rows(group: DevicePower) -> list[dict[str, Any]]:
        columns = [getattr(group, name).tolist() for name in _NAMES]
        return [dict(zip(_NAMES, row, strict=True)) for row in zip(*columns, strict=True)]

    shares = [{"shares_gpu": bool(flag)} for flag in power.shares_gpu]
    return {
        "users": rows(power.users),
        "servers": [row | flag for row, flag in zip(rows(power.servers), shares, strict=True)],
    }
