"""Instance files: one snapshot as JSON, SI units, fields named as in docs/model.md section 1."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from mecsim.errors import InstanceError
from mecsim.messages import nearest
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.instance import Instance

SCHEMA = 1
MAX_BYTES = 64_000_000

_TOP = ("schema", "noise_w_per_hz", "users", "servers", "gain")
_TOP_OPTIONAL = ("name", "bits_per_param", "weights", "score", "ergodic", "downlink_share")


def load_instance(path: str | Path) -> Instance:
    """Read an instance file.

    Parameters
    ----------
    path : str or Path
        A JSON object with ``schema`` (1), ``noise_w_per_hz``, ``users`` and ``servers`` (lists of
        objects), ``gain`` (a list of M numbers for each of the N users) and optionally ``name``,
        ``bits_per_param``, ``weights``, ``score``, ``ergodic`` (true or false) and ``downlink_share``
        (factors of the gains downwards, a list as of ``gain``).

    Raises
    ------
    InstanceError
        Listing every problem of the file with its key, value and what is allowed.
    """
    source = str(path)
    data = _read_json(Path(path), source)
    problems = list(_problems(data))
    if problems:
        raise InstanceError(source, [f"{source}: {problem}" for problem in problems])
    try:
        return Instance(
            users=Users(**_columns(data["users"], Users)),
            servers=Servers(**_columns(data["servers"], Servers)),
            gain=np.array(data["gain"], dtype=np.float64),
            noise_w_per_hz=float(data["noise_w_per_hz"]),
            bits_per_param=float(data.get("bits_per_param", 32.0)),
            weights=Weights(**data.get("weights", {})),
            score_law=Score(**data.get("score", {})),
            name=str(data.get("name", Path(path).stem)),
            ergodic=data.get("ergodic", False),
            downlink_share=np.array(data["downlink_share"]) if "downlink_share" in data else None,
        )
    except InstanceError as error:
        raise InstanceError(source, [f"{source}: {problem}" for problem in error.problems]) from error


def instance_to_json(instance: Instance) -> str:
    """Return the text of the file that ``load_instance`` reads back as the same instance."""
    data = {
        "schema": SCHEMA,
        "name": instance.name,
        "noise_w_per_hz": instance.noise_w_per_hz,
        "bits_per_param": instance.bits_per_param,
        "weights": asdict(instance.weights),
        "score": asdict(instance.score_law),
        "users": _rows(instance.users),
        "servers": _rows(instance.servers),
        "gain": instance.gain.tolist(),
    }
    if instance.ergodic:
        data["ergodic"] = True
    if instance.downlink_share is not None:
        data["downlink_share"] = instance.downlink_share.tolist()
    return json.dumps(data, indent=1)


def _rows(group: Users | Servers) -> list[dict[str, float]]:
    names = [field.name for field in fields(group)]
    columns = [getattr(group, name).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _columns(rows: list[dict[str, float]], kind: type[Users] | type[Servers]) -> dict[str, Any]:
    return {field.name: [float(row[field.name]) for row in rows] for field in fields(kind)}


def _read_json(path: Path, source: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = sorted(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        if twice:
            raise InstanceError(source, [f"{source}: {_named(key)}: the key stands twice" for key in twice])
        return dict(pairs)

    try:
        if path.is_dir():
            raise InstanceError(source, [f"{source}: is a folder, must be a JSON file"])
        if path.exists() and not path.is_file():
            raise InstanceError(source, [f"{source}: is no ordinary file, must be a JSON file"])
        if path.stat().st_size > MAX_BYTES:
            raise InstanceError(source, [f"{source}: is larger than {MAX_BYTES // 1_000_000} MB"])
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except OSError as error:
        raise InstanceError(source, [f"{source}: cannot be read: {error.strerror or error}"]) from error
    except json.JSONDecodeError as error:
        message = f"{source}:{error.lineno}: not JSON: {error.msg} (column {error.colno})"
        raise InstanceError(source, [message]) from error
    except RecursionError as error:
        raise InstanceError(source, [f"{source}: not JSON: nested too deeply"]) from error
    except ValueError as error:
        raise InstanceError(source, [f"{source}: not a JSON text: {error}"]) from error


def _problems(data: Any) -> Iterable[str]:
    if not isinstance(data, dict):
        yield f"must be one JSON object, is {_kind(data)}"
        return
    yield from _keys("", data, _TOP, _TOP_OPTIONAL)
    if "schema" in data and (data["schema"] != SCHEMA or isinstance(data["schema"], bool)):
        yield f"schema = {_shown(data['schema'])}: must be {SCHEMA}"
    if not isinstance(data.get("name", ""), str):
        yield f"name = {_shown(data['name'])}: must be a text"
    if not isinstance(data.get("ergodic", False), bool):
        yield f"ergodic = {_shown(data['ergodic'])}: must be true or false"
    if "noise_w_per_hz" in data:
        yield from _number("noise_w_per_hz", data["noise_w_per_hz"], positive=True)
    if "bits_per_param" in data:
        yield from _number("bits_per_param", data["bits_per_param"])
    for key, kind in (("weights", Weights), ("score", Score)):
        if key in data:
            yield from _group(key, data[key], (), [field.name for field in fields(kind)])
    for key, group in (("users", Users), ("servers", Servers)):
        if key in data:
            yield from _group_list(key, data[key], [field.name for field in fields(group)])
    for key in ("gain", "downlink_share"):
        if key in data:
            yield from _links(key, data[key])


def _group_list(key: str, rows: Any, names: list[str]) -> Iterable[str]:
    if not isinstance(rows, list):
        yield f"{key} must be a list of objects, is {_kind(rows)}"
        return
    for i, row in enumerate(rows):
        yield from _group(f"{key}[{i}]", row, names, ())


def _group(where: str, row: Any, required: Iterable[str], optional: Iterable[str]) -> Iterable[str]:
    if not isinstance(row, dict):
        yield f"{where} must be an object, is {_kind(row)}"
        return
    yield from _keys(f"{where}.", row, required, optional)
    for key in (*required, *optional):
        if key in row:
            yield from _number(f"{where}.{key}", row[key], positive=key in required)


def _links(key: str, rows: Any) -> Iterable[str]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        yield f"{key} must be a list of lists of numbers, one list for each user"
        return
    if len({len(row) for row in rows}) > 1:
        yield f"{key}: every user needs one number a server, the lists have {sorted({len(r) for r in rows})}"
        return
    for n, row in enumerate(rows):
        for m, value in enumerate(row):
            yield from _number(f"{key}[{n}][{m}]", value)


def _keys(
    prefix: str, given: Mapping[str, Any], required: Iterable[str], optional: Iterable[str]
) -> Iterable[str]:
    known = (*required, *optional)
    for key in given:
        if key not in known:
            yield f"{prefix}{_named(key)}: unknown key{nearest(key, known)}"
    for key in required:
        if key not in given:
            yield f"{prefix}{key}: missing"


def _number(where: str, value: Any, *, positive: bool = False) -> Iterable[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{where} = {_shown(value)}: must be a number, is {_kind(value)}"
    elif not _finite(value):
        yield f"{where} = {_shown(value)}: must be finite"
    elif value < 0 or (positive and value == 0):
        yield f"{where} = {_shown(value)}: must be {'> 0' if positive else '>= 0'}"


def _finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _named(key: str) -> str:
    """Return a key as it stands in messages: as it is, or quoted and cut if it is no plain name."""
    return key if key.isidentifier() and len(key) <= 60 else _shown(key)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _kind(value: Any) -> str:
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), "null" if value is None else "a number")
