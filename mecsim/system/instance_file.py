"""Instance files: one snapshot as JSON, SI units, fields named as in docs/model.md section 1."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError, ValidationInfo, create_model, field_validator
from pydantic.types import Strict

from mecsim.config.base import Real, Section, key, refusal
from mecsim.config.bounded_file import read_bounded
from mecsim.config.json_text import MOST_WITH_LINES, JsonLines, parse_json
from mecsim.config.problems import dotted, problem_lines
from mecsim.errors import InstanceError, ScenarioError, UnreadableFile
from mecsim.system.derived import derived_problems
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.instance import Instance
from mecsim.system.instance_objective import ObjectiveTables, objective_of_tables, tables_of_objective
from mecsim.system.instance_power import PowerTables, power_of_tables, tables_of_power
from mecsim.system.rate_spec import RateSpec, SpectralEfficiency
from mecsim.system.round_work import RoundWork

SCHEMA = 2
"""The newest version; it adds the work and the memory of users to version 1."""

MAX_BYTES = 64_000_000

_Positive = Annotated[Real, Field(gt=0)]
_NotNegative = Annotated[Real, Field(ge=0)]
_Row = Annotated[
    tuple[_NotNegative, ...], Field(json_schema_extra={"allowed": "a list of numbers, one for each server"})
]
_Links = tuple[_Row, ...]
_LINKS = "a list of lists of numbers, one list for each user"


def _numbers(
    kind: type, number: Any, what: str, without: Sequence[str] = (), **default: Any
) -> type[Section]:
    """Return the section with a number for each field of a dataclass."""
    names = [field.name for field in fields(kind) if field.name not in without]
    allowed = f"an object with the keys {', '.join(names)}"
    config = Section.model_config | {"json_schema_extra": {"allowed": allowed}}
    base = type("Numbers", (Section,), {"model_config": config})
    columns: dict[str, Any] = {name: (number, key(f"{what}: {name}", **default)) for name in names}
    return create_model(kind.__name__, __base__=base, **columns)


_Work = _numbers(RoundWork, _NotNegative, "Work of a round")
_User = create_model(
    "User",
    __base__=_numbers(Users, _Positive, "Of a user", without=("local_fraction_max",)),
    local_fraction_max=(
        Annotated[Real, Field(ge=0, le=1)],
        key("Largest phi that fits into the memory", default=1.0),
    ),
    work=(_Work | None, key("Work of a round, if not the paper's", default=None)),  # type: ignore[arg-type]
)
_Server = _numbers(Servers, _Positive, "Of a server")
_Weights = _numbers(Weights, _NotNegative, "Weight in the cost", default=0.0)
_Score = _numbers(Score, _NotNegative, "Parameter of the score", default=0.0)
_Way = _numbers(SpectralEfficiency, _NotNegative, "Of the rate", default=0.0)


class _Rate(Section):
    """What links reach of Shannon's rate."""

    model_config = Section.model_config | {
        "json_schema_extra": {"allowed": "an object with the keys up, down"}
    }

    up: _Way = key("Of the uplinks", default=_Way())  # type: ignore[valid-type]
    down: _Way = key("Of the downlinks", default=_Way())  # type: ignore[valid-type]


class InstanceTables(Section):
    """What an instance file says."""

    schema_version: Any = key("Version of the file format", alias="schema", allowed="1 or 2", example=SCHEMA)
    name: Annotated[str, Strict()] = key("Name of the instance", allowed="a string", default="")
    noise_w_per_hz: _Positive = key("Noise power density", unit="W/Hz")
    bits_per_param: _NotNegative = key("Bits sent for each parameter", unit="bit", default=32.0)
    weights: _Weights = key("Weights of the cost", default=_Weights())  # type: ignore[valid-type]
    score: _Score = key("Parameters of the score", default=_Score())  # type: ignore[valid-type]
    ergodic: Annotated[bool, Strict()] = key("Whether rates are means over fast fading", default=False)
    users: tuple[_User, ...] = key("Users", allowed="a list of objects")  # type: ignore[valid-type]
    servers: tuple[_Server, ...] = key("Servers", allowed="a list of objects")  # type: ignore[valid-type]
    gain: _Links = key("Power gains of the links", allowed=_LINKS)
    downlink_share: _Links = key("Factors of the gains downwards", allowed=_LINKS, default=())
    power: PowerTables | None = key("Power law, where it is not the paper's", default=None)
    rate: _Rate = key("What links reach of Shannon's rate", default=_Rate())
    objective: ObjectiveTables | None = key("Objective, where it is not the paper's", default=None)

    @field_validator("schema_version")
    @classmethod
    def _is_known(cls, value: Any) -> Any:
        if isinstance(value, bool) or value not in (1, SCHEMA):
            raise refusal(((), f"must be 1 or {SCHEMA}"))
        return value

    @field_validator("users")
    @classmethod
    def _work_of_all_or_none(cls, rows: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        newer = ("local_fraction_max", "work")
        if info.data.get("schema_version") == 1:
            found = [((n, name), "only with schema = 2") for n, row in enumerate(rows) for name in newer
                     if name in row.model_fields_set]  # fmt: skip
            if found:
                raise refusal(*found)
        without = [n for n, row in enumerate(rows) if row.work is None]
        if without and len(without) < len(rows):
            raise refusal(((without[0],), "needs work, as other users have it"))
        return rows

    @field_validator("gain", "downlink_share")
    @classmethod
    def _is_a_matrix(cls, rows: _Links) -> _Links:
        lengths = sorted({len(row) for row in rows})
        if len(lengths) > 1:
            raise refusal(((), f"every user needs one number a server, the lists have {lengths}"))
        return rows


def load_instance(path: str | Path) -> Instance:
    """Read an instance file.

    Parameters
    ----------
    path : str or Path
        A JSON object with ``schema`` (1 or 2), ``noise_w_per_hz``, ``users`` and ``servers`` (lists of
        objects), ``gain`` (a list of M numbers for each of the N users) and optionally ``name``,
        ``bits_per_param``, ``weights``, ``score``, ``ergodic`` (true or false), ``downlink_share``
        (factors of the gains downwards, a list as of ``gain``), ``rate`` (an object with ``up`` and
        ``down``, objects with fields of :class:`~mecsim.system.rate_spec.SpectralEfficiency`) and ``power``,
        with ``users`` and ``servers`` (lists of objects with ``min_gpu_flops``, ``circuit_power_w``,
        ``receive_power_w``, and for servers ``shares_gpu``), and ``objective`` with ``delay`` ("max" or
        "mean") and ``users`` (a list of objects with ``delay_weight``, ``energy_weight``). In schema 2 users
        may have ``local_fraction_max`` and, all of them or none, ``work`` (an object with the fields of
        :class:`~mecsim.system.round_work.RoundWork`).

    Raises
    ------
    InstanceError
        Listing every problem of the file with its key, value and what is allowed.
    """
    source = str(path)
    try:
        text = _read(Path(path), source)
        data = parse_json(text, source)
    except ScenarioError as error:
        raise InstanceError(source, error.problems) from None
    if not isinstance(data, dict):
        raise InstanceError(source, [f"{source}: must be one JSON object, is {_kind(data)}"])
    try:
        given = InstanceTables.model_validate(data)
    except ValidationError as error:
        lined = text if len(text) <= MOST_WITH_LINES else None
        raise InstanceError(
            source, problem_lines(error, InstanceTables, data, source, lined, JsonLines)
        ) from None
    try:
        instance = _instance(given, Path(path).stem)
    except InstanceError as error:
        lines = JsonLines(text if len(text) <= MOST_WITH_LINES else "")
        places = [f"{source}:{lines.of(_place(problem))}" for problem in error.problems]
        problems = [f"{place}: {problem}" for place, problem in zip(places, error.problems, strict=True)]
        raise InstanceError(source, problems) from error
    found = derived_problems(instance)
    if found:
        lines = JsonLines(text if len(text) <= MOST_WITH_LINES else "")
        raise InstanceError(
            source, [f"{source}:{lines.of(path)}: {dotted(path)}: {problem}" for path, problem in found]
        )
    return instance


def _instance(given: InstanceTables, stem: str) -> Instance:
    # What is left out is not the same as an empty name or list.
    own = given.model_fields_set
    share = np.array(given.downlink_share, dtype=np.float64) if "downlink_share" in own else None
    return Instance(
        users=Users(**_columns(given.users, Users)),
        servers=Servers(**_columns(given.servers, Servers)),
        gain=np.array(given.gain, dtype=np.float64),
        noise_w_per_hz=given.noise_w_per_hz,
        bits_per_param=given.bits_per_param,
        weights=Weights(**_own_keys(given.weights)),
        score_law=Score(**_own_keys(given.score)),
        name=given.name if "name" in own else stem,
        ergodic=given.ergodic,
        downlink_share=share,
        power=power_of_tables(given.power),
        work=_work(given.users),
        rate=_rate(given.rate),
        objective=objective_of_tables(given.objective, len(given.users)),
    )


def _work(rows: Sequence[Any]) -> RoundWork[Any] | None:
    if not rows or rows[0].work is None:
        return None
    return RoundWork(**_columns([row.work for row in rows], RoundWork))


def _rate(given: Any) -> RateSpec:
    ways, problems = {}, list[str]()
    for name in ("up", "down"):
        try:
            ways[name] = SpectralEfficiency(**_own_keys(getattr(given, name)))
        except InstanceError as error:
            problems += [f"rate.{name}.{problem}" for problem in error.problems]
    if problems:
        raise InstanceError("rate", problems)
    return RateSpec(**ways)


def instance_to_json(instance: Instance) -> str:
    """Return the text of the file that ``load_instance`` reads back as the same instance."""
    users = _rows(instance.users)
    newer = instance.work is not None or bool((instance.users.local_fraction_max < 1).any())
    if instance.work is not None:
        users = [row | {"work": work} for row, work in zip(users, _rows(instance.work), strict=True)]
    if not newer:
        users = [{name: row[name] for name in row if name != "local_fraction_max"} for row in users]
    data = {
        "schema": SCHEMA if newer else 1,
        "name": instance.name,
        "noise_w_per_hz": instance.noise_w_per_hz,
        "bits_per_param": instance.bits_per_param,
        "weights": asdict(instance.weights),
        "score": asdict(instance.score_law),
        "users": users,
        "servers": _rows(instance.servers),
        "gain": instance.gain.tolist(),
    }
    if instance.ergodic:
        data["ergodic"] = True
    if instance.downlink_share is not None:
        data["downlink_share"] = instance.downlink_share.tolist()
    if instance.power is not None:
        data["power"] = tables_of_power(instance.power)
    if instance.objective is not None:
        data["objective"] = tables_of_objective(instance.objective)
    if not instance.rate.is_ideal:
        data["rate"] = {
            way: {name: value for name, value in numbers.items() if value < math.inf}
            for way, numbers in asdict(instance.rate).items()
        }
    return json.dumps(data, indent=1)


def _rows(group: Users | Servers | RoundWork[Any]) -> list[dict[str, Any]]:
    names = [field.name for field in fields(group)]
    columns = [getattr(group, name).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _own_keys(section: Any) -> dict[str, float]:
    """Return the keys that a section gives, without its defaults."""
    found: dict[str, float] = section.model_dump(exclude_unset=True)
    return found


def _columns(rows: Sequence[Any], kind: type[Any]) -> dict[str, Any]:
    return {field.name: [getattr(row, field.name) for row in rows] for field in fields(kind)}


def _read(path: Path, source: str) -> str:
    try:
        return read_bounded(path, MAX_BYTES, what="JSON file").decode()
    except UnicodeDecodeError as error:
        raise InstanceError(source, [f"{source}: not a JSON text: {error}"]) from error
    except UnreadableFile as error:
        raise InstanceError(source, [f"{source}: {error}"]) from error


def _place(problem: str) -> tuple[str | int, ...]:
    """Return the place of what a problem begins with, such as ``gain[2][0]``."""
    name = re.match(r"\w[\w.\[\]]*", problem)
    steps = re.findall(r"\w+", name[0]) if name else []
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def _kind(value: Any) -> str:
    names: dict[type, str] = {list: "a list", str: "a string", bool: "true or false"}
    return names.get(type(value), "null" if value is None else "a number")
